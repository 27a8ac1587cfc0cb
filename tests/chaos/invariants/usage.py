"""8. Recorded usage equals the upstream's ledger to the token where it reported, and is flagged where it did not."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from tests.chaos.evidence import Booked, Evidence, StoredGeneration, Total, Violation
from tests.chaos.history import VendorCall, VendorEnd
from tests.chaos.windows import Windows

_JUST_LEFT = 1.0
"""Seconds between a report and the client's leaving in which the one may have missed the other."""
_INTERRUPTED = {"stopped", "upstream_timeout", "instance_draining"}
"""How an attempt ends that the app breaks off. Had it read the vendor's last bytes, there were nothing to break off."""
_SAVED = 2.0
"""Seconds with PostgreSQL there from when it is broken off until that is saved."""


def check(evidence: Evidence, windows: Windows) -> Iterator[Violation]:
    """A row for each call, in order; and what each user is told adds up to the user's rows."""
    booked: dict[str, list[Booked]] = defaultdict(list)
    for row in evidence.booked:
        booked[row.generation_id].append(row)
    for generation in evidence.generations.values():
        if generation.ended is None:
            continue
        calls, rows = evidence.calls.get(generation.id, ()), booked[generation.id]
        for wrong in _generation(windows, generation, calls, rows):
            yield Violation(8, wrong, generation.id)
    yield from _totals(evidence)


def _generation(
    windows: Windows, generation: StoredGeneration, calls: Sequence[VendorCall], rows: Sequence[Booked]
) -> Iterator[str]:
    by_attempt = {row.attempt: row for row in rows}
    lost = generation.failure_code == "instance_lost"
    for number, call in enumerate(calls, start=1):
        row = by_attempt.pop(number, None)
        if row is None:
            # Whoever ends what a dead owner left knows of no attempts, and books one for them all.
            if not (lost and rows):
                yield f"call {number} of the vendor is not booked"
        else:
            excused = lost and bool(windows.departures(generation))
            if row.outcome in _INTERRUPTED and call.usage_sent is not None and call.how is VendorEnd.COMPLETE:
                # All was written, and may still have lain in the socket when it was broken off.
                excused = windows.waited(call.usage_sent, windows.end(generation)) <= _JUST_LEFT + _SAVED
            yield from _row(call, row, excused=excused)
    for row in by_attempt.values():
        if not row.estimated:
            yield f"attempt {row.attempt} is booked as reported, but the vendor was not called"


def _row(call: VendorCall, row: Booked, *, excused: bool) -> Iterator[str]:
    tokens = (row.input_tokens, row.output_tokens)
    if not row.estimated and call.usage is None:
        yield f"attempt {row.attempt} is booked as reported, but the vendor reported nothing"
    elif not row.estimated and tokens != call.usage:
        yield f"attempt {row.attempt} is booked with {tokens} tokens, the vendor reported {call.usage}"
    elif row.estimated and _received(call) and not excused:
        yield f"attempt {row.attempt} is booked as estimated, but the vendor reported {call.usage}"


def _received(call: VendorCall) -> bool:
    """Whether the app must have read the report: it did not leave before, and the connection was not reset after."""
    if call.usage_sent is None:
        return False
    if call.how is VendorEnd.COMPLETE:
        return True
    return call.how is VendorEnd.LEFT and (call.ended or 0.0) - call.usage_sent > _JUST_LEFT


def _totals(evidence: Evidence) -> Iterator[Violation]:
    added: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for row in evidence.booked:
        for place, amount in enumerate((1, row.input_tokens, row.output_tokens, int(row.estimated))):
            added[row.user][place] += amount
    for user, told in evidence.totals.items():
        rows = Total(*added[user])
        if told != rows:
            yield Violation(8, f"user {user} is told {told}, but the rows say {rows}", user=user)
