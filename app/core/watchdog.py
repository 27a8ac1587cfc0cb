"""Notices an event loop that stands still, and says where it stands."""

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from itertools import islice
from time import monotonic, process_time
from traceback import FrameSummary, walk_stack

from app.core.logging import FRAMES, stack_lines

logger = logging.getLogger(__name__)

STACK_EACH = 10.0
"""Seconds between two stacks, however long the loop stands and however often."""
_BEATS = 4
_DEBUGGERS = ("bdb.py", "pydevd.py")


class Watchdog:
    """A heartbeat on the loop, and a thread that listens for it.

    When the loop has not run for `seconds`, one warning with the stack of its thread; when it runs again, one with how
    long it stood. `on_lag` is told in the loop how late each heartbeat ran, `on_stall` in the thread of each stall.
    """

    def __init__(
        self,
        seconds: float,
        *,
        on_lag: Callable[[float], None],
        on_stall: Callable[[], None],
        stack_each: float = STACK_EACH,
    ) -> None:
        self._seconds = seconds
        self._stack_each = stack_each
        self._interval = seconds / _BEATS
        self._on_lag = on_lag
        self._on_stall = on_stall
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Watch the running loop, which this is called in, from now on."""
        watch = _Watch(asyncio.get_running_loop(), self._seconds, self._stack_each, self._on_stall)
        self._expect_beat(watch)
        self._thread = threading.Thread(target=self._listen, args=(watch,), name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Harmless when it was never started. The thread has nothing to wait for but a line that it may be writing."""
        self._stopped.set()
        if self._timer is not None:
            self._timer.cancel()
        if self._thread is not None:
            self._thread.join(timeout=1.0)

    def _expect_beat(self, watch: "_Watch") -> None:
        self._timer = watch.loop.call_later(self._interval, self._beat, watch)

    def _beat(self, watch: "_Watch") -> None:
        now = monotonic()
        self._on_lag(max(0.0, now - watch.beat_at - self._interval))
        watch.beat_at = now
        self._expect_beat(watch)

    def _listen(self, watch: "_Watch") -> None:
        at, used = monotonic(), process_time()
        while not self._stopped.wait(self._interval) and not watch.loop.is_closed():
            now, using = monotonic(), process_time()
            # Stopped, its machine paused, or no processor to be had: that is not the loop's doing. But what the process
            # worked while we overslept is: somebody held the interpreter all the time, a long C function, say.
            lost = max(0.0, now - at - self._interval - (using - used))
            watch.look(now, lost)
            at, used = now, using


class _Watch:
    """What the thread knows of the loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seconds: float, stack_each: float, on_stall: Callable[[], None]
    ) -> None:
        self.loop = loop
        self.beat_at = monotonic()
        """The last heartbeat; written by the loop, read by the thread."""
        self._thread_id = threading.get_ident()
        self._seconds = seconds
        self._stack_each = stack_each
        self._on_stall = on_stall
        self._stack_due = 0.0
        self._heard = self.beat_at
        self._lost = 0.0
        """Of the time since the last heartbeat, what the loop could not have used."""
        self._reported = False
        self._halted = False
        """By a debugger, since the last heartbeat."""
        self._stood: float | None = None
        """How long a stall that was reported has lasted, until it is said."""

    def look(self, now: float, lost: float) -> None:
        """Say what there is to say; for `lost` seconds since the last look the process did not run."""
        beat = self.beat_at
        if beat != self._heard:
            self._hear(beat)
        silent = now - beat
        self._lost = min(self._lost + lost, silent) if self.loop.is_running() else silent
        stands = silent - self._lost
        stack = _stack(self._thread_id) if stands >= self._seconds else ()
        self._halted = self._halted or _at_breakpoint(stack)
        if beat != self.beat_at or self._halted:
            return  # it went on while we looked, or somebody has halted it to look himself
        # Only now: to write a line lets go of the interpreter, and what was caught would get away.
        if self._stood is not None:
            logger.warning("the event loop runs again", extra={"seconds": round(self._stood, 2)})
            self._stood = None
        if stands >= self._seconds:
            self._report(stands, now, stack)

    def _hear(self, beat: float) -> None:
        if self._reported:
            self._stood = beat - self._heard - self._lost
        self._heard, self._lost, self._reported, self._halted = beat, 0.0, False, False

    def _report(self, stands: float, now: float, stack: Sequence[FrameSummary]) -> None:
        shown = now >= self._stack_due
        if self._reported and not shown:
            return
        fields: dict[str, object] = {"seconds": round(stands, 2)}
        if shown:
            self._stack_due = now + self._stack_each
            fields["stack"] = stack_lines(stack)
        if not self._reported:
            self._reported = True
            self._on_stall()
        logger.warning("the event loop stands still", extra=fields)


def _stack(thread_id: int) -> Sequence[FrameSummary]:
    """Innermost last. Without the source lines: to read them would let go of the interpreter, and the loop go on."""
    innermost = sys._current_frames().get(thread_id)
    frames = islice(walk_stack(innermost), FRAMES) if innermost else ()
    return [
        FrameSummary(each.f_code.co_filename, line, each.f_code.co_name, lookup_line=False) for each, line in frames
    ][::-1]


def _at_breakpoint(stack: Sequence[FrameSummary]) -> bool:
    return any(os.path.basename(frame.filename) in _DEBUGGERS for frame in stack)
