"""The response that passes on what another server answers, as it comes."""

import asyncio
from collections.abc import Awaitable
from typing import Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.core.metrics import Metrics
from app.wire.pipes import Pipe, pipe_of
from app.wire.response import StreamLimits


class Source(Protocol):
    """What passes; `leave` wakes whoever reads."""

    @property
    def status(self) -> int: ...

    @property
    def media_type(self) -> str: ...

    @property
    def broken(self) -> bool:
        """Whether the end of what was read is none, and its reader has to see that."""
        ...

    def read(self) -> Awaitable[bytes]:
        """The next bytes; empty at the end. It does not raise."""
        ...

    def leave(self) -> None: ...

    def conclude(self) -> Awaitable[None]: ...


class PassingResponse(Response):
    """Holds nothing but what its reader has not taken yet: as long as that is much, nothing more is read.

    A reader that leaves, or takes nothing for `limits.stuck`, ends what it reads.
    """

    def __init__(self, source: Source, *, limits: StreamLimits, metrics: Metrics) -> None:
        headers = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}
        if source.media_type:
            headers["content-type"] = source.media_type
        super().__init__(status_code=source.status, headers=headers)
        del self.headers["content-length"]
        self._source = source
        self._stuck = limits.stuck
        self._open_streams = metrics.open_streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        except BaseException:
            await self._end()
            raise

        async def rest(receive: Receive, send: Send) -> None:
            self._open_streams.inc()
            try:
                await self._stream(scope, receive, send)
            finally:
                self._open_streams.dec()
                await self._end()

        if outermost := scope.get("extensions", {}).get("app.rest"):
            outermost["defer"](rest)
        else:
            await rest(receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        source = self._source
        async with pipe_of(scope, receive, send) as pipe:
            reader = _Reader(pipe, source, self._stuck)
            while (data := await source.read()) and await reader.take(data):
                pass
            await self._source.conclude()  # first, so that what it used is known when its reader knows the end
            if source.broken:
                pipe.abort()
        if not pipe.gone:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _end(self) -> None:
        self._source.leave()
        await self._source.conclude()


class _Reader:
    """The client; when it goes, the source is left at once."""

    def __init__(self, pipe: Pipe, source: Source, stuck: float) -> None:
        self._pipe = pipe
        self._source = source
        self._stuck = stuck
        self._changed = asyncio.Event()
        pipe.on_change = self._change
        if pipe.gone:
            source.leave()

    async def take(self, body: bytes) -> bool:
        """Send it, and wait until there is room for more; false when the client has gone, or was dropped."""
        pipe = self._pipe
        if not pipe.gone:
            pipe.write(body)
        while pipe.paused and not pipe.gone:
            self._changed.clear()
            try:
                async with asyncio.timeout(self._stuck):
                    await self._changed.wait()
            except TimeoutError:
                pipe.abort()
                self._source.leave()
        return not pipe.gone

    def _change(self) -> None:
        self._changed.set()
        if self._pipe.gone:
            self._source.leave()
