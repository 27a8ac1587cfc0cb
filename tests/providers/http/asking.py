"""Requests as the adapters make them, and what became of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from app.providers.bodies import Body
from app.providers.transport import Arrival, Transport

SECONDS = 5.0


@asynccontextmanager
async def transport(url: str, *, connect_timeout: float = SECONDS) -> AsyncIterator[Transport]:
    transport = Transport(url, connect_timeout=connect_timeout)
    try:
        yield transport
    finally:
        await transport.aclose()


async def post(transport: Transport, url: str, content: bytes = b"{}") -> Arrival:
    return await transport.post(transport.route(f"{url}/path", {}), content, {})


async def ask(transport: Transport, method: str, url: str) -> httpx2.Response:
    return await transport.handle_async_request(httpx2.Request(method, f"{url}/path"))


async def text(body: Body) -> bytes:
    """All of it; then it is closed."""
    read = bytearray()
    try:
        while data := await body.read():
            read += data
    finally:
        body.close()
    return bytes(read)
