"""The response that sends a file while it is made."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.core.errors import AppError
from app.domain.downloads import Download, Piece
from app.wire.pipes import Pipe, pipe_of

logger = logging.getLogger(__name__)

_SEND_BYTES = 16 * 1024
_RESERVED = '/\\:*?"<>|'
_LONGEST_TITLE = 60
"""Characters, of up to four bytes each: most file systems take 255 bytes."""


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """What a reader must take: `least` bytes in `stuck` seconds of waiting for it, and all of it in `whole` seconds."""

    stuck: float = 30.0
    least: int = 64 * 1024
    whole: float = 3600.0


class Packing(Protocol):
    """How pieces become the bytes of one file. `add` is called in a thread, one piece after the other."""

    def add(self, piece: Piece) -> bytes: ...

    def end(self) -> Iterator[bytes]:
        """What comes after the last piece."""
        ...


class Plain:
    """The pieces as they are."""

    def add(self, piece: Piece) -> bytes:
        return piece.spell()

    def end(self) -> Iterator[bytes]:
        return iter(())


class DownloadResponse(Response):
    """A file of which hardly more than one piece is held at a time.

    It is either whole or visibly broken: where making it fails, where it is broken off or its reader is too slow, the
    connection is cut. A client that leaves ends the work, too. In the end the download is released.

    `length` is in bytes, where it is known before; `more` are headers beside the usual, or in place of them.
    """

    def __init__(
        self,
        download: Download,
        *,
        filename: str,
        media_type: str,
        limits: DownloadLimits,
        packing: Packing | None = None,
        status: int = 200,
        length: int | None = None,
        more: Mapping[str, str] | None = None,
    ) -> None:
        headers = {
            "content-type": media_type,
            "content-disposition": _attachment(filename),
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        }
        super().__init__(status_code=status, headers={**headers, **(more or {})})
        del self.headers["content-length"]
        if length is not None:
            self.headers["content-length"] = str(length)
        self._download = download
        self._limits = limits
        self._packing = packing or Plain()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async with pipe_of(scope, receive, send) as pipe:
                await self._stream(_Reader(pipe, self._limits))
            if pipe.gone:
                await _left(receive)
            else:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._download.release()

    async def _stream(self, reader: "_Reader") -> None:
        self._download.on_break = reader.cut
        deadline = asyncio.get_running_loop().call_later(self._limits.whole, reader.drop)
        try:
            await self._send(reader)
        except AppError as error:
            logger.warning("a download was broken off", extra={"code": error.code})
            reader.cut()
        except BaseException:
            reader.cut()
            raise
        finally:
            deadline.cancel()

    async def _send(self, reader: "_Reader") -> None:
        async with aclosing(self._download.pieces()) as pieces:
            async for piece in pieces:
                if not await reader.take(await asyncio.to_thread(self._packing.add, piece)):
                    return
        for part in self._packing.end():
            if not await reader.take(part):
                return


def filename(title: str, ending: str) -> str:
    """A name for a file of this title that every file system takes: without separators, and not too long."""
    plain = "".join(each if each.isprintable() and each not in _RESERVED else "_" for each in title)
    return f"{plain[:_LONGEST_TITLE].strip(' .') or 'conversation'}.{ending}"


def _attachment(filename: str) -> str:
    """The header that has a browser save the file (RFC 6266): in ASCII for those who know no better, and as it is."""
    plain = "".join(each if each.isascii() and (each.isalnum() or each in " -_.") else "_" for each in filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


async def _left(receive: Receive) -> None:
    """Hear that the client has gone, also where it was cut off: else the server takes the answer for a broken one."""
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            while (await receive())["type"] != "http.disconnect":
                pass


class _Reader:
    """The client, as far as it takes what it is sent."""

    def __init__(self, pipe: Pipe, limits: DownloadLimits) -> None:
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
            logger.info("the reader of a download was too slow")
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
