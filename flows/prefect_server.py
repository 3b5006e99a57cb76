"""`python -m flows.prefect_server ARGUMENTS`: `prefect server start` where transactions wait for each other.

Prefect begins its transactions deferred: SQLite refuses at once ("database is locked") one that has read and
then writes after another has written. Many runs that begin together get 503 then, and 500 once those that try
again have filled the pool of connections. A transaction that takes the one writer's place at its start waits.

With `--with-parent` as the first argument it ends with the process that holds its standard input.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from flows.embedded import end_with_parent

__all__ = ["main", "take_turns"]


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


def main() -> None:
    """Serve until ended, with the options of `prefect server start`."""
    from prefect.cli import app

    take_turns()
    if sys.argv[1:2] == ["--with-parent"]:
        del sys.argv[1]
        end_with_parent()
    sys.argv[1:1] = ["server", "start"]
    app()


if __name__ == "__main__":
    main()
