"""The response that sends an archive while it is made."""

import asyncio
import logging
from contextlib import aclosing, suppress
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.core.errors import AppError
from app.domain.archives import Archive
from app.wire.pipes import Pipe, pipe_of
from app.wire.zipping import ZipStream

logger = logging.getLogger(__name__)

_SEND_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What a reader must take: `least` bytes in `stuck` seconds of waiting for it, and all of it in `whole` seconds."""

    stuck: float = 30.0
    least: int = 64 * 1024
    whole: float = 3600.0


class ArchiveResponse(Response):
    """An archive as a zip, of which hardly more than one piece is held at a time.

    It is either whole or visibly broken: where making it fails, where it is broken off or its reader is too slow, the
    connection is cut. A client that leaves ends the work, too. In the end the archive is released.
    """

    def __init__(self, archive: Archive, *, filename: str, limits: ArchiveLimits) -> None:
        headers = {
            "content-type": "application/zip",
            "content-disposition": f'attachment; filename="{filename}"',
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        }
        super().__init__(status_code=200, headers=headers)
        del self.headers["content-length"]
        self._archive = archive
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with pipe_of(scope, receive, send) as pipe:
                await self._stream(_Reader(pipe, self._limits))
            if pipe.gone:
                await _left(receive)
            else:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._archive.release()

    async def _stream(self, reader: "_Reader") -> None:
        self._archive.on_break = reader.cut
        deadline = asyncio.get_running_loop().call_later(self._limits.whole, reader.drop)
        try:
            await self._send(reader)
        except AppError as error:
            logger.warning("an archive was broken off", extra={"code": error.code})
            reader.cut()
        except BaseException:
            reader.cut()
            raise
        finally:
            deadline.cancel()

    async def _send(self, reader: "_Reader") -> None:
        stream = ZipStream()
        async with aclosing(self._archive.pieces()) as pieces:
            async for piece in pieces:
                if not await reader.take(await asyncio.to_thread(stream.add, piece)):
                    return
        for part in stream.end():
            if not await reader.take(part):
                return


async def _left(receive: Receive) -> None:
    """Hear that the client has gone, also where it was cut off: else the server takes the answer for a broken one."""
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            while (await receive())["type"] != "http.disconnect":
                pass


class _Reader:
    """The client, as far as it takes what it is sent."""

    def __init__(self, pipe: Pipe, limits: ArchiveLimits) -> None:
        self._loop = asyncio.get_running_loop()
        self._pipe = pipe
        self._limits = limits
        self._patience = limits.stuck
        """Seconds that it may still be waited for until it has taken `least`, of which `_taken` are counted."""
        self._taken = 0
        self._changed = asyncio.Event()
        pipe.on_change = self._changed.set

    async def take(self, body: bytes) -> bool:
        """Send it; false when the client has gone, or was dropped."""
        for start in range(0, len(body), _SEND_BYTES):
            if not await self._ready():
                return False
            part = body[start : start + _SEND_BYTES]
            self._pipe.write(part)
            self._count(len(part))
        return await self._ready()

    def cut(self) -> None:
        self._pipe.abort()

    def drop(self) -> None:
        """Cut it off, for it is too slow."""
        if not self._pipe.gone:
            logger.info("the reader of an archive was too slow")
            self.cut()

    def _count(self, size: int) -> None:
        self._taken += size
        if self._taken >= self._limits.least:
            self._taken, self._patience = 0, self._limits.stuck

    async def _ready(self) -> bool:
        while self._pipe.paused and not self._pipe.gone:
            self._changed.clear()
            began = self._loop.time()
            try:
                async with asyncio.timeout(self._patience):
                    await self._changed.wait()
            except TimeoutError:
                self.drop()
            self._patience -= self._loop.time() - began
        return not self._pipe.gone
