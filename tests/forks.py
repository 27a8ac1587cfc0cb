"""Processes of the app that need not load it: forks of `tests.loaded`, as asyncio shows the ones that it starts."""

import asyncio
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Self

_ROOT = Path(__file__).parent.parent


class Fork:
    """`stdout` is all that it prints."""

    def __init__(self, pid: int, stdout: asyncio.StreamReader, told: asyncio.StreamReader) -> None:
        self.pid = pid
        self.stdout = stdout
        self._end = asyncio.create_task(told.readline())

    @classmethod
    async def begin(cls, environment: Mapping[str, str]) -> Self:
        stdout, output = await _pipe()
        told, tell = await _pipe()
        try:
            socket.send_fds(_line(), [json.dumps(dict(environment)).encode()], [output, tell])
        finally:
            os.close(output)
            os.close(tell)
        async with asyncio.timeout(60):
            pid = await told.readline()
        assert pid, "what forks has ended: see what python -m tests.loaded 0 says"
        return cls(int(pid), stdout, told)

    @property
    def returncode(self) -> int | None:
        return int(self._end.result()) if self._end.done() else None

    async def wait(self) -> int:
        return int(await asyncio.shield(self._end))

    def send_signal(self, number: signal.Signals) -> None:
        """Harmless when it has ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError):  # ended, and not yet told
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


async def _pipe() -> tuple[asyncio.StreamReader, int]:
    """Its end to read from, and the descriptor of the other."""
    reading, writing = os.pipe()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(reading, "rb", 0))
    return reader, writing


@cache
def _line() -> socket.socket:
    """To the program that forks, which is begun at the first word and ends when this process does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        program = subprocess.Popen(
            [sys.executable, "-m", "tests.loaded", str(theirs.fileno())],
            env={**os.environ, "PYTHONPATH": str(_ROOT), "PYTHONSAFEPATH": "1"},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def end() -> None:
        ours.close()
        program.wait()

    atexit.register(end)
    return ours
