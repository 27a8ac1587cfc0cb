"""One run of the engine's process, as the service has it: questions and answers by number, until it dies."""

import asyncio
import itertools
import os
import sys
import time
from contextvars import Context
from pathlib import Path
from typing import Self

import msgspec

import app
from app.stores.vectors import words

MOST_WAITING = 128
"""Requests that are under way at once; who comes then is refused."""
STALL = 60.0
"""Seconds without any answer to what was asked, after which the process is killed: it takes no longer to tidy up."""
_PARTING = 10.0
"""Seconds for it to save what it has and go."""


class Died(Exception):
    """The process is gone, and with it what it was asked and had not answered."""


class Crowded(Exception):
    """As much is under way as may be."""


class Life:
    def __init__(self, process: asyncio.subprocess.Process, stall: float) -> None:
        self._process = process
        self._stall = stall
        self._numbers = itertools.count()
        self._waiting: dict[int, tuple[asyncio.Future[words.Answer], float]] = {}
        """By number, with the time of asking. Who has given up waiting stands here until the answer comes."""
        self._heard_at = time.monotonic()
        self.over = False
        # In no request's context: it outlives the one that began it.
        self._hearing = asyncio.get_running_loop().create_task(self._hear(), context=Context())

    @classmethod
    async def begin(cls, folder: Path, lock: int, stall: float) -> Self:
        """Raises OSError where no process is to be had. `lock` is open in it as long as it lives."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "app.stores.vectors.child", str(folder)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=_environment(),
            cwd=str(folder),
            pass_fds=(lock,),
        )
        return cls(process, stall)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ask(self, request: words.Request) -> words.Answer:
        """Raises Died, Crowded. Who is cancelled has maybe asked, and maybe not."""
        self._kill_if_stalled()
        if self.over or self._process.stdin is None:
            raise Died
        if len(self._waiting) >= MOST_WAITING:
            raise Crowded
        number = next(self._numbers)
        asked = words.frame(words.Asked(number, request))
        answer: asyncio.Future[words.Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer, time.monotonic()
        self._process.stdin.write(asked)
        return await answer

    async def end(self) -> None:
        """Let it save and go; what it was asked before, it does. Harmless when it is dead."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        await asyncio.wait({self._hearing}, timeout=_PARTING)
        if not self._hearing.done():
            self._process.kill()
            await asyncio.wait({self._hearing})

    async def _hear(self) -> None:
        try:
            while True:
                await self._hear_one()
        except (asyncio.IncompleteReadError, OSError):
            pass  # it is about to go
        except (msgspec.MsgspecError, ValueError):
            self._process.kill()  # it talks nonsense
        finally:
            self.over = True
            for answer, _ in self._waiting.values():
                if not answer.done():
                    answer.set_exception(Died())
            self._waiting.clear()
        await self._gone()

    async def _gone(self) -> None:
        # Not killed at once: to signal who has just died would take the news from asyncio, which then complains.
        try:
            async with asyncio.timeout(_PARTING):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _hear_one(self) -> None:
        out = self._process.stdout
        if out is None:
            raise ValueError
        (length,) = words.LENGTH.unpack(await out.readexactly(words.LENGTH.size))
        if length > words.LONGEST:
            raise ValueError
        answered = _DECODER.decode(await out.readexactly(length))
        self._heard_at = time.monotonic()
        answer, _ = self._waiting.pop(answered.number, (None, 0.0))
        if answer is not None and not answer.done():
            answer.set_result(answered.answer)

    def _kill_if_stalled(self) -> None:
        asked_at = min((at for _, at in self._waiting.values()), default=None)
        if asked_at is not None and time.monotonic() - max(asked_at, self._heard_at) > self._stall:
            self._process.kill()


_DECODER = msgspec.msgpack.Decoder(words.Answered)


def _environment() -> dict[str, str]:
    """Nothing of ours, which has secrets in it, but where to find this program."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "LANG") if name in os.environ}
    return {"PYTHONPATH": str(Path(app.__file__).parent.parent), **kept}
