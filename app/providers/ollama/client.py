"""The address of one Ollama server: its whole answers decoded, its chat as it arrives."""

import re
from contextlib import closing
from typing import TypeVar

import httpx2
import msgspec

from app.providers.calls import StreamCall
from app.providers.ollama import errors
from app.providers.transport import Transport, body_of
from app.providers.verdicts import PROTOCOL

_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
_T = TypeVar("_T")


def origin_of(base_url: str) -> str:
    """Where all its routes begin: many note down the address of one of its interfaces."""
    return re.sub(r"(/v1|/api)?/*$", "", base_url)


class OllamaClient:
    """`chat` is the call whose answer is a stream."""

    def __init__(self, base_url: str, *, connect_timeout: float) -> None:
        self._base = origin_of(base_url)
        self._transport = Transport(self._base, connect_timeout=connect_timeout)
        self.chat = StreamCall(
            self._transport,
            f"{self._base}/api/chat",
            {},
            media_type="application/x-ndjson",
            refused=errors.refused,
            reported=errors.reported,
        )

    async def ask(self, method: str, path: str, kind: type[_T], body: object = None) -> _T:
        """A whole answer. Raises GenerationFailure, also for one that is of another kind."""
        content = b"" if body is None else msgspec.json.encode(body)
        request = httpx2.Request(method, self._base + path, headers=_HEADERS, content=content)
        try:
            response = await self._transport.handle_async_request(request)
            if response.status_code >= 400:
                raise errors.refused(response)
            with closing(body_of(response)):
                return msgspec.json.decode(await response.aread(), type=kind)
        except httpx2.TransportError as error:
            raise errors.unreached(error) from error
        except (ValueError, RecursionError) as error:
            raise PROTOCOL.failure() from error

    async def aclose(self) -> None:
        await self._transport.aclose()
