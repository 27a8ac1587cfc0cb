"""What instances wrote about themselves, and what of it nobody may write whatever is broken."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

_ENOUGH = 20
_EXPLAINED = ("lease lost: another instance took over",)
"""What an instance is to say loudly, for its operator, when it was frozen for long."""


def complaints(logs: Sequence[Path]) -> list[str]:
    """Tracebacks and entries of level error, with where they stand; the first of them."""
    return [f"{log}:{number}: {said}" for log in logs for number, said in _complaints(log)][:_ENOUGH]


def _complaints(log: Path) -> Iterator[tuple[int, str]]:
    with log.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if line.startswith("{"):
                entry = _entry(line)
                if entry.get("level") in ("error", "critical") and entry.get("message") not in _EXPLAINED:
                    yield number, line.strip()[:2000]
            elif "Traceback" in line or "Error" in line:
                yield number, line.strip()[:2000]


def _entry(line: str) -> dict[str, object]:
    try:
        entry = json.loads(line)
    except ValueError:  # a process that is killed may leave half a line
        return {}
    return entry if isinstance(entry, dict) else {}
