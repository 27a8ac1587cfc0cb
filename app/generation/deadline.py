"""The clocks of one upstream call, at the price of one timer however many chunks pass."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass

_STOOD = 0.5
"""Seconds that a timer comes late only where the process stood still, as a machine does that is paused."""
_REPRIEVE = 1.0
"""Seconds to read what has come in the meantime: a loop that wakes runs its timers before it looks at its sockets."""
_GLANCE = 0.1
"""The same where the timer is not late: it may have stood still until just now."""


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Seconds: until the first event, between two, after the finish marker (for the usage report), and in all."""

    first: float = 60.0
    gap: float = 30.0
    trailer: float = 5.0
    whole: float = 600.0


class Deadline:
    """Calls `expire` once when nothing happened for too long, or when the whole took too long.

    Progress only notes the time; the timer looks at it when it fires and sets itself anew. A timeout around each read
    would cost a timer a chunk.
    """

    __slots__ = ("_end", "_expire", "_last", "_limit", "_limits", "_loop", "_reprieved", "_timer", "_waits_for_first")

    def __init__(self, limits: TimeLimits, expire: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._limits = limits
        self._expire = expire
        self._last = self._loop.time()
        self._limit = limits.first
        self._waits_for_first = True
        self._reprieved: float | None = None
        """When it was due as it was reprieved: who is heard of since is due at another time."""
        self._end = self._last + limits.whole
        self._timer = self._loop.call_at(self._due(), self._check)

    def suspend(self) -> None:
        """Something that has clocks of its own comes first: until `restart` the whole alone counts."""
        self._set(math.inf)

    def restart(self) -> None:
        """A call begins: its first event has the full time again, the whole has not."""
        self._waits_for_first = True
        self._set(self._limits.first)

    def progress(self) -> None:
        self._last = self._loop.time()
        if self._waits_for_first:
            self._waits_for_first = False
            self._set(self._limits.gap)

    def finishing(self) -> None:
        """The finish marker was seen: only trailers may follow."""
        self._set(min(self._limits.trailer, self._limits.gap))

    def close(self) -> None:
        self._timer.cancel()

    def _set(self, limit: float) -> None:
        self._last, self._limit = self._loop.time(), limit
        self._timer.cancel()
        self._timer = self._loop.call_at(self._due(), self._check)

    def _due(self) -> float:
        return min(self._last + self._limit, self._end)

    def _check(self) -> None:
        due = self._due()
        late = self._loop.time() - due
        if late < 0:
            self._timer = self._loop.call_at(due, self._check)
        elif self._reprieved != due:
            self._reprieved = due
            self._timer = self._loop.call_later(_REPRIEVE if late > _STOOD else _GLANCE, self._check)
        else:
            self._expire()
