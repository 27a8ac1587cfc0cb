"""A target as a process: started, asked what it used, stopped."""

import asyncio
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.ports import free_port

_ROOT = Path(__file__).parent.parent.parent
_PAGE = resource.getpagesize()
_PATIENCE = 200.0


def raise_file_limit() -> None:
    """For this process and those that it starts: a relayed stream takes two."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Served:
    """`python -m module` on a free port; `arguments` and `environment` may name it as `{port}`.

    `async with` starts it and ends it; `ready` waits until it serves.
    """

    def __init__(
        self, module: str, arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        self.port = free_port()
        named = str(self.port)
        self._command = [sys.executable, "-m", module, *(each.replace("{port}", named) for each in arguments)]
        self._environment = {name: each.replace("{port}", named) for name, each in (environment or {}).items()}
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self._process.pid

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=tempfile.gettempdir(),  # not here, where a developer may have a .env
            env={**os.environ, "PYTHONPATH": str(_ROOT), "PYTHONSAFEPATH": "1", **self._environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=self._output,
            stderr=asyncio.subprocess.STDOUT,
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), 5)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        self._output.close()

    async def ready(self) -> None:
        """Waits until it serves. Raises RuntimeError, with what it printed, when it has ended instead."""
        async with asyncio.timeout(_PATIENCE):
            while not await self._answers():
                if self._process.returncode is not None:
                    raise RuntimeError(f"{' '.join(self._command[2:])} did not start:\n{self.output}")
                await asyncio.sleep(0.05)

    @property
    def output(self) -> str:
        """The end of what it printed."""
        self._output.seek(0)
        return self._output.read().decode(errors="replace")[-4000:]

    def cpu(self) -> float:
        """Seconds of CPU that all its threads have used, and its children's."""
        return sum(time.clock_gettime(_cpu_clock(pid)) for pid in self.pids())

    def memory(self) -> int:
        """Resident bytes, with its children's."""
        return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE for pid in self.pids())

    def pids(self) -> Iterator[int]:
        """It, then its children and theirs."""
        parents = dict(_parents())
        yield self.pid
        for pid in list(parents):
            above = parents[pid]
            while above not in (self.pid, 0):
                above = parents.get(above, 0)
            if above:
                yield pid

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.write(b"GET /ready HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")
        line = await reader.readline()
        writer.close()
        return line.startswith(b"HTTP/1.1 ") and not line.startswith(b"HTTP/1.1 5")


def _parents() -> Iterator[tuple[int, int]]:
    """Every process there is, and whose child it is."""
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with suppress(OSError):  # it may have ended since
                stat = Path(entry.path, "stat").read_text()
                yield int(entry.name), int(stat.rpartition(")")[2].split()[1])


def _cpu_clock(pid: int) -> int:
    """Linux's clock of a whole process in nanoseconds, where /proc/<pid>/stat counts hundredths of a second."""
    return (~pid << 3) | 2
