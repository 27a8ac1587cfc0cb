"""What the vendor saw of each request, and waiting for it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.upstream.scenarios import Played

Ended = Literal["complete", "aborted", "fault"]


@dataclass(slots=True, eq=False)
class Record:
    """One request. Times are `time.monotonic()`, which on one machine all processes share.

    `ended` is None while the answer runs; then "aborted" if the client left first, "complete" if an answer without a
    fault was sent to its end, and "fault" for whatever else the scenario did (a refusal, a reset, the server's stop).
    """

    number: int
    method: str
    path: str
    query: str
    headers: dict[str, str]  # names in lower case
    body: dict[str, Any]  # the vendor's JSON, for tests to look into; empty if there was none
    call: bool  # asks the model for an answer, as against the list of models
    received: float = field(default_factory=time.monotonic)
    scenario: Played | None = None
    sent_chunks: int = 0
    sent_closing: int = 0  # of what follows the chunks: the finish marker, the usage if asked for, the last event
    ended: Ended | None = None
    ended_at: float | None = None
    released: float = 0  # chunks let through so far, of an answer on hold

    @property
    def model(self) -> str:
        return str(self.body.get("model", ""))


class Journal:
    """The records in the order of arrival; wakes those who wait for a change in them."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.calls: list[Record] = []
        self.on_change: Callable[[Record], None] | None = None
        self._waiting: list[asyncio.Future[None]] = []

    def begin(self, record: Record) -> None:
        self.records.append(record)
        if record.call:
            self.calls.append(record)
        self.changed(record)

    def forget(self) -> None:
        self.records.clear()
        self.calls.clear()

    def changed(self, record: Record) -> None:
        if self.on_change is not None:
            self.on_change(record)
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def end(self, record: Record, ended: Ended) -> None:
        record.ended, record.ended_at = ended, time.monotonic()
        self.changed(record)

    async def until(self, predicate: Callable[[], bool]) -> None:
        while not predicate():
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter

    async def wait_for(self, predicate: Callable[[], bool], within: float, what: str = "what was waited for") -> None:
        """Looks again after every change here; raises TimeoutError with the state of all requests."""
        try:
            async with asyncio.timeout(within):
                await self.until(predicate)
        except TimeoutError:
            seen = "; ".join(f"{r.method} {r.path} {r.model} sent={r.sent_chunks} {r.ended}" for r in self.records)
            raise TimeoutError(f"{what} did not happen within {within} s; requests: [{seen}]") from None
