"""What happened in a world, in order."""

from collections import deque
from collections.abc import Callable
from hashlib import sha256

_SHOWN = 60


class Trace:
    """One line each, with the virtual time; the last ones are kept, and all of them are in `digest`.

    Of what happens at one moment the order does not count: the app keeps those who listen in sets.
    """

    def __init__(self, clock: Callable[[], float], *, whole: bool = False) -> None:
        self._clock = clock
        self._lines: deque[str] = deque(maxlen=None if whole else _SHOWN)
        self._hash = sha256()
        self._at = 0.0
        self._now: list[str] = []

    def note(self, who: str, what: str) -> None:
        now = self._clock()
        if now != self._at:
            self._settle()
            self._at = now
        line = f"{now - 1000:9.3f}  {who:<8} {what}"
        self._lines.append(line)
        self._now.append(line)

    @property
    def digest(self) -> str:
        self._settle()
        return self._hash.hexdigest()[:16]

    @property
    def lines(self) -> list[str]:
        return list(self._lines)

    def _settle(self) -> None:
        for line in sorted(self._now):
            self._hash.update(line.encode())
        self._now.clear()
