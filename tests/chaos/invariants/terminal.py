"""4. Every answer ends within 20 s of its cause, with one terminal event, the last, that agrees with the row."""

from collections.abc import Iterator

from tests.chaos.evidence import Evidence, StoredGeneration, StoredMessage, Violation
from tests.chaos.history import Connection, Ending, EventKind, FaultKind
from tests.chaos.windows import GOING, IN_TIME, Windows

_ENDED = {"complete", "stopped", "failed"}


def check(evidence: Evidence, windows: Windows) -> Iterator[Violation]:
    """The rows, the log that is kept and all that clients were told are one ending, and it came in time.

    The clock stands still while PostgreSQL is away, and while nobody is there who may end it.
    """
    for message in evidence.messages.values():
        if message.role == "assistant" and message.status not in _ENDED:
            yield Violation(4, f"an answer is still {message.status}", message.generation_id)
    for generation in evidence.generations.values():
        answer = evidence.messages.get(generation.message_id)
        for wrong in _ending(generation, answer, evidence.finals.get(generation.id)):
            yield Violation(4, wrong, generation.id)
        late = _late(evidence, windows, generation)
        if late is not None:
            yield Violation(4, late, generation.id)
    for connection in evidence.history.connections:
        for wrong in _told(connection):
            yield Violation(4, wrong, connection.generation_id, user=connection.user, at=connection.opened)


def _ending(generation: StoredGeneration, message: StoredMessage | None, final: Connection | None) -> Iterator[str]:
    if message is not None and (message.status, message.error) != (generation.status, generation.failure_code):
        yield f"the message is {message.status} {message.error}, its generation {generation.status} " + str(
            generation.failure_code
        )
    if generation.status not in _ENDED:
        return
    if final is None or final.how is not Ending.DONE:
        yield f"the log of an answer that has ended cannot be read: {final.status if final else None}"
        return
    yield from _told(final)
    if (final.done_status, final.failure_code) != (generation.status, generation.failure_code):
        yield f"the log ends {final.done_status} {final.failure_code}, the row {generation.status} " + str(
            generation.failure_code
        )
    if final.trace.last_seq != generation.last_seq:
        yield f"the log has {final.trace.last_seq} events, the row says {generation.last_seq}"


def _told(connection: Connection) -> Iterator[str]:
    kinds = [each.kind for each in connection.trace]
    if kinds.count(EventKind.DONE) > 1 or (EventKind.DONE in kinds and kinds[-1] is not EventKind.DONE):
        yield "a terminal event that is not the one last event"
    if kinds.count(EventKind.FAILURE) > 1:
        yield "two failures of one answer"
    failed = connection.done_status == "failed"
    if EventKind.DONE in kinds and connection.after < connection.trace.last_seq - 1 and _failure(kinds) != failed:
        yield f"done says {connection.done_status}, with{'' if _failure(kinds) else 'out'} a failure before it"


def _failure(kinds: list[EventKind]) -> bool:
    return EventKind.FAILURE in kinds


def _late(evidence: Evidence, windows: Windows, generation: StoredGeneration) -> str | None:
    """An ending that came later than the cause allows: the departure of its owner, a stop, or the upstream's end."""
    if generation.ended is None:
        return None  # it is told elsewhere
    departed = [
        fault.began
        for fault in windows.departures(generation, freeze=0 if generation.failure_code == "instance_lost" else IN_TIME)
    ]
    drained = [
        fault.began
        for owner in windows.owners(generation)
        for fault in windows.hits(owner, generation.began, generation.ended, FaultKind.TERM)
    ]
    if departed:
        waited, what = windows.waited_for_takeover(max(departed), generation.ended), "its owner went"
    elif drained:
        waited, what = windows.waited_for_takeover(max(drained) + GOING, generation.ended), "its owner had to go"
    else:
        cause = _cause(evidence, generation)
        if cause is None or generation.ended - cause <= IN_TIME:
            return None
        waited, what = windows.waited_for(windows.owners(generation), cause, generation.ended), "it was over"
    return f"ended {waited:.0f} s after {what}" if waited > IN_TIME else None


def _cause(evidence: Evidence, generation: StoredGeneration) -> float | None:
    """When a stop was accepted, or the last call of the vendor ended."""
    stops = [
        stop.ended
        for stop in evidence.history.stops
        if stop.generation_id == generation.id and stop.status == 202 and stop.ended is not None
    ]
    calls = evidence.calls.get(generation.id, ())
    ends = [calls[-1].ended] if calls and calls[-1].ended is not None else []
    return min([*stops, *ends], default=None)
