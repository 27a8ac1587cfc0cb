"""0. Nothing happens that no fault explains: no 500, no malformed block, no answer that failed or stopped by itself."""

from collections.abc import Iterator

from tests.chaos.evidence import Evidence, StoredGeneration, Violation
from tests.chaos.history import WORLD, Connection, Ending, FaultKind, VendorEnd
from tests.chaos.windows import Windows

_CHUNK_TIMEOUT = 4.0
"""Seconds, the shortest of the time limits of a run: an instance that was frozen for so long finds them passed."""
_LONG_FREEZE = 10.0
_PATIENCE = 55.0
"""Seconds without a database after which readers are told that an ending could not be saved."""


def check(evidence: Evidence, windows: Windows) -> Iterator[Violation]:
    """What clients saw against the contract; and each answer that did not come to its own end has a reason."""
    for odd in evidence.history.oddities:
        if not odd.foreign:
            yield Violation(0, f"{odd.what}: {odd.detail}", odd.generation_id, user=odd.user, at=odd.at)
    for connection in evidence.history.connections:
        if connection.how is Ending.SILENT and not _frozen(windows, connection):
            sentence = "a client heard nothing for as long as no server may be silent"
            yield Violation(0, sentence, connection.generation_id, user=connection.user, at=connection.opened)
    stopped = {stop.generation_id for stop in evidence.history.stops}
    for generation in evidence.generations.values():
        reason = _unexplained(evidence, windows, generation, stopped)
        if reason is not None:
            yield Violation(0, reason, generation.id)


def _unexplained(evidence: Evidence, windows: Windows, generation: StoredGeneration, stopped: set[str]) -> str | None:
    code = generation.failure_code or generation.status
    match code:
        case "complete" | "streaming":
            return None
        case "stopped":
            return None if generation.id in stopped else "an answer was stopped by nobody"
        case "instance_lost":
            return None if _lost(windows, generation) else "an answer was lost, though its owner was never away"
        case "instance_draining":
            return None if _hit(windows, generation, FaultKind.TERM) else "an answer ended by a drain that nobody began"
        case "internal":
            away = windows.end(generation) - generation.began >= _PATIENCE
            away &= windows.database_away(generation.began, windows.end(generation))
            return None if away else "an answer failed for a fault of our own"
        case _ if code.startswith("upstream_"):
            return None if _upstream(evidence, windows, generation) else f"{code}, but the vendor did nothing wrong"
        case _:
            return f"an answer ended as {code}, which nothing here brings about"


def _frozen(windows: Windows, connection: Connection) -> bool:
    """Whether some instance was frozen for long in its time: its connections are open, and nobody speaks."""
    ended = connection.ended if connection.ended is not None else connection.opened
    return any(
        windows.duration(fault) >= _LONG_FREEZE
        for instance in windows.instances
        for fault in windows.hits(instance, connection.opened, ended, FaultKind.FREEZE)
    )


def _lost(windows: Windows, generation: StoredGeneration) -> bool:
    """Its owner went; or the commit that began or ended it was never heard of, for PostgreSQL went."""
    if windows.departures(generation):
        return True
    return windows.database_away(generation.began - 1, windows.end(generation))


def _upstream(evidence: Evidence, windows: Windows, generation: StoredGeneration) -> bool:
    """The vendor failed at the last call; or it or the instance stood still for so long that limits had passed."""
    calls = evidence.calls.get(generation.id, ())
    if calls and (calls[-1].how is VendorEnd.FAULT or calls[-1].plan.fault(calls[-1].attempt)):
        return True
    stood = [(owner, FaultKind.FREEZE) for owner in windows.owners(generation)]
    if generation.failure_code == "upstream_timeout":
        stood.append((WORLD, FaultKind.STALL))
    return any(
        windows.duration(fault) >= _CHUNK_TIMEOUT - 1
        for target, kind in stood
        for fault in windows.hits(target, generation.began, windows.end(generation), kind)
    )


def _hit(windows: Windows, generation: StoredGeneration, kind: FaultKind) -> bool:
    end = windows.end(generation)
    return any(True for owner in windows.owners(generation) for _ in windows.hits(owner, generation.began, end, kind))
