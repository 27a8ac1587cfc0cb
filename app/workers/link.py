"""A worker's end of the line to its parent."""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress

from app.workers.words import BEAT, BEAT_SECONDS, EOF, GREET, LEAVE, READY


class Link:
    """Says that this worker is ready and runs; hears when it is to leave, and when nobody is there to say so."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._line = socket.socket(fileno=descriptor)
        self._line.setblocking(False)

    def attend(
        self, *, on_greet: Callable[[], None], on_leave: Callable[[], None], on_gone: Callable[[], None]
    ) -> None:
        """From now on, in the running loop. `on_gone` is called once, when the parent has died."""
        loop = asyncio.get_running_loop()

        def hear() -> None:
            try:
                said = self._line.recv(256)
            except BlockingIOError:
                return
            except OSError:
                said = EOF
            if said == EOF:
                loop.remove_reader(self._line)
                on_gone()
            for word in (said[at : at + 1] for at in range(len(said))):
                if word == GREET:
                    on_greet()
                elif word == LEAVE:
                    on_leave()

        def beat() -> None:
            self._say(BEAT)
            loop.call_later(BEAT_SECONDS, beat)

        loop.add_reader(self._line, hear)
        self._say(READY)
        beat()

    def _say(self, word: bytes) -> None:
        with suppress(OSError):
            self._line.send(word)
