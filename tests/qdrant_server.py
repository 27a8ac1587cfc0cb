"""A Qdrant server that a test may kill, freeze, start again and have answer whatever it likes."""

import base64
import json
import os
import signal
import socket
import time
import urllib.request
from functools import cache
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any, Self

from tests.ports import free_port
from tests.stores.vectors.rest import serve


class QdrantServer:
    """Always at the same address; what it has been told is kept in `folder`. See tests/stores/vectors/rest.py."""

    def __init__(self, folder: Path, *, api_key: str | None = None) -> None:
        self._folder = folder
        self._key = api_key
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: ForkServerProcess | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()

    def start(self) -> None:
        self._process = _loaded().Process(target=serve, args=(self._folder, self.port, self._key), daemon=True)
        self._process.start()
        latest = time.monotonic() + 60
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port)):
                    return
            except OSError:
                assert self._process.is_alive(), "the loopback Qdrant did not start"
                assert time.monotonic() < latest, "the loopback Qdrant did not start in time"
                time.sleep(0.02)

    def kill(self) -> None:
        """Every connection breaks. Harmless when it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None

    def freeze(self) -> None:
        """Everything stays open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def answer_with(self, body: bytes = b"", **fault: Any) -> None:
        """From now on, whatever it is asked: status, headers, delay in seconds, route, unending."""
        self._set({"body": base64.b64encode(body).decode(), **fault})

    def heal(self) -> None:
        self._set(None)

    def _set(self, fault: dict[str, Any] | None) -> None:
        request = urllib.request.Request(f"{self.url}/_fault", json.dumps(fault).encode(), method="PUT")  # noqa: S310
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as response:
            response.read()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        assert self._process.pid is not None
        os.kill(self._process.pid, number)


@cache
def _loaded() -> ForkServerContext:
    """What forks has loaded the server, which costs two seconds of a processor."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.stores.vectors.rest"])
    return context
