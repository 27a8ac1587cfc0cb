"""What a server may send us: at most so much, and not packed."""

from collections.abc import AsyncIterator

import httpx

MOST_BYTES = 64 * 1024 * 1024


class BoundedTransport(httpx.AsyncBaseTransport):
    """An answer that goes on for ever, or unpacks to terabytes, costs what is read of it until the bound."""

    def __init__(self, *, limits: httpx.Limits) -> None:
        self._transport = httpx.AsyncHTTPTransport(limits=limits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.headers["Accept-Encoding"] = "identity"
        response = await self._transport.handle_async_request(request)
        if response.headers.get("Content-Encoding", "identity") != "identity":
            await response.aclose()
            raise httpx.DecodingError("packed, though we asked for it as it is", request=request)
        if not isinstance(response.stream, httpx.AsyncByteStream):
            raise TypeError("a stream of an asynchronous transport is asynchronous")
        response.stream = _Bounded(response.stream)
        return response

    async def aclose(self) -> None:
        await self._transport.aclose()


class _Bounded(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MOST_BYTES
        async for piece in self._stream:
            left -= len(piece)
            if left < 0:
                raise httpx.ReadError(f"more than {MOST_BYTES} bytes")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
