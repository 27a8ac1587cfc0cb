"""From an open answer of a vendor to events: the loop that every chunk of every answer passes."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from app.domain.events import ProviderEvent
from app.domain.failures import GenerationFailure
from app.providers.bodies import Body
from app.providers.transport import ERROR_BODY_BYTES
from app.providers.verdicts import PROTOCOL


class Splitter(Protocol):
    """Cuts bytes as they arrive into the vendor's events."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Those that `chunk` completes. Raises GenerationFailure for one beyond bounds."""
        ...

    def flush(self) -> list[bytes]:
        """What the end of the stream completes."""
        ...


class Reader(Protocol):
    """Turns a vendor's events into ours; one for each answer.

    What goes wrong is kept in `failure` rather than raised, for the events before it are to be delivered first.
    """

    @property
    def failure(self) -> GenerationFailure | None: ...

    @property
    def finished(self) -> bool:
        """The finish marker was seen: the answer is whole, whatever happens to the rest."""
        ...

    @property
    def done(self) -> bool:
        """Nothing of interest can follow."""
        ...

    def read(self, payloads: list[bytes]) -> list[ProviderEvent]: ...

    def flush(self) -> list[ProviderEvent]:
        """What still waited for its other half when the stream ended."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of which nothing was read yet."""

    body: Body
    splitter: Splitter
    reader: Reader


async def relay(open_answer: Callable[[], Awaitable[Answer]]) -> AsyncGenerator[Sequence[ProviderEvent], None]:
    """The events of one answer, in batches of all that had arrived. Closing it closes the upstream call."""
    answer = await open_answer()
    body, splitter, reader = answer.body, answer.splitter, answer.reader
    with closing(body):
        while True:
            try:
                data = await body.read()
            except GenerationFailure:
                if not reader.finished:
                    raise
                data = b""  # once the answer is whole, a cut costs no more than the usage
            if not data:
                break
            if events := reader.read(splitter.feed(data)):
                yield events
            if reader.failure:
                raise reader.failure
            if reader.done:
                await body.drain()
                return
        rest = reader.read(splitter.flush())
        if events := rest + reader.flush():
            yield events
        if reader.failure:
            raise reader.failure


async def expect(
    headers: Mapping[str, str], body: Body, media_type: str, reported: Callable[[object], GenerationFailure]
) -> None:
    """Refuse a page, and name the error that some gateways report under status 200. Closes what it refuses."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == media_type:
        return
    with closing(body):
        error = await _error_in(body) if kind == "application/json" else None
        raise reported(error) if error else PROTOCOL.failure()


class _Failed(msgspec.Struct):
    error: Any


async def _error_in(body: Body) -> object:
    page = b""
    while len(page) < ERROR_BODY_BYTES and (data := await body.read()):
        page += data
    try:
        return msgspec.json.decode(page, type=_Failed).error
    except (ValueError, RecursionError):
        return None
