"""One request and its answer, as they pass: what is read of one and added to the other, and their line in the log."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress

import uuid_utils
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from app.core.serving import Serving, Standing
from app.core.traffic import OTHER, Traffic
from app.wire.door_headers import door_headers
from app.wire.doors import door_of

logger = logging.getLogger(__name__)

RawHeaders = Iterable[tuple[bytes, bytes]]
Rest = Callable[[Receive, Send], Awaitable[None]]

# Asked for every few seconds by machines, or by the dozen for one page.
_QUIET = frozenset(("/health", "/ready", "/metrics"))
_ASSETS = "/docs/assets/"
_STANDING = (b"ratelimit-limit", b"ratelimit-remaining", b"ratelimit-reset")
_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_LONGEST_PATH = 1000
_SLOWEST = 16 * 1024
"""Bytes a second: slower than that no body may come in the long run."""


def is_quiet(scope: Scope) -> bool:
    """Whether a request is one of those that come too often to be told of each."""
    path: str = scope["path"]
    return path in _QUIET or path.startswith(_ASSETS)


class Exchange:
    """`limit` is in bytes of body; `patience` in seconds for the whole of it, and what its bytes take at the least."""

    __slots__ = (
        "_asked_at",
        "_awaited",
        "_headers",
        "_length",
        "_limit",
        "_patience",
        "_read",
        "_receive",
        "_rest",
        "_scope",
        "_send",
        "_started",
        "_templates",
        "_traffic",
        "id",
        "serving",
        "status",
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        limit: int,
        patience: float,
        headers: RawHeaders,
        traffic: Traffic,
        templates: Mapping[int, str],
    ) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._limit = limit
        self._patience = patience
        self._headers = headers
        self._traffic = traffic
        self._templates = templates
        self._started = time.perf_counter()
        self._read = 0
        self._awaited = True
        self._asked_at: float | None = None
        self._length = _content_length(scope)
        self.id = _request_id(scope)
        client = scope.get("client")
        self.serving = Serving(self.id, client[0] if client else None)
        self._rest: Rest | None = None
        self.status: int | None = None

    def defer(self, rest: Rest) -> None:
        """Take over the rest of an answer that has started: it goes on when all that made it has returned."""
        self._rest = rest

    async def finish(self) -> None:
        """The rest, if there is one. What the framework kept for the request, some 10 KB, need not live as long."""
        if self._rest is not None:
            for name in [name for name in self._scope if name.startswith("fastapi_")]:
                del self._scope[name]
            await self._rest(self.receive, self.send)
            await self._tell_of_leaving()

    async def _tell_of_leaving(self) -> None:
        """A trace learns only by what is received that a client has left; else it takes the answer for a broken one."""
        pipe = self._scope["extensions"].get("app.pipe")
        if "fastapi.telemetry" in self._scope and pipe is not None and pipe["pipe"].gone:
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._receive()

    async def receive(self) -> Message:
        """The next part of the request; 413 instead of the first part that is too much, and before any if it says so.

        408 when the next part is not there in time; the wait for a client to leave has no end.

        The framework's own limit would answer before anybody had asked for the body, in place of a 401, and as plain
        text past this layer.
        """
        if self._length > self._limit and self.status is None:
            raise HTTPException(413)
        message = await self._next()
        if message["type"] == "http.request":
            self._awaited = message.get("more_body", False)
            self._read += len(message.get("body", b""))
            if self._read > self._limit:
                if self.status is None:
                    raise HTTPException(413)
                # An answer is under way and only waits for the client to leave; what comes is of no use to it.
                message = {**message, "body": b""}
        return message

    async def _next(self) -> Message:
        patience = self._time_left() if self._awaited and self.status is None else None
        try:
            async with asyncio.timeout(patience):
                return await self._receive()
        except TimeoutError:
            # What is left of the body may still come, and must not be read as another request's.
            raise HTTPException(408, headers={"Connection": "close"}) from None

    def _time_left(self) -> float:
        """Until when a body has to be there. A byte now and then does not put it off: rights that were looked at before
        it was read would outlive their being taken away, and whatever waits for it would be kept from others."""
        now = time.monotonic()
        if self._asked_at is None:
            self._asked_at = now
        return self._asked_at + self._patience + self._read / _SLOWEST - now

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            elapsed = time.perf_counter() - self._started
            self._traffic.answered(self._scope["method"], self._template(), message["status"], elapsed)
            message = {**message, "headers": self._completed(message.get("headers", ()), elapsed)}
        await self._send(message)

    def log(self) -> None:
        """One line; the query is left out, for people paste secrets into addresses."""
        if self.status is None:
            self._traffic.unanswered(self._scope["method"], self._template())
        logger.log(
            logging.DEBUG if is_quiet(self._scope) else logging.INFO,
            "request",
            extra={
                "method": self._scope["method"],
                "path": self._scope["path"][:_LONGEST_PATH],
                "status": self.status,
                "duration_ms": round((time.perf_counter() - self._started) * 1000, 1),
                "client": self.serving.address,
            },
        )

    def _template(self) -> str:
        """Of the route that was found, also where it refuses the method or the caller. 0.2 µs."""
        found = self._scope.get("route") or self._scope.get("endpoint")
        return self._templates.get(id(found), OTHER)

    def _completed(self, headers: RawHeaders, elapsed: float) -> list[tuple[bytes, bytes]]:
        own = [(name, value) for name, value in headers if name.lower() != b"x-request-id"]
        present = {name.lower(): value for name, value in own}
        own.append((b"x-request-id", self.id.encode()))
        own.extend(header for header in self._headers if header[0] not in present)
        standing = _told(present)
        if standing is None and self.serving.standing is not None:
            standing = self.serving.standing
            own.extend(_limit_headers(standing))
        own.extend(door_headers(door_of(self._scope), self.id, standing, elapsed))
        if b"cache-control" not in present and _is_json(present.get(b"content-type", b"")):
            own.append((b"cache-control", b"no-store"))
        return own


def _told(present: Mapping[bytes, bytes]) -> Standing | None:
    """The standing that an answer tells by itself: a refusal's, with another limit than that of requests."""
    if b"ratelimit-limit" not in present:
        return None
    limit, remaining, reset = (int(present[name]) for name in _STANDING)
    return Standing(limit, remaining, reset)


def _limit_headers(standing: Standing) -> RawHeaders:
    return (
        (b"ratelimit-limit", b"%d" % standing.limit),
        (b"ratelimit-remaining", b"%d" % standing.remaining),
        (b"ratelimit-reset", b"%d" % standing.resets_in),
    )


def _request_id(scope: Scope) -> str:
    given = _header(scope, b"x-request-id")
    return given.decode() if given and _SANE_ID.fullmatch(given) else str(uuid_utils.uuid7())


def _content_length(scope: Scope) -> int:
    given = _header(scope, b"content-length")
    return int(given) if given and given.isdigit() and len(given) < 20 else 0


def _header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for given, value in scope["headers"] if given == name), None)


def _is_json(media_type: bytes) -> bool:
    return media_type.startswith(b"application/json") or b"+json" in media_type
