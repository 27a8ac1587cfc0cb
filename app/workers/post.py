"""One worker's post: who has it now, the line to them, and when the next one may come."""

import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import replace

from app.workers.place import Place
from app.workers.words import EOF, READY

_LONGEST_PAUSE = 30.0
_STEADY = 60.0
"""Seconds of work after which a death is nobody's habit."""


class Post:
    def __init__(self, place: Place) -> None:
        self._place = place
        self._process: subprocess.Popen[bytes] | None = None
        self._due_at = 0.0
        self._ready_at: float | None = None
        self._last_pid: int | None = None
        self.line: socket.socket | None = None
        self.heard_at = 0.0
        self.pause = 0.0
        """Seconds between the last death here and the next start: none at first, then 1, 2, 4, … 30."""

    @property
    def taken(self) -> bool:
        return self._process is not None

    @property
    def ready(self) -> bool:
        """It takes requests, and has not been found dead."""
        return self._process is not None and self._ready_at is not None

    def due(self, now: float) -> bool:
        return self._process is None and now >= self._due_at

    def start(self) -> socket.socket:
        """Answers our end of the line. The other is open in the worker alone, so each notices when the other dies."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        place = replace(self._place, link=theirs.fileno())
        with theirs:
            self._process = subprocess.Popen(place.command(), pass_fds=(place.listening, place.link))  # noqa: S603
        self.line = ours
        return ours

    def hear(self) -> bytes:
        """What it has said since; EOF when it hung up."""
        if self.line is None:
            return EOF
        try:
            said = self.line.recv(4096)
        except BlockingIOError:
            return b"?"
        except OSError:
            return EOF
        self.heard_at = time.monotonic()
        if READY in said and self._ready_at is None:
            self._ready_at = self.heard_at
        return said

    def say(self, word: bytes) -> None:
        with suppress(OSError):
            if self.line is not None:
                self.line.send(word)

    def send_signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def exited(self) -> int | None:
        """The exit code of who has died."""
        return self._process.poll() if self._process is not None else None

    def hang_up(self) -> None:
        if self.line is not None:
            self.line.close()
            self.line = None

    def vacate(self, now: float) -> None:
        """Its death is known; when the next may come is settled."""
        steady = self._ready_at is not None and now - self._ready_at >= _STEADY
        self._last_pid = self._process.pid if self._process else None
        self.hang_up()
        self._process, self._ready_at = None, None
        self.pause = 0.0 if steady or not self._due_at else min(max(1.0, 2 * self.pause), _LONGEST_PAUSE)
        self._due_at = now + self.pause

    def about(self, code: int | None) -> dict[str, object]:
        """For the log."""
        pid = self._process.pid if self._process else self._last_pid
        named = signal.Signals(-code).name if code is not None and code < 0 else code
        return {"worker": self._place.number, "pid": pid, "exit": named}
