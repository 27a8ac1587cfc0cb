"""HTTP/1.1 by hand, so that every byte and every way to end a connection is ours."""

import asyncio
import http
import os
import re
import socket
import struct
import zlib
from dataclasses import dataclass
from itertools import chain

from tests.upstream.scenarios import Headers, Wire

HEAD_LIMIT = 1 << 20
FILL = 1 << 16
RST_ON_CLOSE = struct.pack("ii", 1, 0)
# Of an address as a proxy is told it, which this vendor is to whoever takes it for one.
_ORIGIN = re.compile(r"^http://[^/]+")
REASONS = {status.value: status.phrase for status in http.HTTPStatus}


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: str
    headers: dict[str, str]  # names in lower case
    content: bytes

    @property
    def keeps_alive(self) -> bool:
        return self.headers.get("connection", "").lower() != "close"


class Inlet(asyncio.StreamReader):
    """A reader that tells whoever answers when the client has left, although nobody reads."""

    def __init__(self) -> None:
        super().__init__(limit=HEAD_LIMIT)
        self.left = False
        self.answering: asyncio.Task[None] | None = None

    def feed_eof(self) -> None:
        super().feed_eof()
        self._leave()

    def set_exception(self, exc: Exception) -> None:
        super().set_exception(exc)
        self._leave()

    def _leave(self) -> None:
        self.left = True
        if self.answering is not None:
            self.answering.cancel()


async def read_request(inlet: asyncio.StreamReader) -> Request | None:
    """The next request of a connection; None where the client ended it between two."""
    try:
        head = await inlet.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as left:
        if left.partial:
            raise
        return None
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    path, _, query = _ORIGIN.sub("", target).partition("?")
    return Request(method, path, query, headers, await _read_content(inlet, headers))


async def _read_content(inlet: asyncio.StreamReader, headers: Headers) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await inlet.readexactly(int(headers.get("content-length", 0)))
    parts = []
    while size := int((await inlet.readuntil(b"\r\n")).partition(b";")[0], 16):
        parts.append(await inlet.readexactly(size))
        await inlet.readexactly(2)
    while (await inlet.readline()).strip():
        pass
    return b"".join(parts)


class Outlet:
    """One answer on its way out. `reusable` says afterwards whether the connection may carry another."""

    def __init__(self, writer: asyncio.StreamWriter, *, reusable: bool) -> None:
        self.reusable = reusable
        self._writer = writer
        self._wire = Wire()
        self._chunked = False
        self._gzip: zlib._Compress | None = None
        self._burst = bytearray()

    async def whole(self, status: int, headers: Headers, content_type: str, body: bytes) -> None:
        await self.begin(status, {"content-type": content_type, **headers}, Wire(packets="burst"), len(body))
        await self.end(body)

    async def begin(self, status: int, headers: Headers, wire: Wire, length: int | None = None) -> None:
        """Sends the head; `length` is that of the body, where it is known."""
        framing = {}
        self._wire = wire
        if wire.gzip:
            framing["content-encoding"] = "gzip"
            self._gzip = zlib.compressobj(1, zlib.DEFLATED, 31)
        if wire.transfer == "close":
            self.reusable = False
        elif length is None or wire.gzip or wire.transfer == "chunked":
            framing["transfer-encoding"] = "chunked"
            self._chunked = True
        else:
            framing["content-length"] = str(length)
        framing["connection"] = "keep-alive" if self.reusable else "close"
        head = [f"HTTP/1.1 {status} {REASONS.get(status, '')}"]
        head += (f"{name}: {value}" for name, value in chain(headers.items(), framing.items()))
        self._writer.write("\r\n".join([*head, "", ""]).encode("latin-1"))
        await self._writer.drain()

    async def send(self, data: bytes) -> None:
        if self._wire.packets == "burst":
            self._burst += data
        else:
            await self._write(self._encode(data))

    async def fill(self, size: int) -> None:
        """Sends so many letters without ever holding them."""
        await self.flush()
        for start in range(0, size, FILL):
            await self._write(self._encode(b"a" * min(FILL, size - start)))

    async def flush(self) -> None:
        """Sends what a burst has gathered."""
        if self._burst:
            data, self._burst = bytes(self._burst), bytearray()
            await self._write(self._encode(data))

    async def end(self, data: bytes = b"") -> None:
        """The last data and HTTP's own end in one write: a client that leaves in between has had everything."""
        last = self._encode(bytes(self._burst) + data, final=True)
        await self._write(last + b"0\r\n\r\n" if self._chunked else last)

    async def raw(self, data: bytes) -> None:
        """Bytes of no framing at all, as part of a head that never ends."""
        self._writer.write(data)
        await self._writer.drain()

    async def settle(self) -> None:
        """Until the kernel has all that was written."""
        self._writer.transport.set_write_buffer_limits(0)
        await self._writer.drain()

    def reset(self) -> None:
        """Closes the connection with RST instead of FIN."""
        self.reusable = False
        # A duplicate, because the transport's own socket object need not allow options to be set.
        with socket.socket(fileno=os.dup(self._writer.get_extra_info("socket").fileno())) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
        self._writer.transport.abort()

    def _encode(self, data: bytes, *, final: bool = False) -> bytes:
        if self._gzip is not None:
            data = self._gzip.compress(data) + self._gzip.flush(zlib.Z_FINISH if final else zlib.Z_SYNC_FLUSH)
        return b"%x\r\n%b\r\n" % (len(data), data) if self._chunked and data else data

    async def _write(self, data: bytes) -> None:
        size = self._wire.packets
        step = size if isinstance(size, int) else len(data) or 1
        for start in range(0, len(data), step):
            # A client in the same event loop shall read each packet before the next is written. That takes two rounds,
            # for a loop runs what is due (us too) before what the sockets report; whole frames may meet, for speed.
            await asyncio.sleep(0)
            if isinstance(size, int):
                await asyncio.sleep(0)
            self._writer.write(data[start : start + step])
            await self._writer.drain()
