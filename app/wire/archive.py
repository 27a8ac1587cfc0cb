"""The response that sends an archive while it is made."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.core.errors import AppError
from app.domain.archives import Piece
from app.wire.pipes import Pipe, pipe_of
from app.wire.zipping import ZipStream

logger = logging.getLogger(__name__)

_SEND_BYTES = 16 * 1024


class ArchiveResponse(Response):
    """A zip archive of `pieces`, of which hardly more than one is held at a time.

    It is either whole or visibly broken: where making it fails the connection is cut. One that leaves, or that takes
    nothing for `stuck` seconds, ends the work. `done` is called when all is over, however it ended.
    """

    def __init__(
        self, pieces: AsyncGenerator[Piece, None], *, filename: str, stuck: float, done: Callable[[], None]
    ) -> None:
        headers = {
            "content-type": "application/zip",
            "content-disposition": f'attachment; filename="{filename}"',
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        }
        super().__init__(status_code=200, headers=headers)
        del self.headers["content-length"]
        self._pieces = pieces
        self._stuck = stuck
        self._done = done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with pipe_of(scope, receive, send) as pipe:
                await self._stream(_Reader(pipe, self._stuck))
            if not pipe.gone:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._done()

    async def _stream(self, reader: "_Reader") -> None:
        archive = ZipStream()
        try:
            async with aclosing(self._pieces) as pieces:
                async for piece in pieces:
                    if not await reader.take(await asyncio.to_thread(archive.add, piece)):
                        return
            await reader.take(await asyncio.to_thread(archive.end))
        except AppError as error:
            logger.warning("an archive was broken off", extra={"code": error.code})
            reader.cut()
        except BaseException:
            reader.cut()
            raise


class _Reader:
    """The client, as far as it takes what it is sent."""

    def __init__(self, pipe: Pipe, stuck: float) -> None:
        self._pipe = pipe
        self._stuck = stuck
        self._changed = asyncio.Event()
        pipe.on_change = self._changed.set

    async def take(self, body: bytes) -> bool:
        """Send it; false when the client has gone, or was dropped for taking nothing."""
        for start in range(0, len(body), _SEND_BYTES):
            if not await self._ready():
                return False
            self._pipe.write(body[start : start + _SEND_BYTES])
        return await self._ready()

    def cut(self) -> None:
        self._pipe.abort()

    async def _ready(self) -> bool:
        while self._pipe.paused and not self._pipe.gone:
            self._changed.clear()
            try:
                async with asyncio.timeout(self._stuck):
                    await self._changed.wait()
            except TimeoutError:
                self.cut()
        return not self._pipe.gone
