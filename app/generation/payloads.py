"""The events that a run writes of its own: how it began, what it used, how it failed and how it ended."""

import json
from collections.abc import Mapping, Sequence

from app.domain.chat import Bill, Failure, Generation, Status
from app.domain.events import Kind, LogEvent


def start_payload(generation: Generation) -> bytes:
    """The first event of every log: made of the row alone, so that it can be made again after a crash."""
    return _encode(
        {
            "conversation_id": generation.conversation_id,
            "message_id": generation.message_id,
            "generation_id": generation.id,
            "model": generation.model,
        }
    )


def last_events(
    generation: Generation, seq: int, status: Status, *, failure: Failure | None = None, bill: Bill | None = None
) -> Sequence[LogEvent]:
    """How a log ends after event `seq`: what was used, why it failed, and always that it is done."""
    payloads: list[tuple[Kind, Mapping[str, object]]] = []
    if bill is not None:
        cost = None if bill.cost is None else format(bill.cost.normalize(), "f")
        used = {"input_tokens": bill.input_tokens, "output_tokens": bill.output_tokens, "cost": cost}
        payloads.append((Kind.USAGE, used))
    if failure is not None:
        why = {"code": failure.code.value, "detail": failure.detail, "retryable": failure.retryable}
        payloads.append((Kind.FAILURE, why))
    payloads.append((Kind.DONE, {"done": True, "status": status.value, "message_id": generation.message_id}))
    return [LogEvent(number, kind, _encode(fields)) for number, (kind, fields) in enumerate(payloads, seq + 1)]


def _encode(fields: Mapping[str, object]) -> bytes:
    # ASCII, with the spaces that people know from examples; there are a few of these a generation.
    return json.dumps(fields).encode()
