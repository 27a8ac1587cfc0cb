"""What the doors share: an answer that is waited for until it has begun, then sent in the door's own words."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from fastapi import Header, Request, Response
from starlette.requests import ClientDisconnect

from app.bootstrap import House
from app.core.errors import IdempotencyInProgress
from app.domain.chat import Generation
from app.domain.events import Kind, LogEvent
from app.domain.identity import Principal
from app.generation.log import EventLog
from app.generation.passages import is_kept
from app.routers.streaming import Responses
from app.services.chat import Started
from app.services.idempotency import IdempotencyKey
from app.services.joining import conversation_of, turn_of
from app.services.passages import Make, Passage
from app.services.replies import is_declined, refuse_failed, refuse_stopped
from app.wire.dialects import Dialect
from app.wire.response import EventStreamResponse
from app.wire.whole import WholeAnswer, put_together

_T = TypeVar("_T")
_UNSEEN = frozenset((Kind.START, Kind.USAGE, Kind.FAILURE))
"""What may stand in a log before the answer has begun: an attempt that fails behind it may be followed by another. What
a failure means is known with the end of the log alone."""


_LONG = 1000
"""Events of an answer; to put more together holds the event loop for milliseconds."""
_LARGE = 256 * 1024
"""Bytes of a body; to make a request of more holds the event loop for milliseconds."""

ConversationHeader = Annotated[
    str | None,
    Header(
        alias="X-Conversation-ID",
        description="The stored conversation that this joins, by its newest message; `new` begins one. "
        "Without it nothing is stored but what was used.",
    ),
]
JOINED: dict[str, Any] = {
    "X-Conversation-ID": {
        "description": "The conversation that it is stored in; only where it joined one.",
        "schema": {"type": "string", "format": "uuid"},
    },
    "X-Generation-ID": {
        "description": "The run that writes it there, to stop it or to read on.",
        "schema": {"type": "string", "format": "uuid"},
    },
}
"""For the API description: the headers of an answer that may be stored."""
FAILURES: Responses = {
    404: {"description": "There is no such model, or no such conversation."},
    502: {"description": "The model's server failed, or its answer broke off."},
    504: {"description": "The model's server did not answer in time."},
}
"""For the API description: what becomes of an answer that is refused or fails before its first word."""


def described(description: str) -> Responses:
    """For the API description: what such a route answers, streamed and whole, and how it may fail."""
    content = {
        "application/json": {"schema": {"type": "object"}},
        "text/event-stream": {"schema": {"type": "string"}},
    }
    return {200: {"description": description, "headers": JOINED, "content": content}, **FAILURES}


@dataclass(frozen=True, slots=True)
class Answering:
    """An answer on its way to one reader; `leave` is told when that reader has gone."""

    generation: Generation
    log: EventLog
    leave: Callable[[], None]
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def created(self) -> int:
        """When it began, in seconds since 1970: its id says so (RFC 9562, 5.7)."""
        return int(self.generation.id.replace("-", "")[:12], 16) // 1000

    @property
    def is_stored(self) -> bool:
        """Whether a conversation holds it, or it is kept for whoever repeats its key."""
        return bool(self.generation.conversation_id) or is_kept(self.generation)


async def begun(
    request: Request,
    house: House,
    principal: Principal,
    *,
    model: str,
    make: Make,
    whole: bool,
    conversation: str | None = None,
    key: IdempotencyKey | None = None,
) -> Answering:
    """An answer that was begun: in a conversation where one is named (X-Conversation-ID), else passing through."""
    joined = conversation_of(conversation)
    if joined is None:
        passage = await house.passages.begin(principal, model, make, key=key, aside=is_large(request))
        return passing(house, passage, whole=whole)
    card = await house.passages.card(principal, model)
    wanted = await asyncio.to_thread(make, card) if is_large(request) else make(card)
    return stored(await house.chat.post(principal, turn_of(wanted, joined, model), key), whole=whole)


def passing(house: House, passage: Passage, *, whole: bool) -> Answering:
    """An answer of no conversation: who leaves it ends it, unless it is kept for its key. Raises IdempotencyInProgress
    as `stored` does."""
    if whole and passage.replayed and not passage.log.ended:
        raise IdempotencyInProgress(retry_after=1)
    return Answering(passage.generation, passage.log, lambda: house.passages.leave(passage))


def stored(started: Started, *, whole: bool) -> Answering:
    """An answer in a conversation, which goes on without its reader. Raises IdempotencyInProgress, of a repeat that is
    to be answered as a `whole` before the first has ended."""
    if whole and started.replayed and not started.log.ended:
        raise IdempotencyInProgress(retry_after=1)
    generation = started.generation
    headers = {"X-Conversation-ID": generation.conversation_id, "X-Generation-ID": generation.id}
    return Answering(generation, started.log, _stays, headers)


async def streamed(request: Request, house: House, answering: Answering, dialect: Dialect) -> Response:
    """The answer as it is written. What goes wrong before its first word is refused with a status of its own.

    It opens without a word, too, when none has come for as long as a stream may be silent.
    """
    try:
        await _wait(request, answering.log, _begun, house.stream_limits.ping)
        if not _begun_well(answering.log):
            _refuse_cut(answering.log.after(0), stored=answering.is_stored)
    except BaseException:
        answering.leave()
        raise
    return EventStreamResponse(
        answering.log,
        dialect.encode,
        after=0,
        headers={**answering.headers, "content-type": dialect.media_type},
        limits=house.stream_limits,
        metrics=house.metrics,
        ping=dialect.ping,
        on_leave=answering.leave,
    )


async def whole(request: Request, answering: Answering) -> WholeAnswer:
    """An answer once it has ended. Raises AnswerFailed."""
    try:
        await _wait(request, answering.log, lambda log: log.ended, None)
    finally:
        answering.leave()
    events = answering.log.after(0)
    _refuse_cut(events, stored=answering.is_stored)
    return put_together(events) if len(events) < _LONG else await asyncio.to_thread(put_together, events)


async def unless_left(request: Request, work: Awaitable[_T]) -> _T:
    """What some work comes to, but nothing is waited for longer than the client does. Raises ClientDisconnect."""
    task = asyncio.ensure_future(work)
    left = asyncio.create_task(_left(request))
    try:
        await asyncio.wait((task, left), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        left.cancel()
        await asyncio.gather(task, left, return_exceptions=True)


def is_large(request: Request) -> bool:
    """Whether its body is to be worked on in a thread."""
    length = request.headers.get("content-length", "")
    return not length.isdecimal() or int(length) > _LARGE


async def _wait(request: Request, log: EventLog, ready: Callable[[EventLog], bool], seconds: float | None) -> None:
    if ready(log):
        return
    woken = asyncio.Event()

    async def until() -> None:
        try:
            async with asyncio.timeout(seconds):
                while not ready(log):
                    woken.clear()
                    await woken.wait()
        except TimeoutError:
            return

    log.listen(woken.set)
    try:
        await unless_left(request, until())
    finally:
        log.unlisten(woken.set)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _begun(log: EventLog) -> bool:
    return log.ended or any(event.kind not in _UNSEEN for event in log.after(0))


def _begun_well(log: EventLog) -> bool:
    """Whether there is anything of an answer, or nothing is known yet."""
    first = next((event for event in log.after(0) if event.kind not in _UNSEEN), None)
    return first is None or first.kind is not Kind.DONE


def _refuse_cut(events: Sequence[LogEvent], *, stored: bool) -> None:
    if not is_declined(events):
        refuse_failed(events, stored=stored)
        refuse_stopped(events)


def _stays() -> None:
    """It is somebody's conversation: whoever leaves may come back."""
