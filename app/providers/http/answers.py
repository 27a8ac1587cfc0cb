"""One answer while it arrives: what the parser has found so far, and whoever waits for more."""

import asyncio
from collections.abc import Callable

import httptools
import httpx2

HEAD_BYTES = 64 * 1024
"""Bounds a head with all that comes ahead of it, and a body's trailers."""


class Unanswered(httpx2.RemoteProtocolError):
    """The connection ended before the first byte of an answer, as one does that the server had already given up."""


class Answer:
    """Bytes of the body gather in `parts` until they are taken; then comes the end, or `error`.

    The methods whose names begin with `on_` are httptools' to call; of a chunk of a body it appends the bytes itself.
    """

    __slots__ = (
        "_ends_with_connection",
        "_head_bytes",
        "_interim",
        "_leave",
        "_method",
        "_resume",
        "begun",
        "ended",
        "error",
        "headers",
        "on_body",
        "parser",
        "parts",
        "paused",
        "reusable",
        "status",
        "unread",
        "waiter",
    )

    def __init__(self, method: str, *, leave: Callable[[], None], resume: Callable[[], None]) -> None:
        self._method = method
        self._leave = leave
        self._resume = resume
        self._ends_with_connection = False
        self._interim = False
        self._head_bytes = 0
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.parts: list[bytes] = []
        self.begun = False
        """The head is complete."""
        self.ended = False
        self.error: httpx2.TransportError | None = None
        self.reusable = False
        """The connection may carry another answer."""
        self.paused = False
        self.unread = 0
        """Bytes of the connection since the last were taken: of bodies, heads, and what is neither."""
        self.waiter: asyncio.Future[None] | None = None
        self.on_body = self.parts.append
        self.parser = httptools.HttpResponseParser(self)

    def arrival(self) -> asyncio.Future[None]:
        """To be awaited for the next change. One task reads an answer."""
        self.waiter = asyncio.get_running_loop().create_future()
        return self.waiter

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def take(self) -> bytes:
        """All of the body that has arrived."""
        data = b"".join(self.parts)
        self.parts.clear()
        self.unread = 0
        if self.paused:
            self.paused = False
            self._resume()
        return data

    def close(self) -> None:
        """Cut the connection, unless the answer has ended and the connection is no longer its own."""
        if not self.ended:
            self.end(httpx2.ReadError("the answer was left"))
            self._leave()

    def lost(self, error: Exception | None) -> None:
        """The connection has ended; for some answers that is how they end."""
        if self.ended:
            return
        if error is None and self.begun and self._ends_with_connection:
            self.end(None)
            return
        silent = not self.begun and not self.unread
        cut = Unanswered("the connection ended before an answer") if silent else httpx2.ReadError("the answer was cut")
        cut.__cause__ = error
        self.end(cut)

    def end(self, error: httpx2.TransportError | None) -> None:
        self.ended = True
        self.error = error
        del self.parser  # it refers back to this
        self.wake()

    def on_message_begin(self) -> None:
        if self.ended:
            raise ValueError("something follows the answer")
        self._interim = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + len(b": \r\n")
        if self._head_bytes > HEAD_BYTES:
            raise ValueError("the head of the answer is too large")
        if not self.begun:  # else it is a trailer
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if status == 101:
            raise ValueError("nobody asked for another protocol")
        if status < 200:
            self._interim = True
            self.headers.clear()
            return
        self._ends_with_connection = not self._framed()
        self.status = status
        self.begun = True
        if self._method == "HEAD":  # which the parser cannot know, so it is at a loss with what follows
            self.end(None)
        elif self._method == "CONNECT" and status < 300:  # whatever its headers say
            self.reusable = True
            self.end(None)

    def on_message_complete(self) -> None:
        if self._interim or self.ended:
            return
        self.reusable = self.parser.should_keep_alive()  # which it knows only now
        self.end(None)

    def _framed(self) -> bool:
        """Whether the bytes of the body say where it ends."""
        codings = [value.strip().lower() for name, value in self.headers if name == b"transfer-encoding"]
        if codings not in ([], [b"chunked"]):
            raise ValueError("an unknown transfer encoding")
        return bool(codings) or any(name == b"content-length" for name, _ in self.headers)
