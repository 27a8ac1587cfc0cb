"""A connection: heads that are bounded in bytes and in time, and refusals of what is not HTTP at all."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

import httptools
import uuid_utils
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from app.middleware import ALWAYS

logger = logging.getLogger(__name__)

_HEAD_BYTES = 64 * 1024
_WRITE_BUFFER = 32 * 1024
"""Bytes that wait for a slow reader in this process; asyncio's 64 KiB and more would be held by each of them."""

_REFUSALS: Mapping[int, tuple[str, str]] = {
    400: ("bad_request", "The request could not be read."),
    408: ("request_timeout", "The request did not arrive in time."),
    431: ("head_too_large", "The headers of the request are too large."),
}


class Protocol(HttpToolsProtocol):
    """uvicorn's, with what its parser leaves out: bounds for a head, and what to do with an offered upgrade."""

    head_seconds = 30.0
    """From a connection's first moment, or the first byte after an answer, to the end of a head."""

    _head = 0
    """Bytes of this head that the parser has handed over."""
    _silent = 0
    """Bytes since it last handed over anything: it keeps a header or a trailer, of any length, until it has ended."""
    _begun = False
    _going_on = False
    _deadline: asyncio.TimerHandle | None = None
    _pipes: "Sequence[_Pipe]" = ()
    """Of the request that is answered, and of those that were sent ahead of its answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        super().connection_lost(exc)
        for pipe in self._pipes:
            pipe.lose()  # uvicorn tells only the newest request of a connection
        self._tell_pipes()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._tell_pipes()

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._silent += len(data)
        try:
            self._feed(memoryview(data))
        except httptools.HttpParserError:
            self.send_400_response("")
            return
        if self._silent > _HEAD_BYTES:
            self._refuse(431)
        elif self.cycle is None or self.cycle.response_complete:
            # Not only where a head has begun: stray line ends and what is left of an answered request's body have
            # put an end to the keep-alive timer, too.
            self._expect_head()

    def send_400_response(self, msg: str) -> None:  # uvicorn's own words would be plain text
        self._refuse(431 if self._head > _HEAD_BYTES else 400)

    def on_message_begin(self) -> None:
        self._silent = 0
        if self._going_on:
            return
        super().on_message_begin()
        self._head = 0
        self._begun = True

    def on_url(self, url: bytes) -> None:
        self._silent = 0
        if not self._going_on:
            self._measure(len(url))
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._silent = 0
        if not self._going_on:
            self._measure(len(name) + len(value) + len(b":\r\n"))
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._silent = 0
        if not self._going_on:
            self._begun = False
            self._forget_deadline()
            super().on_headers_complete()
            pipe = _Pipe(self.cycle)
            self._pipes = [*self._pipes, pipe] if self.pipeline else [pipe]
            self.scope["extensions"] = {"app.pipe": {"pipe": pipe}}

    def on_body(self, body: bytes) -> None:
        self._silent = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._silent = 0
        if not self.parser.should_upgrade():  # else the parser has not looked for a body yet
            super().on_message_complete()

    def _tell_pipes(self) -> None:
        for pipe in self._pipes:
            pipe.on_change()

    def _feed(self, data: memoryview) -> None:
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offered:
                data = data[offered.args[0] :]
                self._go_on()
            else:
                return

    def _go_on(self) -> None:
        """Read on as if no upgrade had been offered, which RFC 9110 (7.8) allows: clients offer h2c to everybody.

        The parser takes all that follows such a head for another protocol. A fresh one is told how the body is framed.
        """
        framing = (header for header in self.headers if header[0] in (b"content-length", b"transfer-encoding"))
        head = (b"POST / HTTP/1.1\r\n", *(b"%b: %b\r\n" % header for header in framing), b"\r\n")
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
        self._going_on = True
        self.parser.feed_data(b"".join(head))
        self._going_on = False

    def _measure(self, size: int) -> None:
        self._head += size
        if self._head > _HEAD_BYTES:
            raise ValueError("the head of the request is too large")

    def _expect_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.head_seconds, self._too_late)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        if self._begun:
            self._refuse(408)
        else:
            self.transport.close()  # nothing was asked: a browser that connected in advance

    def _refuse(self, status: int) -> None:
        if self.transport.is_closing():
            return
        if not self._midway():
            self.transport.write(self._refusal(status))
        self.transport.close()
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # at once: what it sends would follow our answer
            self.cycle.message_event.set()

    def _midway(self) -> bool:
        """Whether an answer is under way, which another would garble."""
        cycle = self.cycle
        return bool(self.pipeline) or (cycle is not None and cycle.response_started and not cycle.response_complete)

    def _refusal(self, status: int) -> bytes:
        code, detail = _REFUSALS[status]
        identity = str(uuid_utils.uuid7())
        about = {"status": status, "code": code, "request_id": identity}
        logger.info("refused", extra={**about, "client": self.client and self.client[0]})
        title = HTTPStatus(status).phrase
        body = json.dumps({"type": "about:blank", "title": title, "detail": detail, **about}).encode()
        headers = (
            *self.server_state.default_headers,
            *ALWAYS,
            (b"content-type", b"application/problem+json"),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            (b"x-request-id", identity.encode()),
            (b"connection", b"close"),
        )
        return b"".join((STATUS_LINE[status], *(b"%b: %b\r\n" % header for header in headers), b"\r\n", body))


class _Pipe:
    """The connection as a streaming response has it (`app.wire.pipes.Pipe`), between its head and its end."""

    __slots__ = ("_cycle", "on_change")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self.on_change: Callable[[], None] = lambda: None

    @property
    def paused(self) -> bool:
        return self._cycle.flow.write_paused

    @property
    def gone(self) -> bool:
        # uvicorn learns that a connection closes one round of the loop later, and calls it an error of ours if the
        # answer is left without an end before that.
        cycle = self._cycle
        if not cycle.disconnected and cycle.transport.is_closing():
            cycle.disconnected = True
        return cycle.disconnected

    def write(self, body: bytes) -> None:
        cycle = self._cycle
        if cycle.chunked_encoding:
            body = b"%x\r\n%b\r\n" % (len(body), body)
        else:
            cycle.expected_content_length -= len(body)
        cycle.transport.write(body)

    def lose(self) -> None:
        if not self._cycle.response_complete:
            self._cycle.disconnected = True
            self._cycle.message_event.set()

    def abort(self) -> None:
        """At once: closing would wait for the reader to take what is buffered."""
        self._cycle.transport.abort()
