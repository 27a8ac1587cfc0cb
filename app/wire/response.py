"""The one streaming response: it reads a log and writes frames, and holds nothing else."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.core.metrics import Metrics
from app.domain.events import LogEvent
from app.generation.log import EventLog
from app.wire.pipes import Pipe, pipe_of

logger = logging.getLogger(__name__)

Encoder = Callable[[LogEvent], bytes]
Farewell = Callable[[int], bytes | None]
"""Tells a reader who was sent everything up to this number to go on elsewhere; None cuts the connection, for clients
that come back after nothing else."""

SEND_BYTES = 4096
_PING = b": ping\n\n"
_HEADERS = {
    "content-type": "text/event-stream",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
}


def comment() -> bytes:
    """What every reader of an event stream passes over."""
    return _PING


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Seconds of silence before a ping, and seconds that a reader may take nothing before it is dropped."""

    ping: float = 15.0
    stuck: float = 30.0


class EventStreamResponse(Response):
    """Sends a log from after `after` to its end, live.

    Where the log goes on elsewhere the reader is told so by `farewell`; a dialect without one waits here for the end.
    A reader that leaves ends only its own reading, and `on_leave` is told. One that takes nothing for `limits.stuck` is
    dropped: its connection is cut, so that its buffers go too. `encode` is called once for each event, in their order;
    `ping` makes what is sent in silence, perhaps nothing.
    """

    def __init__(
        self,
        log: EventLog,
        encode: Encoder,
        *,
        after: int,
        headers: Mapping[str, str],
        limits: StreamLimits,
        metrics: Metrics,
        farewell: Farewell | None = None,
        ping: Callable[[], bytes] = comment,
        on_leave: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(status_code=200, headers={**_HEADERS, **headers})
        del self.headers["content-length"]
        self._log = log
        self._encode = encode
        self._after = after
        self._limits = limits
        self._farewell = farewell
        self._ping = ping
        self._on_leave = on_leave
        self._open_streams = metrics.open_streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})

        async def rest(receive: Receive, send: Send) -> None:
            await self._stream(scope, receive, send)

        if outermost := scope.get("extensions", {}).get("app.rest"):
            outermost["defer"](rest)  # so that no layer between has to wait, and to keep what it holds
        else:
            await rest(receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._open_streams.inc()
        try:
            async with pipe_of(scope, receive, send) as pipe:
                reading = _Reading(self._log, self._encode, self._farewell, self._ping, self._after, pipe, self._limits)
                try:
                    reading.begin()
                    await reading.finished
                finally:
                    reading.close()
            if not pipe.gone:
                await send({"type": "http.response.body", "body": reading.rest, "more_body": False})
        finally:
            self._open_streams.dec()
            if self._on_leave is not None:
                self._on_leave()


class _Reading:
    """One reader's way through a log. Whoever appends writes to the reader too: no task has to wake for each chunk.

    `finished` is done when the log has ended and all but `rest` is written, or when the reader has gone.
    """

    __slots__ = (
        "_encode",
        "_farewell",
        "_limits",
        "_log",
        "_loop",
        "_moved",
        "_ping",
        "_pipe",
        "_seq",
        "_timer",
        "_unsent",
        "finished",
        "rest",
    )

    def __init__(
        self,
        log: EventLog,
        encode: Encoder,
        farewell: Farewell | None,
        ping: Callable[[], bytes],
        after: int,
        pipe: Pipe,
        limits: StreamLimits,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._log = log
        self._encode = encode
        self._farewell = farewell
        self._ping = ping
        self._seq = after
        self._unsent: Iterator[tuple[bytes, int]] | None = None
        """Of what was begun to be encoded, which a reader who takes nothing more for now is still to get."""
        self._pipe = pipe
        self._limits = limits
        self._moved = self._loop.time()
        """When something was written last, or the reader was seen to take something."""
        self._timer = self._loop.call_later(min(limits.ping, limits.stuck), self._tick)
        self.finished: asyncio.Future[None] = self._loop.create_future()
        self.rest = b""

    def begin(self) -> None:
        self._log.listen(self._write)
        self._pipe.on_change = self._change
        self._write()

    def close(self) -> None:
        self._log.unlisten(self._write)
        self._timer.cancel()

    def _change(self) -> None:
        if self._pipe.gone:
            self._finish()
        else:
            self._moved = self._loop.time()
            self._write()

    def _write(self) -> None:
        """Write what is new, as far as the reader takes it. A reader that fails must not fail who writes the log."""
        log, pipe, seq = self._log, self._pipe, self._seq + 1
        try:
            if log.last_seq != seq or log.ended or log.parted or self._unsent is not None or pipe.paused or pipe.gone:
                self._write_on()
            elif not self.finished.done():  # one more: nearly always
                self._send(self._encode(log.numbered(seq)), seq)
        except Exception:
            logger.exception("a stream could not be written")
            self._pipe.abort()
            self._finish()

    def _write_on(self) -> None:
        pipe = self._pipe
        if self.finished.done() or pipe.gone:
            self._finish()
            return
        if pipe.paused:
            return
        log = self._log
        ended, last = log.ended, log.last_seq
        if self._unsent is not None and not self._send_on(self._unsent, last=last if ended else None):
            return
        self._unsent = _bodies(log.after(self._seq), self._encode)
        if not self._send_on(self._unsent, last=last if ended else None):
            return
        self._unsent = None
        if not ended and log.parted and self._farewell is not None:
            farewell = self._farewell(self._seq)
            if farewell is None:
                pipe.abort()
                return
            self.rest = farewell
            ended = True
        if ended:
            self._finish()

    def _send_on(self, bodies: Iterator[tuple[bytes, int]], *, last: int | None) -> bool:
        """As much as the reader takes; whether that was all.

        The body that ends with event `last` is kept back, to go out together with the end of the response.
        """
        for body, seq in bodies:
            if seq == last:
                self.rest, self._seq = body, seq
                return True
            self._send(body, seq)
            if self._pipe.paused:
                return False
        return True

    def _send(self, body: bytes, seq: int) -> None:
        if body:  # an event may say nothing in a dialect
            self._pipe.write(body)
            self._moved = self._loop.time()
        self._seq = seq

    def _finish(self) -> None:
        if not self.finished.done():
            self.finished.set_result(None)

    def _tick(self) -> None:
        """Ping a reader that waits; drop one that does not read. One timer serves both."""
        if self.finished.done():
            return
        now, limits = self._loop.time(), self._limits
        due = self._moved + (limits.stuck if self._pipe.paused else limits.ping)
        if now < due:
            # A reader that takes something now may take nothing from the next moment on.
            self._timer = self._loop.call_at(min(due, now + limits.stuck), self._tick)
        elif self._pipe.paused:
            self._pipe.abort()
        else:
            if ping := self._ping():
                self._pipe.write(ping)
            self._moved = now
            self._timer = self._loop.call_at(now + min(limits.ping, limits.stuck), self._tick)


def _bodies(events: Sequence[LogEvent], encode: Encoder) -> Iterator[tuple[bytes, int]]:
    """Frames joined to sends of whole blocks, so that a client that keeps no buffer is not given half of one.

    Each comes with the number of its last event.
    """
    parts: list[bytes] = []
    size = seq = 0
    for event in events:
        frame = encode(event)
        if parts and size + len(frame) > SEND_BYTES:
            yield b"".join(parts), seq
            parts, size = [], 0
        parts.append(frame)
        size += len(frame)
        seq = event.seq
    if parts:
        yield b"".join(parts), seq
