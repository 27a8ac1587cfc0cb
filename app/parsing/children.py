"""A child process that reads one document: begun, listened to, killed."""

import asyncio
import os
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec

import app
from app.parsing.messages import LENGTH_BYTES, MOST, Answer, Request, answers, framed

_PARTING = 10.0
"""Seconds to see a killed process go; one that hangs in a disk's driver may take its time."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The child has gone without another answer: by a signal of the system, or because it was too slow."""

    signal: int = 0
    too_slow: bool = False


class Child:
    """Whoever has begun one closes it: that kills it, waits for its end and leaves nothing behind."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._leaving: asyncio.Task[None] | None = None

    @classmethod
    async def begin(cls, request: Request) -> Self:
        """Raises OSError where no process is to be had."""
        beginning = asyncio.get_running_loop().create_task(_start(request), context=Context())
        try:
            begun = cls(await asyncio.shield(beginning))
        except asyncio.CancelledError:
            beginning.add_done_callback(_abandon)
            raise
        begun.send(request)
        return begun

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, request: Request) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(framed(request))

    async def answer(self, seconds: float) -> Answer | Ended:
        """The next one. A child that takes longer, or says what is none, is killed."""
        try:
            async with asyncio.timeout(seconds):
                return await self._hear()
        except (TimeoutError, msgspec.MsgspecError, ValueError) as error:
            await self.close()
            return Ended(too_slow=isinstance(error, TimeoutError))
        except (asyncio.IncompleteReadError, OSError):
            await self.close()
            return self._how()

    async def close(self) -> None:
        """At once; goes on by itself where its waiter is cancelled."""
        await asyncio.shield(self.drop())

    def drop(self) -> asyncio.Task[None]:
        """Kills it; the task sees it go."""
        if self._leaving is None:
            self._kill()
            self._leaving = asyncio.get_running_loop().create_task(self._leave(), context=Context())
        return self._leaving

    async def _hear(self) -> Answer:
        out = self._process.stdout
        if out is None:
            raise OSError
        length = int.from_bytes(await out.readexactly(LENGTH_BYTES), "big")
        if length > MOST:
            raise ValueError
        return answers.decode(await out.readexactly(length))

    def _how(self) -> Ended:
        code = self._process.returncode or 0
        return Ended(signal=-code if code < 0 else 0, too_slow=code == -signal.SIGXCPU)

    def _kill(self) -> None:
        # Not by asyncio: to signal one that has just died would take the news from it, and it complains.
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _leave(self) -> None:
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(_PARTING):
                if self._process.stdout is not None:
                    await self._process.stdout.read()  # what is left in the pipe would keep asyncio waiting
                await self._process.wait()


@asynccontextmanager
async def child(request: Request) -> AsyncIterator[Child]:
    begun = await Child.begin(request)
    try:
        yield begun
    finally:
        await begun.close()


async def _start(request: Request) -> Process:
    # Where it begins is gone at once: nothing can be put there, and nothing is left behind however this process ends.
    with tempfile.TemporaryDirectory(prefix="reading-", ignore_cleanup_errors=True) as folder:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "app.parsing.child"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=_environment(),
            cwd=folder,
            pass_fds=(request.descriptor,),
            start_new_session=True,
        )


def _environment() -> dict[str, str]:
    """No secret and no setting: where this program and Tesseract lie."""
    kept = {name: os.environ[name] for name in ("PATH", "TESSDATA_PREFIX") if name in os.environ}
    root = str(Path(app.__file__).parent.parent)
    return {**kept, "PYTHONPATH": root, "LANG": "C.UTF-8", "OMP_THREAD_LIMIT": "1", "OPENBLAS_NUM_THREADS": "1"}


def _abandon(beginning: "asyncio.Task[Process]") -> None:
    """Its beginner was cancelled while it began."""
    if not beginning.cancelled() and beginning.exception() is None:
        Child(beginning.result()).drop()
