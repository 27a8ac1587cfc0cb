"""One instance of the app under an orchestrator: whenever its process has ended, another is started."""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.backend import UNLIMITED
from tests.chaos.http import Broken, Exchange
from tests.ports import free_port

RESTART_AFTER = 0.7
"""Seconds that an orchestrator takes to notice."""
_ROOT = Path(__file__).parent.parent.parent
_PATIENCE = 1.0


class Instance:
    """`starts` counts its processes; each writes a log of its own into `folder`."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.starts = 0
        self.started_at = 0.0
        self._folder = folder
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(_ROOT),
            "PYTHONSAFEPATH": "1",
            "PORT": str(self.port),
            "OLLAMA_DISCOVERY": "false",  # a developer's own would disturb
            "LOG_LEVEL": "info",
            **{name.upper(): value for name, value in UNLIMITED.items()},
            **environment,
        }

    async def __aenter__(self) -> Self:
        await self._start()
        self._supervisor = asyncio.create_task(self._supervise())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._supervisor.cancel()
        await asyncio.gather(self._supervisor, return_exceptions=True)
        self.signal(signal.SIGKILL)
        await self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def logs(self) -> list[Path]:
        """Of all its processes, oldest first."""
        return [self._folder / f"{self.name}-{number}.log" for number in range(1, self.starts + 1)]

    def signal(self, number: signal.Signals) -> None:
        """Harmless when it has ended."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def gone(self, within: float) -> bool:
        """Whether the process of this moment ends within so many seconds."""
        process = self._process
        try:
            async with asyncio.timeout(within):
                await process.wait()
        except TimeoutError:
            return False
        return True

    async def is_ready(self) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE), Exchange(self.url, "GET", "/ready", {}) as exchange:
                await exchange.head()
                return exchange.status == 200
        except (Broken, TimeoutError):
            return False

    async def ready(self, *, after: int = 0, within: float = 60.0) -> None:
        """Wait until a process later than the n-th is ready for work."""
        try:
            async with asyncio.timeout(within):
                while self.starts <= after or not await self.is_ready():
                    await asyncio.sleep(0.1)
        except TimeoutError:
            last = self.logs[-1].read_text(errors="replace")[-2000:]
            raise TimeoutError(f"instance {self.name} is not ready within {within} s; its log ends:\n{last}") from None

    async def _start(self) -> None:
        self.starts += 1
        self.started_at = time.monotonic()
        log = self.logs[-1].open("wb")
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "app.main",
                cwd=tempfile.gettempdir(),  # not here, where a developer may have a .env
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
            )
        finally:
            log.close()

    async def _supervise(self) -> None:
        while True:
            await self._process.wait()
            await asyncio.sleep(RESTART_AFTER)
            await self._start()
