"""The bodies of requests at the doors, which may be long: read before FastAPI would, and a long one not in its way."""

import asyncio
import json
from email.message import Message
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders

from app.dependencies.house import house_of
from app.services.bodies import SMALL
from app.wire.doors import Door, door_at
from app.wire.large_json import decode

_JSON = "application/json"
_READ = b"{}"
"""What stands for a body that is decoded already: something, for without any FastAPI would not ask what it says."""


_UNREAD = object()


class ReadRequest(Request):
    """A request whose body is here: what FastAPI would read and parse it is given.

    Of a long one that is what the route declares, made in a thread; pydantic takes an instance as it is.
    """

    def __init__(self, request: Request, raw: bytes, told: object = _UNREAD) -> None:
        super().__init__(request.scope, request.receive)
        self._raw = raw
        self._told = told
        self._typed = _typed(request)

    @property
    def headers(self) -> Headers:
        return self._typed

    async def body(self) -> bytes:
        return self._raw

    async def json(self) -> Any:
        return json.loads(self._raw) if self._told is _UNREAD else self._told


async def read(request: Request, route: APIRoute, user_id: str) -> Request:
    """With the body that the route declares. Raises Overloaded, Malformed, TooLarge and RequestValidationError."""
    if route.body_field is None or door_at(request.scope["path"]) is Door.OWN:
        return request
    room = house_of(request).door_bodies
    with room.body(user_id) as body:
        async for chunk in request.stream():
            body.add(chunk)
        if body.size <= SMALL or not _is_json(_typed(request)):
            return ReadRequest(request, body.take())
        async with room.turn():
            return ReadRequest(request, _READ, await asyncio.to_thread(lambda: _told(body.take(), route)))


def _told(raw: bytes, route: APIRoute) -> Any:
    told = decode(raw)
    field = route.body_field
    if told is None or field is None or route._embed_body_fields:  # then each validates a part
        return told
    made, errors = field.validate(told, loc=("body",))
    if errors:
        raise RequestValidationError(errors, body=told)
    return made


def _typed(request: Request) -> Headers:
    """Ollama's own server takes whatever comes for JSON: `curl -d` says that it sends a form."""
    if door_at(request.scope["path"]) is not Door.OLLAMA:
        return request.headers
    headers = MutableHeaders(raw=list(request.scope["headers"]))
    headers["content-type"] = _JSON
    return headers


def _is_json(headers: Headers) -> bool:
    """As FastAPI sees it."""
    message = Message()
    message["content-type"] = headers.get("content-type", "")
    subtype = message.get_content_subtype()
    return message.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json"))
