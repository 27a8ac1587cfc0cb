"""The routes of one Ollama server, for what is passed on to it as it came: bytes there, and bytes back."""

import asyncio
from collections.abc import AsyncIterator

import httpx2

from app.providers.bodies import Body
from app.providers.ollama import errors
from app.providers.ollama.client import origin_of
from app.providers.transport import Transport, body_of
from app.providers.verdicts import PROTOCOL, TIMEOUT

NDJSON = "application/x-ndjson"
_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
_MISSING = 404


class Missing(Exception):
    """The server says 404: it does not have the model, or whatever was asked for."""


class Flow:
    """An answer of which nothing was read yet; `media_type` is empty where the server names none."""

    def __init__(self, response: httpx2.Response, silence: float) -> None:
        self.status = response.status_code
        self.media_type = response.headers.get("content-type", "")
        self._body: Body = body_of(response)
        self._silence = silence

    @property
    def in_lines(self) -> bool:
        return self.media_type.partition(";")[0].strip().lower() == NDJSON

    async def read(self) -> bytes:
        """All that has arrived; empty at the end. Raises GenerationFailure when it is cut, closed or silent."""
        try:
            async with asyncio.timeout(self._silence):
                return await self._body.read()
        except TimeoutError:
            self.close()
            raise TIMEOUT.failure() from None

    def close(self) -> None:
        """Cut the connection, unless all has arrived. Whoever reads is woken."""
        self._body.close()


class Verbatim:
    """`silence` is how long the server may say nothing, in seconds: to load a large model takes minutes.

    The methods raise GenerationFailure, and Missing for 404. The paths are ours, never a client's.
    """

    def __init__(self, base_url: str, *, connect_timeout: float, silence: float) -> None:
        self._base = origin_of(base_url)
        self._transport = Transport(self._base, connect_timeout=connect_timeout)
        self._silence = silence

    async def open(self, method: str, path: str, content: bytes = b"") -> Flow:
        """Whoever gets it closes it."""
        request = httpx2.Request(method, self._base + path, headers=_HEADERS, content=content)
        try:
            async with asyncio.timeout(self._silence):
                return self._flow(await self._transport.handle_async_request(request))
        except TimeoutError:
            raise TIMEOUT.failure() from None
        except httpx2.TransportError as error:
            raise errors.unreached(error) from error

    async def upload(self, path: str, pieces: AsyncIterator[bytes]) -> int:
        """The status of the answer to a file that is sent on while it comes."""
        headers = {**_HEADERS, "Content-Type": "application/octet-stream"}
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._silence) as limit:

                async def counted() -> AsyncIterator[bytes]:
                    async for piece in pieces:
                        limit.reschedule(loop.time() + self._silence)
                        yield piece

                response = await self._transport.upload(self._base + path, headers, counted())
                flow = self._flow(response)
        except TimeoutError:
            raise TIMEOUT.failure() from None
        except httpx2.TransportError as error:
            raise errors.unreached(error) from error
        flow.close()
        return flow.status

    async def aclose(self) -> None:
        await self._transport.aclose()

    def _flow(self, response: httpx2.Response) -> Flow:
        if response.status_code == _MISSING:
            raise Missing
        if response.status_code >= 400:
            raise errors.refused(response)
        if response.status_code >= 300:  # nobody is followed
            body_of(response).close()
            raise PROTOCOL.failure()
        return Flow(response, self._silence)
