"""What the streaming routes share: their headers in, and the stream out."""

import hashlib
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Request

from app.bootstrap import House
from app.core.errors import Invalid, InvalidEventId
from app.domain.chat import Generation
from app.generation.log import EventLog
from app.schemas.base import Body
from app.services.acknowledgement import IdempotencyKey
from app.wire import chat
from app.wire.response import EventStreamResponse

_LONGEST_KEY = 255
_LONGEST_SEQ = 9

EVENT_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: `start`, text blocks, `usage` or `failure`, and last one with `done`.",
        "headers": {
            "X-Conversation-ID": {"schema": {"type": "string", "format": "uuid"}},
            "X-Generation-ID": {"schema": {"type": "string", "format": "uuid"}},
        },
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": 'event: start\ndata: {"conversation_id": "…", "message_id": "…", "generation_id": "…", '
                '"model": "openai/gpt-5", "seq": 1}\n\ndata: {"text": "你好", "seq": 2}\n\n'
                'data: {"done": true, "status": "complete", "message_id": "…", "seq": 3}\n\n',
            }
        },
    }
}


def event_stream(
    house: House, generation: Generation, log: EventLog, *, after: int = 0, ids: bool = False
) -> EventStreamResponse:
    """The stream of a generation from after event `after`; with ids on the routes that EventSource reads."""
    return EventStreamResponse(
        log,
        chat.encoder_with_ids(generation.id) if ids else chat.encode,
        after=after,
        headers={"X-Conversation-ID": generation.conversation_id, "X-Generation-ID": generation.id},
        limits=house.stream_limits,
        metrics=house.metrics,
    )


def idempotency_key(request: Request, key: str | None, body: Body) -> IdempotencyKey | None:
    """The client's own name for this request. Raises Invalid for one that is empty, too long or not printable ASCII."""
    if key is None:
        return None
    if not (key.isascii() and key.isprintable() and 0 < len(key) <= _LONGEST_KEY):
        raise Invalid(f"An Idempotency-Key has 1 to {_LONGEST_KEY} printable ASCII characters.")
    fingerprint = hashlib.sha256(body.model_dump_json().encode()).hexdigest()
    return IdempotencyKey(f"{request.method} {request.scope['path']}", key, fingerprint)


def parse_event_id(value: str) -> tuple[str | None, int]:
    """`<generation>:<seq>`, or a bare seq. Raises InvalidEventId for anything else."""
    generation_id, colon, seq = value.rpartition(":")
    if not (seq.isascii() and seq.isdecimal() and len(seq) <= _LONGEST_SEQ):
        raise InvalidEventId
    try:
        return str(UUID(generation_id)) if colon else None, int(seq)
    except ValueError as error:
        raise InvalidEventId from error


IdempotencyHeader = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="Repeating it within 24 hours gets the first outcome, never a second."),
]


def _last_event_id(
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", description="The last `id` that was read, as EventSource sends it.")
    ] = None,
) -> tuple[str | None, int] | None:
    return None if last_event_id is None else parse_event_id(last_event_id)


LastEventId = Annotated[tuple[str | None, int] | None, Depends(_last_event_id)]
