"""3. `complete` only if the upstream sent its finish marker, and then the text equals the upstream's."""

from collections.abc import Iterator, Sequence

from tests.chaos.evidence import Evidence, Violation
from tests.chaos.history import VendorCall
from tests.chaos.windows import Windows

_BROKEN = "\ufffd"
"""What stands for half a surrogate pair whose other half never came."""


def check(evidence: Evidence, windows: Windows) -> Iterator[Violation]:
    """A whole answer is what the last call said; any other is a prefix of what one call said, and of nothing else."""
    for generation in evidence.generations.values():
        message = evidence.messages.get(generation.message_id)
        if message is None:
            yield Violation(3, "the message of a generation is not stored", generation.id)
            continue
        calls = evidence.calls.get(generation.id, ())
        wrong = (_complete if message.status == "complete" else _partial)(message.content, calls)
        if wrong is not None:
            yield Violation(3, wrong, generation.id)


def _complete(content: str, calls: Sequence[VendorCall]) -> str | None:
    if not calls:
        return "complete, but the vendor was never asked"
    if calls[-1].finish_sent is None:
        return "complete, but the vendor sent no finish marker"
    if content != calls[-1].plan.text(calls[-1].attempt):
        return f"complete, but the {len(content)} characters stored are not what the vendor said"
    return None


def _partial(content: str, calls: Sequence[VendorCall]) -> str | None:
    if not content or any(_said(call).startswith(content.removesuffix(_BROKEN)) for call in calls):
        return None
    return "an answer holds what no call of the vendor said"


def _said(call: VendorCall) -> str:
    """What it may have said at most; the chunk that it was writing when the connection ended may have arrived."""
    return call.plan.text(call.attempt, min(call.sent + 1, call.plan.chunks))
