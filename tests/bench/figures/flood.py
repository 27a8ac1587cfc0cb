"""What a flood of sign-ins does to running streams: the time between their chunks, without it and under it."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Self
from urllib.parse import urlencode

from tests.bench.contestants import Ours, post_form
from tests.bench.figures.field import Field, examine
from tests.bench.load import Connection

_PACE = 50  # milliseconds between two chunks
_APART = 0.2  # seconds in which all streams begin, so that they are not in step
_WARM = 10  # what begins a stream is not looked at
_ASKERS = 500  # more than there are places for passwords to wait in, so that most are turned away at once


@dataclass(slots=True)
class Flood:
    """Milliseconds between two chunks of a stream, over all streams, and how many sign-ins had which status."""

    chunks_apart: int = _PACE
    calm: list[float] = field(default_factory=list)
    flooded: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Sign-ins that were answered each second."""
        return self.statuses.total() / self.seconds


class _Watched(Connection):
    """Notes when something came."""

    def __init__(self) -> None:
        super().__init__()
        self.came: list[float] = []

    def data_received(self, data: bytes) -> None:
        self.came.append(time.monotonic())
        super().data_received(data)


async def measure(on: Field) -> Flood:
    """Raises WrongAnswer for a stream that is not whole."""
    found = Flood()
    found.calm = await _streams(on)
    async with _knocking(on.ours, on.amounts.signins, found.statuses):
        began = time.monotonic()
        found.flooded = await _streams(on)
        found.seconds = time.monotonic() - began
    await on.forget()
    return found


async def _streams(on: Field) -> list[float]:
    chunks = on.amounts.long
    requests = [on.ours.first_message(f"count-{chunks}-{_PACE}ms") for _ in range(on.amounts.streams)]
    with ExitStack() as stack:
        connections = [stack.enter_context(await _Watched.open(on.ours.port)) for _ in requests]
        asked = []
        for connection, request in zip(connections, requests, strict=True):
            asked.append(connection.ask(request))
            await asyncio.sleep(_APART / len(requests))
        examine(on.ours, await asyncio.gather(*asked), chunks)
    return [
        gap for connection in connections for gap in _gaps(connection.came[min(_WARM, len(connection.came) // 2) :])
    ]


def _gaps(came: Sequence[float]) -> list[float]:
    return [(after - before) * 1000 for before, after in pairwise(came)]


class _Turns:
    """Numbers for whoever asks, evenly in time, and late rather than never."""

    def __init__(self, rate: float) -> None:
        self._apart = 1 / rate
        self._due = time.monotonic()
        self._number = 0

    async def __anext__(self) -> int:
        self._due += self._apart
        self._number += 1
        number = self._number
        await asyncio.sleep(self._due - time.monotonic())
        return number

    def __aiter__(self) -> Self:
        return self


@asynccontextmanager
async def _knocking(ours: Ours, rate: float, statuses: Counter[int]) -> AsyncIterator[None]:
    """So many sign-ins a second with wrong passwords: each to another account and from another address."""
    turns = _Turns(rate)
    knocking = [asyncio.create_task(_knock(ours.port, turns, statuses)) for _ in range(_ASKERS)]
    try:
        yield
    finally:
        for task in knocking:
            task.cancel()
        await asyncio.gather(*knocking, return_exceptions=True)


async def _knock(port: int, turns: _Turns, statuses: Counter[int]) -> None:
    """With a connection each: who is turned away is not kept on the old one."""
    async for number in turns:
        with await Connection.open(port) as connection:
            reply = await connection.ask(_sign_in(number))
            statuses[reply.status] += 1


def _sign_in(number: int) -> bytes:
    account = {"username": f"account-{number}@example.com", "password": f"wrong-{number}"}
    where = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return post_form("/auth/login", urlencode(account).encode(), f"x-forwarded-for: {where}\r\n")
