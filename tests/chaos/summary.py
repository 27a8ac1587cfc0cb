"""What a run has tried: a run without violations proves something only if much was done, and much went wrong."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.chaos.evidence import Evidence
from tests.chaos.windows import Windows


def summary(evidence: Evidence) -> str:
    """Some lines of counts: what was said, read and stopped, how it ended, what broke, and what faults excuse."""
    history, windows = evidence.history, Windows(evidence)
    acknowledged = sum(post.acknowledged for post in history.posts)
    tries = [each for post in history.posts for each in post.tries]
    connections = Counter(each.how for each in history.connections)
    endings = Counter(each.failure_code or each.status for each in evidence.generations.values())
    losses = sum(windows.loss(each) is not None for each in evidence.generations.values())
    lines = {
        "posts": f"{len(history.posts)} in {len(tries)} tries, {acknowledged} acknowledged",
        "refused": _counted(Counter(each.code for each in tries if each.code is not None)),
        "streams": f"{len(history.connections)}, ended by {_counted(connections)}",
        "resumed": str(sum(each.after > 0 for each in history.connections)),
        "stops": str(len(history.stops)),
        "answers": f"{len(evidence.generations)}: {_counted(endings)}",
        "excused": f"{losses} answers whose owner went without Redis",
        "calls": f"{len(history.calls)}: {_counted(Counter(call.how for call in history.calls))}",
        "usage": f"{len(evidence.booked)} rows, {sum(row.estimated for row in evidence.booked)} estimated",
        "faults": _counted(Counter(f"{fault.kind} {fault.target}" for fault in history.faults)),
    }
    return "\n".join(f"{name:>9}: {said}" for name, said in lines.items())


def _counted(counter: Mapping[Any, int]) -> str:
    most_first = sorted(counter.items(), key=lambda each: -each[1])
    return ", ".join(f"{count} {name}" for name, count in most_first) or "none"
