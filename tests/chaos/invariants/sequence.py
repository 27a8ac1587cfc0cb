"""5. `seq` is 1..n without gap or repetition for each client, and equal numbers carry equal data for all of them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from tests.chaos.evidence import Evidence, StoredGeneration, Violation
from tests.chaos.history import Connection, Ending, EventKind, Seen
from tests.chaos.windows import Loss, Windows

_LAST = {EventKind.USAGE, EventKind.FAILURE, EventKind.DONE}


def check(evidence: Evidence, windows: Windows) -> Iterator[Violation]:
    """Each reading is followed across its connections, and each event compared with the log that is kept.

    Where an owner went without Redis, an ending may bear a number that a lost event had; the loss is as in number 2.
    """
    for generation_id, connections in evidence.connections.items():
        generation = evidence.generations.get(generation_id)
        final = evidence.finals.get(generation_id)
        if generation is None or final is None:
            continue  # which 2 and 4 say
        loss = windows.loss(generation)
        for reading in _readings(connections):
            wrong = _numbers(reading, loss, generation) or _read_whole(reading, final)
            if wrong is not None:
                yield Violation(5, wrong, generation_id, user=reading[0].user, at=reading[0].opened)
        yield from _equal(generation, connections, final, loss)
    for final in evidence.finals.values():
        if [each.seq for each in final.trace] != list(range(1, len(final.trace) + 1)):
            yield Violation(5, "the log that is kept is not numbered from 1 without gaps", final.generation_id)


def _readings(connections: Sequence[Connection]) -> Sequence[Sequence[Connection]]:
    found: dict[int, list[Connection]] = defaultdict(list)
    for connection in connections:
        found[connection.reading].append(connection)
    return list(found.values())


def _numbers(reading: Sequence[Connection], loss: Loss | None, generation: StoredGeneration) -> str | None:
    last = reading[0].after
    for connection in reading:
        for place, seen in enumerate(connection.trace):
            taken_back = loss is not None and seen.kind in _LAST and seen.seq <= last and seen.at > loss.moment
            # Whoever says the number of a lost answer's failure may mean the text that bore it before.
            again = place == 0 and (seen.kind, seen.seq) == (EventKind.FAILURE, last) and _is_lost(generation)
            if seen.seq != last + 1 and not taken_back and not again:
                return f"after event {last} came {seen.seq}"
            last = seen.seq
    return None


def _is_lost(generation: StoredGeneration) -> bool:
    return generation.failure_code == "instance_lost"


def _read_whole(reading: Sequence[Connection], final: Connection) -> str | None:
    """Whoever was told that all is read has read all."""
    last = reading[0].after
    for connection in reading:
        if connection.how is Ending.EMPTY and last < final.trace.last_seq:
            return f"204 to a reader who had {last} of {final.trace.last_seq} events"
        last = max(last, connection.trace.last_seq)
    return None


def _equal(
    generation: StoredGeneration, connections: Sequence[Connection], final: Connection, loss: Loss | None
) -> Iterator[Violation]:
    kept = {each.seq: each for each in final.trace}
    for connection in connections:
        for seen in connection.trace:
            other = kept.get(seen.seq)
            if other is not None and other.digest == seen.digest:
                continue
            if loss is not None and seen.at >= loss.since and (other is None or other.kind in _LAST):
                continue
            yield Violation(5, _differs(seen, other), generation.id, user=connection.user, at=seen.at)
            break


def _differs(seen: Seen, other: Seen | None) -> str:
    if other is None:
        return f"a client saw event {seen.seq} ({seen.kind.name}), which is not in the log that is kept"
    return f"event {seen.seq} is {seen.kind.name} for one client and differs from the {other.kind.name} that is kept"
