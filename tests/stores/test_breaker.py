"""The breaker: who waits for a part that is away, for how long, and what operators read of it."""

import asyncio
import time

import pytest

from app.stores import breaker
from app.stores.breaker import Away, Breaker

PATIENCE = 0.1


class Part:
    """Does what it is asked, fails, or does not answer, as it is told to."""

    def __init__(self) -> None:
        self.calls = 0
        self.probes = 0
        self.broken: Exception | None = None
        self.hangs = False

    async def work(self) -> str:
        self.calls += 1
        return await self._answer()

    async def probe(self) -> None:
        self.probes += 1
        await self._answer()

    async def _answer(self) -> str:
        if self.hangs:
            await asyncio.Event().wait()
        if self.broken is not None:
            raise self.broken
        return "done"


@pytest.fixture
def part() -> Part:
    return Part()


@pytest.fixture
async def guard(part: Part) -> Breaker:
    return Breaker("the part", part.probe, (ConnectionError,), patience=PATIENCE)


async def fail(guard: Breaker, part: Part, times: int) -> None:
    for _ in range(times):
        with pytest.raises(Away):
            await guard.call(part.work)


async def closed(guard: Breaker) -> None:
    async with asyncio.timeout(5):
        while guard.open:
            await asyncio.sleep(0.01)


async def test_what_works_is_given(guard: Breaker, part: Part) -> None:
    assert await guard.call(part.work) == "done"


async def test_after_five_failures_it_is_not_asked_any_more(guard: Breaker, part: Part) -> None:
    part.broken = ConnectionError("refused")
    await fail(guard, part, 100)

    assert part.calls == 5
    await guard.aclose()


async def test_failures_count_in_a_row(guard: Breaker, part: Part) -> None:
    for _ in range(10):
        part.broken = ConnectionError("refused")
        await fail(guard, part, 4)
        part.broken = None
        assert await guard.call(part.work) == "done"

    assert not guard.open


async def test_nobody_waits_longer_than_the_patience(guard: Breaker, part: Part) -> None:
    part.hangs = True

    began = time.monotonic()
    await asyncio.gather(*(fail(guard, part, 1) for _ in range(100)))
    assert time.monotonic() - began < PATIENCE + 1

    began = time.monotonic()
    await fail(guard, part, 1000)
    assert time.monotonic() - began < 5
    await guard.aclose()


async def test_it_finds_out_by_itself_that_the_part_is_back(guard: Breaker, part: Part) -> None:
    part.broken = ConnectionError("refused")
    await fail(guard, part, 5)
    await asyncio.sleep(breaker.PAUSE * 2.5)
    assert 1 <= part.probes <= 2
    part.broken = None

    await closed(guard)

    assert part.calls == 5
    assert await guard.call(part.work) == "done"


async def test_a_mistake_of_ours_is_no_failure_of_the_part(guard: Breaker, part: Part) -> None:
    part.broken = ValueError("ours")
    for _ in range(10):
        with pytest.raises(ValueError, match="ours"):
            await guard.call(part.work)

    assert not guard.open


async def test_a_caller_that_is_cancelled_says_nothing_about_the_part(guard: Breaker, part: Part) -> None:
    part.hangs = True
    for _ in range(10):
        task = asyncio.create_task(guard.call(part.work))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert not guard.open


async def test_a_cancellation_that_got_lost_underneath_counts(guard: Breaker) -> None:
    async def swallow() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionError from None
        return ""

    task = asyncio.create_task(guard.call(swallow))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert not guard.open


async def test_each_change_is_logged_once(guard: Breaker, part: Part, caplog: pytest.LogCaptureFixture) -> None:
    part.broken = ConnectionError("refused")
    await asyncio.gather(*(fail(guard, part, 100) for _ in range(10)))
    part.broken = None
    await closed(guard)

    assert [record.message for record in caplog.records] == ["the part is away", "the part is back"]
    assert all(record.exc_info is None for record in caplog.records)
