"""Signals: heard at once by every process, lost without harm, and whatever else is said there is passed over."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from app.stores.redis import PREFIX, RedisServer
from app.stores.redis_signals import RedisSignals
from app.stores.signals import NoSignals, Signal
from tests.redis_server import RedisServer as Real

CHANNEL = f"{PREFIX}:signals:0"


class Process:
    """What one process of the app has: signals, and the task that hears them."""

    def __init__(self, url: str, **times: float) -> None:
        self.server = RedisServer(url, patience=10)
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.signals = RedisSignals(self.server, {Signal.STOP: self.heard.put_nowait}, **times)
        self._listening = asyncio.create_task(self.signals.listen_forever())

    async def hears(self, *, within: float = 5) -> str:
        async with asyncio.timeout(within):
            return await self.heard.get()

    async def aclose(self) -> None:
        self._listening.cancel()
        await asyncio.wait({self._listening})
        await self.server.aclose()


Start = Callable[..., Process]


@pytest.fixture
async def start(redis_server: Real) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        def start(url: str, **times: float) -> Process:
            process = Process(url, **times)
            stack.push_async_callback(process.aclose)
            return process

        yield start


async def listening(real: Real, count: int) -> None:
    """Until so many connections hear."""
    with real.client() as redis:
        async with asyncio.timeout(5):
            while redis.pubsub_numsub(CHANNEL)[0][1] != count:
                await asyncio.sleep(0.01)


async def test_every_process_hears_it_the_one_that_sent_it_too(start: Start, redis_server: Real) -> None:
    one, other = start(redis_server.url), start(redis_server.url)
    await listening(redis_server, 2)

    for subject in ("first", "second"):
        await one.signals.send(Signal.STOP, subject)

    for process in (one, other):
        assert [await process.hears(), await process.hears()] == ["first", "second"]


async def test_who_hears_nothing_for_long_hears_on(start: Start, redis_server: Real) -> None:
    process = start(redis_server.url, silence=1.5)
    await listening(redis_server, 1)
    with redis_server.client() as redis:
        (before,) = redis.client_list(_type="pubsub")
        async with asyncio.timeout(30):
            while redis.client_list(_type="pubsub")[0]["cmd"] != "ping":
                await asyncio.sleep(0.05)
    await asyncio.sleep(2.5)  # and another

    await process.signals.send(Signal.STOP, "it")

    assert await process.hears() == "it"
    with redis_server.client() as redis:
        (after,) = redis.client_list(_type="pubsub")
    assert before["id"] == after["id"]


@pytest.mark.parametrize(
    "message",
    [
        "",
        "stop",
        " ",
        "start it",
        "STOP it",
        b"\xff\xfe\x00",
        "stop" * 1000,
        "stop " + "x" * 10_000_000,
        '{"stop": "it"}',
        "停 它",
    ],
    ids=lambda message: repr(message[:12]),
)
async def test_what_is_none_of_ours_is_passed_over(start: Start, redis_server: Real, message: str | bytes) -> None:
    process = start(redis_server.url)
    await listening(redis_server, 1)
    with redis_server.client() as redis:
        redis.publish(CHANNEL, message)

    await process.signals.send(Signal.STOP, "it")

    heard = [await process.hears()]
    while heard[-1] != "it":
        heard.append(await process.hears())
    assert heard in (["it"], ["", "it"])


@pytest.mark.parametrize("fault", ["killed", "cut"])
async def test_a_connection_that_broke_is_made_anew(start: Start, redis_server: Real, fault: str) -> None:
    one, other = start(redis_server.url), start(redis_server.url)
    await listening(redis_server, 2)

    if fault == "killed":
        redis_server.kill()
        await one.signals.send(Signal.STOP, "lost")
        redis_server.start()
    else:
        with redis_server.client() as redis:
            redis.client_kill_filter(_type="pubsub")
    await listening(redis_server, 2)

    await one.signals.send(Signal.STOP, "it")
    assert [await process.hears() for process in (one, other)] == ["it", "it"]


async def test_a_redis_that_was_frozen_is_heard_again(start: Start, redis_server: Real) -> None:
    process = start(redis_server.url, silence=0.2)
    await listening(redis_server, 1)
    redis_server.freeze()
    await asyncio.sleep(2)
    redis_server.thaw()
    async with asyncio.timeout(10):
        while True:
            await process.signals.send(Signal.STOP, "it")
            try:
                assert await process.hears(within=0.5) == "it"
                break
            except TimeoutError:
                continue
    await listening(redis_server, 1)


async def test_numbered_databases_of_one_server_do_not_hear_each_other(start: Start, redis_server: Real) -> None:
    one, other = start(redis_server.url), start(redis_server.url.removesuffix("0") + "1")
    await listening(redis_server, 1)

    await other.signals.send(Signal.STOP, "it")
    await one.signals.send(Signal.STOP, "mine")

    assert await one.hears() == "mine"


async def test_without_redis_there_is_nothing_to_hear_and_sending_is_no_error() -> None:
    await NoSignals().send(Signal.STOP, "it")
    await NoSignals().listen_forever()


async def test_a_server_that_forbids_it_is_told_once(
    start: Start, redis_server: Real, caplog: pytest.LogCaptureFixture
) -> None:
    with redis_server.client() as redis:
        redis.acl_setuser("default", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-subscribe"])
    start(redis_server.url, pause=0.05)
    async with asyncio.timeout(20):
        while not caplog.records:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.5)

    assert [record.message for record in caplog.records] == ["redis lets us hear no signals"]
