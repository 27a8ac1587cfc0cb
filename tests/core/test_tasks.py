"""Whoever is to end ends, although a library may lose the first word of it."""

import asyncio
from contextlib import suppress

import pytest

from app.core.tasks import end


async def _deaf(times: int) -> None:
    """Loses so many cancellations, and goes on."""
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not times:
                raise
            times -= 1


async def _failing() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        raise ValueError("on the way out")


async def test_what_loses_a_cancellation_is_told_again(caplog: pytest.LogCaptureFixture) -> None:
    tasks = [asyncio.create_task(work) for work in (_deaf(0), _deaf(1), _deaf(2), _failing())]
    await asyncio.sleep(0)

    await end(tasks, patience=0.05)

    assert all(task.done() for task in tasks)
    assert caplog.records == []


async def test_what_does_not_end_is_told_of_and_left(caplog: pytest.LogCaptureFixture) -> None:
    task = asyncio.create_task(_deaf(3), name="deaf")
    await asyncio.sleep(0)

    async with asyncio.timeout(5):
        await end([task], patience=0.05)

    assert not task.done()
    assert [record.__dict__["tasks"] for record in caplog.records] == [["deaf"]]
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_nothing_to_end_is_nothing_to_wait_for() -> None:
    await end([])
