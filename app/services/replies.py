"""An answer for a client that waits for the whole of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from app.core.errors import AnswerFailed, IdempotencyInProgress, UnknownModel
from app.domain.chat import Status
from app.domain.events import FinishReason, Kind, LogEvent
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
    retryable: bool
    rejected: bool = False
    unknown_model: bool = False

    @property
    def of_the_request(self) -> bool:
        """Whether the vendor found a fault with it. A stored log tells that by what it would be no use to repeat."""
        return self.rejected or (self.code is FailureCode.UPSTREAM_ERROR and not self.retryable)


class _Done(msgspec.Struct):
    status: Status
    finish_reason: FinishReason | None = None


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


def refuse_failed(events: Sequence[LogEvent], *, stored: bool) -> None:
    """Raises AnswerFailed where a log, which may be `stored`, tells of a failure, which stands before its end;
    UnknownModel where a vendor does not have the model that a door was asked for."""
    for event in events[-2:]:
        if event.kind is Kind.FAILURE:
            failure = msgspec.json.decode(event.payload, type=_Failure)
            if failure.unknown_model:
                raise UnknownModel(failure.detail)
            wait, rejected = _COME_BACK.get(failure.code), failure.of_the_request
            raise AnswerFailed(failure.code.value, failure.detail, retry_after=wait, rejected=rejected, stored=stored)


def refuse_stopped(events: Sequence[LogEvent]) -> None:
    """Raises AnswerFailed where a log ends with being stopped: for clients that have no other word for it."""
    for event in events[-1:]:
        if event.kind is Kind.DONE and msgspec.json.decode(event.payload, type=_Done).status is Status.STOPPED:
            raise AnswerFailed(Status.STOPPED.value, "The answer was stopped before its end.")


def is_declined(events: Sequence[LogEvent]) -> bool:
    """Whether a log ends with the model declining to answer. Where it is stored it also tells of a failure."""
    last = events[-1] if events else None
    if last is None or last.kind is not Kind.DONE:
        return False
    return msgspec.json.decode(last.payload, type=_Done).finish_reason is FinishReason.REFUSED


async def whole_reply(started: Started) -> Reply:
    """Wait for the end of an answer. Raises AnswerFailed, or IdempotencyInProgress for a replay of what still runs."""
    if started.replayed and not started.log.ended:
        raise IdempotencyInProgress(retry_after=1)
    await started.log.wait_ended()
    events = started.log.after(0)
    refuse_failed(events, stored=True)
    last = {event.kind: event.payload for event in events}
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
