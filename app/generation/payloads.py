"""The events that a run writes of its own: how it began, what it used, how it failed and how it ended."""

import json
from collections.abc import Mapping, Sequence

from app.domain.chat import Bill, Failure, Generation, Status
from app.domain.events import Finish, FinishReason, Kind, LogEvent, Usage


def start_payload(generation: Generation) -> bytes:
    """The first event of every log: made of the row alone, so that it can be made again after a crash."""
    return encode(
        {
            "conversation_id": generation.conversation_id,
            "message_id": generation.message_id,
            "generation_id": generation.id,
            "model": generation.model,
        }
    )


def last_events(
    generation: Generation,
    seq: int,
    status: Status,
    *,
    failure: Failure | None = None,
    bill: Bill | None = None,
    finish: Finish | None = None,
) -> Sequence[LogEvent]:
    """How a log ends after event `seq`: what was used, why it failed, and always that it is done.

    Of how the model finished it is told only that there was no room for more, or that it declined.
    """
    payloads: list[tuple[Kind, Mapping[str, object]]] = []
    if bill is not None:
        cost = None if bill.cost is None else format(bill.cost.normalize(), "f")
        used = {"input_tokens": bill.input_tokens, "output_tokens": bill.output_tokens, "cost": cost}
        payloads.append((Kind.USAGE, used))
    if failure is not None:
        payloads.append((Kind.FAILURE, _why(failure)))
    done: dict[str, object] = {"done": True, "status": status.value, "message_id": generation.message_id}
    if finish is not None and finish.reason is FinishReason.LENGTH:
        done["finish_reason"] = finish.reason.value
    elif failure is not None and failure.answered:
        done["finish_reason"] = FinishReason.REFUSED.value
    payloads.append((Kind.DONE, done))
    return _numbered(payloads, seq)


def usage_payload(usage: Usage) -> bytes:
    """What a passage has used so far, in all its kinds."""
    return encode(
        {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cached_input_tokens": usage.cached_input_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
        }
    )


def passage_last_events(
    seq: int, status: Status, *, failure: Failure | None, usage: Usage | None, finish: Finish | None
) -> Sequence[LogEvent]:
    """How the log of a passage ends after event `seq`: the same, with all that its vendor says of it."""
    events = [] if usage is None else [LogEvent(seq + 1, Kind.USAGE, usage_payload(usage))]
    payloads: list[tuple[Kind, Mapping[str, object]]] = []
    if failure is not None:
        more = {"rejected": failure.rejected, "unknown_model": failure.unknown_model}
        payloads.append((Kind.FAILURE, _why(failure) | more))
    reason, sequence = (finish.reason.value, finish.sequence) if finish else (None, None)
    done = {"done": True, "status": status.value, "finish_reason": reason, "stop_sequence": sequence}
    payloads.append((Kind.DONE, done))
    return [*events, *_numbered(payloads, seq + len(events))]


_BEFORE_INPUT = b', "text": '


def tool_input_payload(index: int, raw: bytes) -> bytes:
    """A piece of the arguments of a call; `raw` is a JSON string, and spliced."""
    return b'{"index": %d%b%b}' % (index, _BEFORE_INPUT, raw)


def written(event: LogEvent) -> bytes:
    """What a model wrote in this event, be it an answer, a thought or the arguments of a call: a JSON string."""
    match event.kind:
        case Kind.TEXT | Kind.REASONING | Kind.REFUSAL:
            return event.payload
        case Kind.TOOL_INPUT:
            return event.payload[event.payload.index(_BEFORE_INPUT) + len(_BEFORE_INPUT) : -1]
        case _:
            return b'""'


def _why(failure: Failure) -> dict[str, object]:
    return {"code": failure.code.value, "detail": failure.detail, "retryable": failure.retryable}


def _numbered(payloads: Sequence[tuple[Kind, Mapping[str, object]]], seq: int) -> list[LogEvent]:
    return [LogEvent(number, kind, encode(fields)) for number, (kind, fields) in enumerate(payloads, seq + 1)]


def encode(fields: Mapping[str, object]) -> bytes:
    """The payload of an event that is no text."""
    # ASCII, with the spaces that people know from examples; there are a few of these a generation.
    return json.dumps(fields).encode()
