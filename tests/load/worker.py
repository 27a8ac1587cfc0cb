"""One worker of the service and the vendor that it relays, on their cores."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from app.bootstrap import House
from tests.bench.load import once
from tests.bench.processes import Served
from tests.load import vendor
from tests.load.cores import Cores, settle
from tests.load.people import Person, house_on, people
from tests.load.stores import stores_of

_OFF = (
    "RATE_LIMIT_AI",
    "RATE_LIMIT_AUTH",
    "RATE_LIMIT_DEFAULT",
    "LOGIN_FAILURES",
    "MAX_CONCURRENT_GENERATIONS",
    "MAX_CONCURRENT_GENERATIONS_PER_USER",
)
_HELD_AT_MOST = "300"
"""Seconds between the first chunk of a crowd that gathers and its second."""


@dataclass(frozen=True, slots=True)
class Stage:
    worker: Served
    vendor: Served
    people: Sequence[Person]


Prepare = Callable[[House, Sequence[Person]], Awaitable[None]]
"""Writes what there is to be before the worker."""


@asynccontextmanager
async def stage(
    kind: str,
    folder: Path,
    cores: Cores,
    users: int,
    settings: Mapping[str, str],
    prepare: Prepare | None = None,
) -> AsyncIterator[Stage]:
    """A new worker on new stores, with so many users and further settings, and a vendor of its own."""
    async with AsyncExitStack() as stack:
        stores = await stack.enter_async_context(stores_of(kind, folder))
        upstream = await stack.enter_async_context(loopback_vendor())
        environment = {**_environment(stores, folder, upstream), **settings}
        async with house_on(environment) as house:
            crowd = await people(house, users)
            if prepare is not None:
                await prepare(house, crowd)
        served = await stack.enter_async_context(Served("app.main", environment=environment))
        settle(served.pid, cores)
        await served.ready()
        yield Stage(served, upstream, crowd)


@asynccontextmanager
async def loopback_vendor() -> AsyncIterator[Served]:
    async with Served("tests.load.vendor", ("{port}",)) as upstream:
        await upstream.ready()
        yield upstream


@asynccontextmanager
async def bare_relay(cores: Cores) -> AsyncIterator[Stage]:
    """The floor: a relay that knows neither users nor storage."""
    async with loopback_vendor() as upstream, Served("tests.bench.targets.bare", ("{port}", upstream.url)) as served:
        settle(served.pid, cores)
        await served.ready()
        yield Stage(served, upstream, ())


async def said(upstream: Served) -> Mapping[str, str]:
    """Of each answer that the vendor ended, by whose it is, the digest of its text."""
    return vendor.read_said((await once(upstream.port, _get(vendor.SAID, upstream))).body)


async def go(upstream: Served) -> None:
    """Let the vendor go on with all that it holds."""
    await once(upstream.port, _get(vendor.GO, upstream))


def _get(path: str, upstream: Served) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{upstream.port}\r\n\r\n".encode()


def _environment(stores: Mapping[str, str], folder: Path, upstream: Served) -> Mapping[str, str]:
    return {
        **stores,
        "PORT": "{port}",
        "ENVIRONMENT": "development",
        "DATA_DIR": str(folder),
        "SECRET_KEY": secrets.token_hex(32),
        "ACCESS_TOKEN_MINUTES": "1440",
        "OPENAI_API_KEY": "sk-loopback",
        "OPENAI_BASE_URL": f"{upstream.url}/v1",
        "OLLAMA_DISCOVERY": "false",
        "CHUNK_TIMEOUT": _HELD_AT_MOST,
        **dict.fromkeys(_OFF, ""),
    }
