"""An answer for a client that waits for the whole of it."""

from dataclasses import dataclass

import msgspec

from app.core.errors import AnswerFailed, IdempotencyInProgress
from app.domain.chat import Status
from app.domain.events import Kind
from app.domain.failures import FailureCode
from app.generation.codec import answer_text
from app.services.chat import Started

_COME_BACK = {
    FailureCode.UPSTREAM_RATE_LIMITED: 10,
    FailureCode.UPSTREAM_OVERLOADED: 10,
    FailureCode.INSTANCE_LOST: 1,
    FailureCode.INSTANCE_DRAINING: 5,
}


class ReplyUsage(msgspec.Struct, frozen=True):
    """Tokens, and US dollars as a decimal string; None when the price is unknown."""

    input_tokens: int
    output_tokens: int
    cost: str | None


class _Failure(msgspec.Struct):
    code: FailureCode
    detail: str


class _Done(msgspec.Struct):
    status: Status


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer, or the part of it that was written before it was stopped."""

    reply: str
    conversation_id: str
    message_id: str
    generation_id: str
    model: str
    status: Status
    usage: ReplyUsage | None


async def whole_reply(started: Started) -> Reply:
    """Wait for the end of an answer. Raises AnswerFailed, or IdempotencyInProgress for a replay of what still runs."""
    if started.replayed and not started.log.ended:
        raise IdempotencyInProgress(retry_after=1)
    await started.log.wait_ended()
    events = started.log.after(0)
    last = {event.kind: event.payload for event in events}
    if Kind.FAILURE in last:
        failure = msgspec.json.decode(last[Kind.FAILURE], type=_Failure)
        raise AnswerFailed(failure.code.value, failure.detail, retry_after=_COME_BACK.get(failure.code))
    generation = started.generation
    return Reply(
        reply=answer_text(events),
        conversation_id=generation.conversation_id,
        message_id=generation.message_id,
        generation_id=generation.id,
        model=generation.model,
        status=msgspec.json.decode(last[Kind.DONE], type=_Done).status,
        usage=msgspec.json.decode(last[Kind.USAGE], type=ReplyUsage) if Kind.USAGE in last else None,
    )
