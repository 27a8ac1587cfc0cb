"""What the streaming routes share: their headers in, and the stream out."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header
from pydantic.config import JsonDict

from app.bootstrap import House
from app.core.errors import InvalidEventId
from app.domain.chat import Generation
from app.generation.log import EventLog
from app.wire import chat
from app.wire.response import Encoder, EventStreamResponse

_LONGEST_SEQ = 9
EVENT_ID: JsonDict = {"pattern": f"^([0-9a-fA-F-]{{36}}:)?[0-9]{{1,{_LONGEST_SEQ}}}$"}
"""How it is described."""

Responses = dict[int | str, dict[str, Any]]
"""What a route alone may answer, for the API description."""

ALL_READ: Responses = {204: {"description": "It has ended, and all of it was read."}}
NO_EVENT_ID: Responses = {
    400: {"description": "The event id is not one that this generation has given out."},
    410: {"description": "The events are no longer kept; the conversation's messages are."},
}
BUSY: Responses = {409: {"description": "An answer is still being written in this conversation."}}
BUSY_OR_REPEATED: Responses = {
    409: {
        "description": "An answer is still being written in this conversation (`conversation_busy`), "
        "or the first request with this Idempotency-Key still runs (`idempotency_in_progress`)."
    }
}
_EVENT = {
    "type": "object",
    "title": "One event of the stream",
    "required": ["data"],
    "properties": {
        "event": {
            "description": "`message` is one without an event line: a piece of the answer, or the end.",
            "enum": [
                *("start", "queued", "sources", "reasoning", "tool_call", "tool_result"),
                *("message", "usage", "failure", "goodbye"),
            ],
        },
        "data": {"type": "string", "contentMediaType": "application/json", "description": "One object, on one line."},
        "id": {"type": "string", "description": "`<generation_id>:<seq>`, on the GET routes."},
    },
}
EVENT_STREAM: Responses = {
    200: {
        "description": "Server-sent events: `start`, text blocks, `usage` or `failure`, and last one with `done`.",
        "headers": {
            "X-Conversation-ID": {
                "description": "The conversation that it belongs to.",
                "schema": {"type": "string", "format": "uuid"},
            },
            "X-Generation-ID": {
                "description": "The run that writes it, to stop it or to go on reading.",
                "schema": {"type": "string", "format": "uuid"},
            },
        },
        "content": {
            "text/event-stream": {
                "schema": _EVENT,
                "example": 'event: start\ndata: {"conversation_id": "…", "message_id": "…", "generation_id": "…", '
                '"model": "openai/gpt-5", "seq": 1}\n\ndata: {"text": "你好", "seq": 2}\n\n'
                'data: {"done": true, "status": "complete", "message_id": "…", "seq": 3}\n\n',
            }
        },
    }
}


def event_stream(
    house: House,
    generation: Generation,
    log: EventLog,
    *,
    after: int = 0,
    ids: bool = False,
    encode: Encoder = chat.encode,
) -> EventStreamResponse:
    """The stream of a generation from after event `after`; with ids on the routes that EventSource reads."""
    return EventStreamResponse(
        log,
        chat.encoder_with_ids(generation.id) if ids else encode,
        after=after,
        headers={"X-Conversation-ID": generation.conversation_id, "X-Generation-ID": generation.id},
        limits=house.stream_limits,
        metrics=house.metrics,
        farewell=chat.goodbye,
    )


def parse_event_id(value: str) -> tuple[str | None, int]:
    """`<generation>:<seq>`, or a bare seq. Raises InvalidEventId for anything else."""
    generation_id, colon, seq = value.rpartition(":")
    if not (seq.isascii() and seq.isdecimal() and len(seq) <= _LONGEST_SEQ):
        raise InvalidEventId
    try:
        return str(UUID(generation_id)) if colon else None, int(seq)
    except ValueError as error:
        raise InvalidEventId from error


def _last_event_id(
    last_event_id: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID",
            description="The last `id` that was read, as EventSource sends it.",
            json_schema_extra=EVENT_ID,
        ),
    ] = None,
) -> tuple[str | None, int] | None:
    return None if last_event_id is None else parse_event_id(last_event_id)


LastEventId = Annotated[tuple[str | None, int] | None, Depends(_last_event_id)]
