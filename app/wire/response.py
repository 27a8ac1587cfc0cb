"""The one streaming response: it reads a log and sends frames, and holds nothing else."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.domain.events import LogEvent
from app.generation.log import EventLog

Encoder = Callable[[LogEvent], bytes]

SEND_BYTES = 4096
_PING = b": ping\n\n"
_HEADERS = {
    "content-type": "text/event-stream",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
}


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Seconds of silence before a ping, and seconds that one send may take before its reader is dropped."""

    ping: float = 15.0
    stuck: float = 30.0


class EventStreamResponse(Response):
    """Sends a log from after `after` to its end, live.

    A reader that leaves ends only its own reading. One that takes nothing for `limits.stuck` is dropped: its
    connection is aborted where the server lets us, so that its buffers go too.
    """

    def __init__(
        self, log: EventLog, encode: Encoder, *, after: int, headers: Mapping[str, str], limits: StreamLimits
    ) -> None:
        super().__init__(status_code=200, headers={**_HEADERS, **headers})
        del self.headers["content-length"]
        self._log = log
        self._encode = encode
        self._seq = after
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a response is sent by a task")
        woken = asyncio.Event()
        watch = _Watch(receive, woken, task, self._limits)
        self._log.listen(woken.set)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await self._relay(send, woken, watch)
        except asyncio.CancelledError:
            if not watch.stuck:
                raise
            task.uncancel()
            if server := scope.get("extensions", {}).get("app.abort"):
                server["abort"]()
                await asyncio.sleep(0)  # so that the server knows it for a client that left
        finally:
            self._log.unlisten(woken.set)
            watch.close()

    async def _relay(self, send: Send, woken: asyncio.Event, watch: "_Watch") -> None:
        while not watch.gone:
            woken.clear()
            ended = self._log.ended
            events = self._log.after(self._seq)
            for body in _bodies(events, self._encode):
                if watch.gone:
                    return
                await watch.sending(send({"type": "http.response.body", "body": body, "more_body": True}))
            self._seq += len(events)
            if ended:
                await watch.sending(send({"type": "http.response.body", "body": b"", "more_body": False}))
                return
            if watch.ping_due:
                await watch.sending(send({"type": "http.response.body", "body": _PING, "more_body": True}))
            await woken.wait()


class _Watch:
    """Watches one reader: has it left, is it time for a ping, does a send get stuck. One timer serves all."""

    __slots__ = (
        "_last",
        "_limits",
        "_loop",
        "_receiver",
        "_sending_since",
        "_task",
        "_timer",
        "_woken",
        "gone",
        "ping_due",
        "stuck",
    )

    def __init__(
        self, receive: Receive, woken: asyncio.Event, task: "asyncio.Task[None]", limits: StreamLimits
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._woken = woken
        self._task = task
        self._limits = limits
        self._last = self._loop.time()
        self._sending_since: float | None = None
        self._timer = self._loop.call_later(min(limits.ping, limits.stuck), self._tick)
        self._receiver = asyncio.create_task(self._receive(receive))
        self.gone = False
        self.ping_due = False
        self.stuck = False

    async def sending(self, sent: Awaitable[None]) -> None:
        self._sending_since = self._loop.time()
        await sent
        self._last, self._sending_since, self.ping_due = self._loop.time(), None, False

    def close(self) -> None:
        self._timer.cancel()
        self._receiver.cancel()

    async def _receive(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        self._woken.set()

    def _tick(self) -> None:
        now = self._loop.time()
        if self._sending_since is not None:
            due = self._sending_since + self._limits.stuck
            if now >= due:
                self.stuck = True
                self._task.cancel()
                return
        else:
            due = self._last + self._limits.ping
            if now >= due:
                self.ping_due = True
                self._woken.set()
                due = now + min(self._limits.ping, self._limits.stuck)
        self._timer = self._loop.call_at(due, self._tick)


def _bodies(events: Sequence[LogEvent], encode: Encoder) -> Iterator[bytes]:
    """Frames joined to sends of whole blocks, so that a client that keeps no buffer is not given half of one."""
    parts: list[bytes] = []
    size = 0
    for event in events:
        frame = encode(event)
        if parts and size + len(frame) > SEND_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
        parts.append(frame)
        size += len(frame)
    if parts:
        yield b"".join(parts)
