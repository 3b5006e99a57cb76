import asyncio
import os
import subprocess
import sys

import pytest
import sqlalchemy as sa
from prefect.server.database.configurations import AioSqliteConfiguration

from flows.prefect_server import take_turns


async def _raced(path, writers):
    """Let transactions that all read first and write then run side by side; the count that they leave."""
    database = AioSqliteConfiguration(connection_url=f"sqlite+aiosqlite:///{path}")
    engine = await database.engine()
    async with engine.begin() as connection:
        await connection.execute(sa.text("create table told (n integer)"))
    read = 0

    async def write():
        nonlocal read
        async with await database.session(engine) as session, database.begin_transaction(session):
            found = (await session.execute(sa.text("select count(*) from told"))).scalar()
            read += 1
            for _ in range(20):  # let the others read, where they can
                if read == writers:
                    break
                await asyncio.sleep(0.005)
            await session.execute(sa.text("insert into told values (:n)"), {"n": found})

    await asyncio.gather(*(write() for _ in range(writers)))
    async with await database.session(engine) as session:
        rows = (await session.execute(sa.text("select n from told order by n"))).scalars().all()
    await engine.dispose()
    return rows


def test_transactions_that_read_and_then_write_wait_for_each_other(tmp_path, monkeypatch):
    monkeypatch.setattr(AioSqliteConfiguration, "begin_transaction", AioSqliteConfiguration.begin_transaction)
    take_turns()
    assert asyncio.run(_raced(tmp_path / "own.db", 5)) == [0, 1, 2, 3, 4]


def test_without_that_prefect_refuses_them(tmp_path):
    """Tells when Prefect has mended it, and the server of our own can go."""
    with pytest.raises(sa.exc.OperationalError, match="database is locked"):
        asyncio.run(_raced(tmp_path / "own.db", 5))


CREATE = """
import asyncio
from flows.prefect_server import migrate_in_turn
from prefect.server.database import provide_database_interface
migrate_in_turn()
asyncio.run(provide_database_interface().create_db())
"""


@pytest.mark.slow
def test_two_servers_that_come_up_at_once_on_a_new_home_both_do(tmp_path):
    there = {**os.environ, "PREFECT_HOME": str(tmp_path)}
    there.pop("PREFECT_API_DATABASE_CONNECTION_URL", None)
    begun = [subprocess.Popen([sys.executable, "-c", CREATE], env=there) for _ in range(2)]
    assert [process.wait(120) for process in begun] == [0, 0]
    assert (tmp_path / "prefect.db").stat().st_size > 0
