"""One HTTP request on a connection of its own, which its client may drop or reset at any moment."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncGenerator, Mapping
from typing import Any
from urllib.parse import urlsplit

CONNECT = 10.0
"""Seconds to wait for a connection."""
_LIMIT = 1 << 20
_AT_ONCE = 1 << 16
_RESET = struct.pack("ii", 1, 0)


class Broken(Exception):
    """Refused, reset, or closed before HTTP's own end."""


class Exchange:
    """`async with Exchange(url, "POST", path, headers, body) as exchange: await exchange.head()`."""

    def __init__(self, url: str, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        lines = [f"{method} {path} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        self._request = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
        self._writer: asyncio.StreamWriter | None = None
        self.status = 0
        self.headers: dict[str, str] = {}

    async def __aenter__(self) -> "Exchange":
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._writer is not None:
            self._writer.close()

    async def head(self) -> None:
        """Send the request and read the answer's status and headers. Raises Broken."""
        try:
            async with asyncio.timeout(CONNECT):
                self._reader, self._writer = await asyncio.open_connection(self._host, self._port, limit=_LIMIT)
            self._writer.write(self._request)
            status, *lines = (await self._reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        except (OSError, EOFError, TimeoutError) as error:
            raise Broken from error
        self.status = int(status.split()[1])
        pairs = (line.decode("latin-1").partition(":") for line in lines)
        self.headers = {name.lower(): value.strip() for name, _, value in pairs}

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives. Raises Broken."""
        try:
            if self.headers.get("transfer-encoding") == "chunked":
                while size := int(await self._reader.readuntil(b"\r\n"), 16):
                    yield await self._reader.readexactly(size)
                    await self._reader.readexactly(2)
                return
            left = int(self.headers.get("content-length", 0))
            while left:
                piece = await self._reader.read(min(left, _AT_ONCE))
                if not piece:
                    raise EOFError
                left -= len(piece)
                yield piece
        except (OSError, EOFError, ValueError) as error:
            raise Broken from error

    async def json(self) -> Any:
        """The whole body, decoded; None where it is none. Raises Broken."""
        body = b"".join([piece async for piece in self.pieces()])
        try:
            return json.loads(body)
        except ValueError:
            return None

    def reset(self) -> None:
        """Leave by RST."""
        if self._writer is not None:
            connection = self._writer.get_extra_info("socket")
            if connection is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._writer.transport.abort()
