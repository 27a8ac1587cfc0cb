"""The watchdog says where the event loop stands, and only when it is the loop that does."""

import asyncio
import bdb
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from app.core.watchdog import STACK_EACH, Watchdog
from tests.chat.reading import eventually
from tests.conftest import Serve
from tests.scrape import Scrape

SECONDS = 0.2
STANDS, RUNS = "the event loop stands still", "the event loop runs again"


def sleep_long() -> None:
    secret = "canary-value"
    time.sleep(len(secret) * 0.2)


def hold_the_interpreter() -> None:
    sum(range(40_000_000))


class Said:
    """What watchdogs log meanwhile."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [each.__dict__ for each in self._caplog.records if each.name == "app.core.watchdog"]

    def count(self, message: str) -> int:
        return [entry["message"] for entry in self.entries].count(message)

    @property
    def stacks(self) -> list[list[str]]:
        return [entry["stack"] for entry in self.entries if "stack" in entry]


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Said:
    caplog.set_level(logging.WARNING, logger="app")
    return Said(caplog)


@contextmanager
def watching(*, stack_each: float = STACK_EACH) -> Iterator[list[float]]:
    """A watchdog on the running loop; answers how late its heartbeats came."""
    lags: list[float] = []
    watchdog = Watchdog(SECONDS, on_lag=lags.append, on_stall=lambda: None, stack_each=stack_each)
    watchdog.start()
    try:
        yield lags
    finally:
        watchdog.stop()


async def stall(guilty: Callable[[], object]) -> None:
    """Hold the loop up as a callback does that should not be one, then let the watchdog look."""
    asyncio.get_running_loop().call_soon(guilty)
    await asyncio.sleep(SECONDS)


async def test_a_stall_is_said_once_with_the_guilty_function_and_then_how_long_it_was(serve: Serve, said: Said) -> None:
    backend = await serve(watchdog_seconds=SECONDS)
    await asyncio.sleep(SECONDS)

    await stall(sleep_long)
    await eventually(lambda: said.count(RUNS) == 1)

    (stack,) = said.stacks
    assert stack[-1].partition(" ")[2] == "sleep_long"
    assert "test_watchdog.py:" in stack[-1]
    stands, runs = said.entries
    assert (stands["message"], runs["message"]) == (STANDS, RUNS)
    assert SECONDS <= stands["seconds"] <= runs["seconds"]
    assert "canary" not in str(said.entries)
    scrape = await Scrape.of(backend)
    assert scrape.value("ai_event_loop_stalls_total") >= 1
    assert scrape.value("ai_event_loop_lag_seconds_sum") > SECONDS


async def test_a_function_that_never_lets_go_of_the_interpreter_is_caught_all_the_same(said: Said) -> None:
    def caught() -> bool:
        return any(stack[-1].endswith(" hold_the_interpreter") for stack in said.stacks)

    with watching(stack_each=SECONDS):
        async with asyncio.timeout(30):
            while not caught():  # on a machine without a processor to spare the watchdog may come too late
                await stall(hold_the_interpreter)


async def test_stalls_that_follow_each_other_are_all_said_but_the_stack_is_shown_once(said: Said) -> None:
    with watching():
        for number in (1, 2):
            await stall(sleep_long)
            await eventually(lambda number=number: said.count(RUNS) == number)  # type: ignore[misc]

    assert said.count(STANDS) == 2
    assert len(said.stacks) == 1


async def test_of_a_stall_that_goes_on_the_stack_is_shown_again_when_it_is_time(said: Said) -> None:
    with watching(stack_each=SECONDS):
        await stall(sleep_long)
        await eventually(lambda: said.count(RUNS) == 1)

    assert len(said.stacks) >= 2
    assert said.count(STANDS) == len(said.stacks)


async def test_a_loop_that_runs_is_not_spoken_of(said: Said) -> None:
    with watching() as lags:
        await asyncio.sleep(4 * SECONDS)
        await eventually(lambda: len(lags) >= 4)

    assert said.entries == []
    assert min(lags) >= 0


def test_a_loop_that_is_not_run_does_not_stand_and_one_that_is_closed_is_not_watched(said: Said) -> None:
    before = set(threading.enumerate())
    with asyncio.Runner() as runner:
        watchdog = Watchdog(SECONDS, on_lag=lambda lag: None, on_stall=lambda: None)

        async def start() -> None:
            watchdog.start()

        runner.run(start())
        time.sleep(3 * SECONDS)
        runner.run(asyncio.sleep(SECONDS))
    (thread,) = set(threading.enumerate()) - before
    thread.join(timeout=10)

    assert not thread.is_alive()
    assert said.entries == []


async def test_nobody_is_disturbed_at_a_breakpoint_and_behind_it(said: Said) -> None:
    def halted() -> None:
        bdb.Bdb().runcall(sleep_long)
        time.sleep(3 * SECONDS)

    with watching():
        await stall(halted)

    assert said.entries == []


async def test_with_the_house_the_thread_goes(serve: Serve, said: Said) -> None:
    before = set(threading.enumerate())
    backend = await serve()
    begun = {thread for thread in set(threading.enumerate()) - before if thread.name == "watchdog"}
    assert len(begun) == 1

    await backend.stop()

    assert not any(thread.is_alive() for thread in begun)
    assert said.entries == []


def test_one_that_was_never_started_can_be_stopped() -> None:
    Watchdog(SECONDS, on_lag=lambda lag: None, on_stall=lambda: None).stop()
