"""`python -m flows.prefect_server ARGUMENTS`: `prefect server start` where transactions wait for each other.

Prefect begins its transactions deferred: SQLite refuses at once ("database is locked") one that has read and
then writes after another has written. Many runs that begin together get 503 then, and 500 once those that try
again have filled the pool of connections. A transaction that takes the one writer's place at its start waits.

Two servers that come up at once on a home without a database would both make its tables, and one would end:
the second waits for the first.

With `--with-parent` as the first argument it ends with the process that holds its standard input.
"""

from __future__ import annotations

import fcntl
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from flows.embedded import end_with_parent

__all__ = ["main", "migrate_in_turn", "take_turns"]


def take_turns() -> None:
    """Have every transaction of Prefect's server on SQLite begin as a writer."""
    from prefect.server.database.configurations import AioSqliteConfiguration
    from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction

    begun = AioSqliteConfiguration.begin_transaction

    @asynccontextmanager
    async def begin_transaction(
        self: AioSqliteConfiguration, session: AsyncSession, with_for_update: bool = False
    ) -> AsyncGenerator[AsyncSessionTransaction, None]:
        async with begun(self, session, with_for_update=True) as transaction:
            yield transaction

    AioSqliteConfiguration.begin_transaction = begin_transaction  # type: ignore[method-assign]


def migrate_in_turn() -> None:
    """Have the servers of a Prefect home bring its database up to date one after the other."""
    from prefect.server.database.interface import PrefectDBInterface
    from prefect.settings import get_current_settings

    alone = PrefectDBInterface.run_migrations_upgrade

    async def run_migrations_upgrade(self: PrefectDBInterface) -> None:
        home = get_current_settings().home
        home.mkdir(parents=True, exist_ok=True)
        with (home / "migrating.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # nothing else goes on in this process: it is not up yet
            await alone(self)

    PrefectDBInterface.run_migrations_upgrade = run_migrations_upgrade  # type: ignore[method-assign]


def main() -> None:
    """Serve until ended, with the options of `prefect server start`."""
    from prefect.cli import app

    take_turns()
    migrate_in_turn()
    if sys.argv[1:2] == ["--with-parent"]:
        del sys.argv[1]
        end_with_parent()
    sys.argv[1:1] = ["server", "start"]
    app()


if __name__ == "__main__":
    main()
