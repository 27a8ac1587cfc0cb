"""The parent of several workers: it owns their socket, replaces who dies and passes signals on. It serves nothing.

`app.main` becomes this program when WEB_CONCURRENCY is above 1, once it has seen that the settings are right. It loads
hardly anything, so it costs 15 MB rather than 130, and there is little in it that could fail.
"""

import argparse
import logging
import os
import selectors
import shutil
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

from app.core.logging import configure_logging
from app.workers.place import Place, python
from app.workers.post import Post
from app.workers.words import BEAT_SECONDS, EOF, GREET, LEAVE, READY

logger = logging.getLogger("app.workers.parent")

SILENCE = 30.0
"""Seconds after which a worker whose event loop gives no sign is killed; its lease ran out long before."""
_NOT_STARTED = 3


class Parent:
    def __init__(self, listening: int, count: int, folder: Path) -> None:
        self._listening = listening
        self._folder = folder
        self._posts = [Post(Place(number, count, listening, -1, folder)) for number in range(1, count + 1)]
        self._selector = selectors.DefaultSelector()
        self._signals: list[int] = []
        self._greeted = False
        self._failed: int | None = None

    def run(self) -> int:
        """Until all workers have gone; answers the exit code."""
        self._attend_signals()
        looked = time.monotonic()
        while not (self._signals or self._failed) or any(post.taken for post in self._posts):
            if not (self._signals or self._failed):
                self._fill()
            self._listen()
            now = time.monotonic()
            self._reap(now)
            # If we ourselves were not run, neither were they, maybe.
            self._end_the_silent(now, forgiving=now - looked > BEAT_SECONDS + SILENCE / 3)
            looked = now
        shutil.rmtree(self._folder, ignore_errors=True)
        return self._failed or 0

    @property
    def last_signal(self) -> int | None:
        return self._signals[-1] if self._signals else None

    def _attend_signals(self) -> None:
        reader, writer = socket.socketpair()
        for end in (reader, writer):
            end.setblocking(False)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._woken = reader, writer
        self._selector.register(reader, selectors.EVENT_READ, None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)  # the byte that wakes us tells which one it was

    def _fill(self) -> None:
        for post in self._posts:
            if post.due(time.monotonic()):
                try:
                    line = post.start()
                except OSError as error:  # no process or no descriptor is to be had at the moment
                    post.vacate(time.monotonic())
                    logger.error("a worker cannot be begun", extra={**post.about(None), "errno": error.errno})
                else:
                    self._selector.register(line, selectors.EVENT_READ, post)

    def _listen(self) -> None:
        for key, _ in self._selector.select(BEAT_SECONDS):
            if key.data is None:
                self._hear_signals(self._woken[0].recv(256))
            else:
                self._hear(key.data)

    def _hear_signals(self, numbers: bytes) -> None:
        for number in numbers:
            if number in (signal.SIGTERM, signal.SIGINT):
                self._signals.append(number)
                self._leave()

    def _hear(self, post: Post) -> None:
        said = post.hear()
        if said == EOF:
            self._hang_up(post)
        elif READY in said and not self._greeted:
            self._greeted = True
            post.say(GREET)

    def _hang_up(self, post: Post) -> None:
        if post.line is not None:
            self._selector.unregister(post.line)
            post.hang_up()

    def _leave(self) -> None:
        """Who serves drains; who has not begun need not. What a signal says to a whole group of processes reaches a
        worker twice, once by itself and once by us, so it counts the signals on each way apart.
        """
        if self._listening >= 0:
            os.close(self._listening)  # when the last worker has gone, nobody shall wait in it
            self._listening = -1
        for post in self._posts:
            if post.taken:
                post.say(LEAVE)
                if not post.ready:
                    post.send_signal(signal.SIGTERM)

    def _reap(self, now: float) -> None:
        for post in self._posts:
            code = post.exited()
            if code is None:
                continue
            was_ready = post.ready
            self._hang_up(post)
            post.vacate(now)
            if self._signals or self._failed:
                continue
            if not was_ready and not any(other.ready for other in self._posts):
                # It would be the same the next time; with nobody at work, whoever started us has to know.
                logger.critical("a worker did not start, and no other serves", extra=post.about(code))
                self._failed = code if code > 0 else _NOT_STARTED
                self._leave()
            else:
                logger.error("a worker died", extra={**post.about(code), "replaced_in_seconds": post.pause})

    def _end_the_silent(self, now: float, *, forgiving: bool) -> None:
        for post in self._posts:
            if forgiving:
                post.heard_at = now
            elif post.ready and now - post.heard_at > SILENCE:
                logger.error("a worker stands still, and is killed", extra=post.about(None))
                post.send_signal(signal.SIGKILL)
                post.heard_at = now


def start(listening: socket.socket, count: int, log_level: str, folder: Path) -> None:
    """Become the parent of so many workers. Does not return."""
    listening.set_inheritable(True)
    given = [str(listening.fileno()), str(count), log_level, str(folder)]
    command = [*python("app.workers.parent"), *given]
    os.execv(command[0], command)  # noqa: S606


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app.workers.parent", description="Begun by app.main alone.")
    parser.add_argument("listening", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("log_level")
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    configure_logging(given.log_level)
    os.set_inheritable(given.listening, False)
    parent = Parent(given.listening, given.count, given.folder)
    code = parent.run()
    if code == 0 and parent.last_signal == signal.SIGTERM:
        # As a single process goes; where the signal kills nobody, as for the first process of a container, with 0.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with suppress(OSError):
            os.kill(os.getpid(), signal.SIGTERM)
    sys.exit(code)


if __name__ == "__main__":
    main()
