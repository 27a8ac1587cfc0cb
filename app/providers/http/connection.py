"""One connection to a server or a proxy: requests out, and their answers in, one at a time."""

import asyncio
import select
import ssl
from collections.abc import AsyncIterator, Callable
from typing import cast

import httptools
import httpx2

from app.providers.http.answers import Answer

_HIGH_BYTES = 64 * 1024
"""What may wait to be read before the server has to wait."""
_AT_ONCE_BYTES = 64 * 1024
"""A request of more is written in parts of this size, as the server takes them."""


class Connection(asyncio.Protocol):
    """`on_idle` is called when it can carry another request, `on_lost` when it never will again."""

    def __init__(self) -> None:
        self.on_idle: Callable[[Connection], None] = lambda _: None
        self.on_lost: Callable[[Connection], None] = lambda _: None
        self.closed = False
        self.idle_since = 0.0
        self._answer: Answer | None = None
        self._sending = False
        self._blocked = False
        self._transport: asyncio.Transport
        self._descriptor = -1

    async def send(self, method: str, head: bytes, content: bytes | AsyncIterator[bytes] = b"") -> Answer:
        """The answer with its head complete. Raises httpx2.TransportError; cancelled, it ends the connection.

        Content that comes by and by is sent in chunks as it comes, which `head` has to say; what its iterator raises
        is raised.
        """
        answer = self._answer = Answer(method, leave=self.abort, resume=self._resume_reading)
        try:
            if not isinstance(content, bytes):
                await self._write_as_it_comes(answer, head, content)
            elif len(content) <= _AT_ONCE_BYTES:
                self._transport.write(head + content)
            else:
                await self._write_in_parts(answer, head, memoryview(content))
            while not answer.begun:
                if answer.error is not None:
                    raise answer.error
                await answer.arrival()
        except BaseException:
            answer.close()
            raise
        return answer

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Before the first request, or behind a proxy's tunnel. Raises OSError."""
        loop = asyncio.get_running_loop()
        secure = None
        if not self._transport.is_closing():  # uvloop would wait for what can no longer come
            secure = await loop.start_tls(self._transport, self, context, server_hostname=host)
        if secure is None:
            raise ConnectionResetError("the connection ended before it was secure")
        self._transport = secure

    def usable(self) -> bool:
        """Whether another request may be sent. The end of a connection is known ahead of the event loop's next look."""
        return not (self.closed or self._transport.is_closing() or self._readable())

    def abort(self) -> None:
        self.closed = True
        if self._descriptor != -1:
            self._transport.abort()
        # Before the transport tells of its end as if it were the server's, with which some answers are whole.
        self._lose(ConnectionAbortedError("the connection was ended here"))

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._descriptor = transport.get_extra_info("socket").fileno()

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:
            self.abort()  # nothing was asked
            return
        answer.unread += len(data)
        try:
            answer.parser.feed_data(data)
        except httptools.HttpParserError:
            self._garbled(answer)
        if answer.ended or answer.unread > _HIGH_BYTES:
            self._settle(answer)
        waiter = answer.waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def eof_received(self) -> None:
        self._lose(None)
        self.abort()  # asyncio would wait until all is written

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._lose(exc)
        self.on_lost(self)

    def pause_writing(self) -> None:
        self._blocked = True

    def resume_writing(self) -> None:
        self._blocked = False
        if self._answer is not None:
            self._answer.wake()

    # Behind it

    async def _write_in_parts(self, answer: Answer, head: bytes, content: memoryview) -> None:
        """A server may answer, to refuse it, before it has all; then the rest is not sent."""
        self._sending = True
        self._transport.write(head)
        for start in range(0, len(content), _AT_ONCE_BYTES):
            self._transport.write(content[start : start + _AT_ONCE_BYTES])
            while self._blocked and not (answer.begun or answer.ended):
                await answer.arrival()
            if answer.begun or answer.ended:
                return
        self._sending = False

    async def _write_as_it_comes(self, answer: Answer, head: bytes, content: AsyncIterator[bytes]) -> None:
        self._sending = True
        self._transport.write(head)
        async for piece in content:
            if piece:  # an empty chunk would be the last
                self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            while self._blocked and not (answer.begun or answer.ended):
                await answer.arrival()
            if answer.begun or answer.ended:
                return
        self._transport.write(b"0\r\n\r\n")
        self._sending = False

    def _settle(self, answer: Answer) -> None:
        """Where an answer has ended, or more came than was taken."""
        if answer.ended:
            self._release(answer)
        elif not (answer.begun and answer.parts):  # a line or a head, of any length, until it has ended
            answer.end(httpx2.RemoteProtocolError("the server sends what has no end"))
            self._release(answer)
        elif not answer.paused:
            answer.paused = True
            self._transport.pause_reading()

    def _garbled(self, answer: Answer) -> None:
        answer.reusable = False
        if not answer.ended:
            answer.end(httpx2.RemoteProtocolError("the answer is no HTTP"))

    def _release(self, answer: Answer) -> None:
        self._answer = None
        if answer.paused:
            self._resume_reading()
        if answer.reusable and not (self.closed or self._sending or self._transport.get_write_buffer_size()):
            self.idle_since = asyncio.get_running_loop().time()
            self.on_idle(self)
        else:
            self.abort()

    def _lose(self, error: Exception | None) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.lost(error)

    def _resume_reading(self) -> None:
        if not self.closed:
            self._transport.resume_reading()

    def _readable(self) -> bool:
        """An idle server has nothing to say but that it leaves."""
        if not hasattr(select, "poll"):  # Windows
            return False
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(0))
