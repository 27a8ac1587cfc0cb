"""A call of a model is given up after a silence of the model's server, not of ours."""

import asyncio
import socket
import time

import pytest

from app.generation.deadline import Deadline, TimeLimits

LIMITS = TimeLimits(first=0.4, gap=0.4, trailer=0.4, whole=60)


@pytest.mark.parametrize("standing", [0.41, 1.0], ids=["until just then", "for long"])
async def test_what_came_while_the_process_stood_still_is_read_before_the_call_is_given_up(standing: float) -> None:
    loop, expired = asyncio.get_running_loop(), asyncio.Event()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        deadline = Deadline(LIMITS, expired.set)

        def read() -> None:
            ours.recv(100)
            deadline.progress()

        loop.add_reader(ours, read)
        theirs.send(b"a chunk")

        time.sleep(standing)  # noqa: ASYNC251  # as when the machine is paused
        await asyncio.sleep(0.15)

        assert not expired.is_set()
        async with asyncio.timeout(10):
            await expired.wait()  # for then it is silent
        loop.remove_reader(ours)
        deadline.close()


async def test_each_standstill_is_excused_and_not_the_first_alone() -> None:
    expired = asyncio.Event()
    deadline = Deadline(LIMITS, expired.set)
    for _ in range(4):
        time.sleep(1)  # noqa: ASYNC251
        await asyncio.sleep(0.05)
        deadline.progress()  # by what had come
        assert not expired.is_set()
    deadline.close()


async def test_a_standstill_is_no_excuse_for_long() -> None:
    expired = asyncio.Event()
    deadline = Deadline(LIMITS, expired.set)

    time.sleep(1)  # noqa: ASYNC251
    async with asyncio.timeout(10):
        await expired.wait()
    deadline.close()
