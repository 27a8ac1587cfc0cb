"""A MariaDB of the machine's program, with data of its own: for all tests, or for one that kills and freezes it."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncmy
import pytest
from sqlalchemy.engine import URL

from app import migrations
from app.database import database_url
from tests.ports import free_port

_PROGRAMS = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
_ROOM = 2**30
# What survives a crash of the process is enough here; nobody pulls the plug.
_OPTIONS = (
    "--no-defaults",
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--skip-log-bin",
    "--max-connections=400",
    "--performance-schema=OFF",
    "--debug-no-sync",
    "--sync-frm=OFF",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-doublewrite=OFF",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=16M",
    "--innodb-file-per-table=OFF",  # a new table is no new file
    # What many servers say still, and what must not matter to us.
    "--character-set-server=latin1",
    "--sql-mode=",
    "--default-time-zone=+05:30",
)
# Rights to databases of tests, as an operator would give them to a service, and to look who waits for whom.
_USER = (
    "CREATE USER IF NOT EXISTS 'app'@'127.0.0.1' IDENTIFIED BY 'secret';\n"
    "GRANT ALL ON `test\\_%`.* TO 'app'@'127.0.0.1';\n"
    "GRANT PROCESS ON *.* TO 'app'@'127.0.0.1';\n"
)


@contextmanager
def throwaway() -> "Iterator[MariaDBServer]":
    """One for as long as the block takes; a test that asks for it is skipped where the machine has none."""
    program = shutil.which("mariadbd", path=_PROGRAMS)
    if program is None:
        pytest.skip("there is no mariadbd on this machine")
    with tempfile.TemporaryDirectory(prefix="mariadb", dir=_roomy_folder()) as folder:
        server = MariaDBServer(program, Path(folder))
        try:
            yield server
        finally:
            server.close()


def _roomy_folder() -> str | None:
    """In memory if there is room, where a new database costs a quarter."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > _ROOM else None


class MariaDBServer:
    """`folder` holds its data; the address stays the same through `kill` and `start`."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self._folder = program, folder
        port = free_port()
        self.url = f"mysql://app:secret@127.0.0.1:{port}"
        self._port = port
        # The path of a socket may have some 100 characters.
        self._socket = Path(tempfile.gettempdir()) / f"mariadb-{uuid4().hex[:12]}.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self._schema: str | None = None
        self._install()
        self._start()

    async def database(self) -> str:
        """The address of a new database with the schema."""
        if self._schema is None:
            self._schema = await read_schema(self.url)
        return await create_database(self.url, self._schema)

    async def empty_database(self) -> str:
        return await create_database(self.url, "")

    async def connections(self, url: str) -> int:
        """How many are open to a database."""
        query = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = %s"
        rows = await _query(self.url, query, [database_url(url).database])
        return int(rows[0][0])

    async def administer(self, statement: str) -> None:
        """As its administrator, whom no read-only mode stops."""
        connection = await asyncmy.connect(unix_socket=str(self._socket), user="root", autocommit=True)
        try:
            await connection.query(statement)
        finally:
            await connection.ensure_closed()

    async def kill(self) -> None:
        """Every connection breaks, and the next start recovers."""
        await asyncio.to_thread(self._kill)

    async def start(self) -> None:
        """Start again, if it does not run."""
        if self._process is None:
            await asyncio.to_thread(self._start)

    def freeze(self) -> None:
        """Everything stays open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self._process is not None:
            self._signal(signal.SIGCONT)

    def close(self) -> None:
        self._kill()
        self._socket.unlink(missing_ok=True)

    def _install(self) -> None:
        installer = shutil.which("mariadb-install-db", path=_PROGRAMS)
        assert installer is not None, "there is a mariadbd, but no mariadb-install-db"
        subprocess.run(
            [
                installer,
                *_OPTIONS,
                *_as_root(),
                f"--datadir={self._folder / 'data'}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _start(self) -> None:
        user = self._folder / "user.sql"
        user.write_text(_USER)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._program,
                    *_OPTIONS,
                    *_as_root(),
                    f"--datadir={self._folder / 'data'}",
                    f"--port={self._port}",
                    f"--socket={self._socket}",
                    f"--pid-file={self._folder / 'pid'}",
                    f"--init-file={user}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._wait()

    def _wait(self) -> None:
        latest = time.monotonic() + 30
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self._port)):
                    return
            except OSError:
                assert time.monotonic() < latest, (self._folder / "log").read_text()
                time.sleep(0.01)

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)


async def read_schema(server: str) -> str:
    """What makes the tables of a database that Alembic has migrated: statements for one round trip, of some 10 ms."""
    url = await create_database(server, "")
    await migrations.migrate(database_url(url))
    statements = ["SET FOREIGN_KEY_CHECKS=0"]
    for (table,) in await _query(url, "SHOW TABLES"):
        statements.append((await _query(url, f"SHOW CREATE TABLE `{table}`"))[0][1])
    for trigger, *_ in await _query(url, "SHOW TRIGGERS"):
        statements.append((await _query(url, f"SHOW CREATE TRIGGER `{trigger}`"))[0][2])
    revision = (await _query(url, "SELECT version_num FROM alembic_version"))[0][0]
    statements.append(f"INSERT INTO alembic_version VALUES ('{revision}')")  # noqa: S608  # it is ours
    await drop_database(url)
    return ";".join(statements)


async def create_database(server: str, schema: str) -> str:
    """The address of a new database that has what `schema` makes."""
    name = f"test_{uuid4().hex}"
    await _query(server, f"CREATE DATABASE {name}; USE {name};{schema}")
    return database_url(server).set(drivername="mysql", database=name).render_as_string(hide_password=False)


async def drop_database(url: str) -> None:
    name = database_url(url).database
    drop = f"DROP DATABASE {name}"
    try:
        await _query(url, f"SET lock_wait_timeout=1; {drop}")
    except asyncmy.errors.OperationalError:
        # Somebody still reads or writes there.
        others = "SELECT id FROM information_schema.processlist WHERE db = %s AND id != CONNECTION_ID()"
        for (connection,) in await _query(url, others, [name]):
            with suppress(asyncmy.errors.OperationalError):  # it has gone by itself
                await _query(url, f"KILL {connection}")
        await _query(url, f"SET lock_wait_timeout=60; {drop}")


async def _query(url: str, statements: str, values: list[Any] | None = None) -> list[Any]:
    """The rows of the first of them; all are run."""
    parsed: URL = database_url(url)
    connection = await asyncmy.connect(
        host=parsed.host,
        port=parsed.port or 3306,
        user=parsed.username,
        password=parsed.password or "",
        database=parsed.database or None,
        autocommit=True,
    )
    try:
        cursor = connection.cursor()
        await cursor.execute(statements, values)
        rows = list(await cursor.fetchall())
        while await cursor.nextset():
            pass
        return rows
    finally:
        await connection.ensure_closed()


def _as_root() -> list[str]:
    """It refuses to run as root unless told to."""
    return ["--user=root"] if os.geteuid() == 0 else []
