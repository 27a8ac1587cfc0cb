"""One route of a server that takes JSON and answers with JSON, whole and soon."""

import asyncio
from collections.abc import Mapping
from contextlib import closing

import httpx2
import msgspec

from app.providers.bodies import Body
from app.providers.transport import Route, Transport
from app.providers.verdicts import AUTH, PROTOCOL, REJECTED, TIMEOUT, UNREACHABLE

MOST_BYTES = 32 * 1024 * 1024
"""Of an answer: ten times 32 vectors of 4,096 dimensions as JSON."""
_FRAMING = {"content-type": "application/json", "accept": "application/json", "accept-encoding": "identity"}


class Endpoint:
    """`POST` to one address, with a key as a bearer's token if there is one. `patience` bounds a call, in seconds."""

    def __init__(self, url: str, key: str | None, *, connect_timeout: float, patience: float) -> None:
        self._transport = Transport(url, connect_timeout=min(connect_timeout, patience))
        self._route = _route(self._transport, url, key)
        self._patience = patience

    async def post(self, body: Mapping[str, object]) -> bytes:
        """The answer, not decoded. Raises `transport.Refused` for the status of an error, and GenerationFailure."""
        if self._route is None:
            raise AUTH.failure()
        try:
            async with asyncio.timeout(self._patience):
                arrival = await self._transport.post(self._route, msgspec.json.encode(body), {})
                with closing(arrival.body):
                    return await _whole(arrival.body)
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise TIMEOUT.failure() from error
        except httpx2.TransportError as error:
            raise UNREACHABLE.failure() from error
        except ValueError as error:  # half a surrogate pair in the name of a model
            raise REJECTED.failure() from error

    async def aclose(self) -> None:
        await self._transport.aclose()


def _route(transport: Transport, url: str, key: str | None) -> Route | None:
    """None for a key that no request can hold."""
    headers = _FRAMING | ({"authorization": f"Bearer {key}"} if key else {})
    try:
        return transport.route(url, headers) if key is None or key.isascii() else None
    except ValueError:
        return None


async def _whole(arriving: Body) -> bytes:
    page = bytearray()
    while data := await arriving.read():
        page += data
        if len(page) > MOST_BYTES:
            raise PROTOCOL.failure()
    return bytes(page)
