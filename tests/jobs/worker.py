"""A process that reads documents, as an operator runs it."""

import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, Self

WORKER = (sys.executable, "-m", "app.worker")


class Worker:
    """`output` is all that it printed. It is there once it says so."""

    def __init__(self, environment: Mapping[str, str], command: Sequence[str] = WORKER) -> None:
        self.environment = dict(environment)
        self.output = b""
        self._command = command

    async def __aenter__(self) -> Self:
        await self.start()
        try:
            await self._ready()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self.exited()

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=tempfile.gettempdir(),  # not here, where a developer may have a .env
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._reader = asyncio.create_task(self._read())

    @property
    def working(self) -> bool:
        return self._process.returncode is None

    async def _ready(self) -> None:
        async with asyncio.timeout(30):
            while not self.said("the worker is ready"):
                assert self.working, self.output.decode()
                await asyncio.sleep(0.03)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def exited(self, *, within: float = 30.0) -> int:
        async with asyncio.timeout(within):
            code = await self._process.wait()
            await self._reader
        return code

    def said(self, message: str) -> bool:
        return any(each["message"] == message for each in self.log)

    @property
    def log(self) -> list[dict[str, Any]]:
        """The structured lines of the output."""
        lines = self.output.splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith(b"{") and line.endswith(b"\n")]

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while chunk := await self._process.stdout.read(65536):
            self.output += chunk
