"""What every request and every answer gets: an id, safe headers, a body limit, one line in the log, a last catch."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress

import uuid_utils
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.config import Settings
from app.core.proxies import TrustedProxies
from app.core.serving import Serving, Standing, serving
from app.core.traffic import OTHER, Traffic

logger = logging.getLogger(__name__)

RawHeaders = Iterable[tuple[bytes, bytes]]
Rest = Callable[[Receive, Send], Awaitable[None]]

ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
IN_PRODUCTION = ((b"strict-transport-security", b"max-age=31536000"),)

EXPOSED = (
    "X-Conversation-ID",
    "X-Generation-ID",
    "X-Request-ID",
    "Retry-After",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
)
ACCEPTED = ("Authorization", "X-API-Key", "Content-Type", "Idempotency-Key", "Last-Event-ID", "X-Request-ID")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

# Asked for every few seconds by machines, or by the dozen for one page.
_QUIET = ("/health", "/ready", "/metrics", "/docs/assets/")
_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_LONGEST_PATH = 1000
# Room for a password of 1024 characters of four bytes each, all of them escaped. A form of 2 MB takes half a second of
# the event loop to parse.
_LONGEST_FORM = 16 * 1024


def is_quiet(scope: Scope) -> bool:
    """Whether a request is one of those that come too often to be told of each."""
    path: str = scope["path"]
    return path.startswith(_QUIET)


def middleware(settings: Settings, internal_error: ASGIApp, traffic: Traffic) -> list[Middleware]:
    """For `FastAPI(middleware=…)`; `internal_error` answers what failed unexpectedly."""
    return [Middleware(Edge, settings=settings, internal_error=internal_error, traffic=traffic)]


class Edge:
    """The outermost layer. Answers of CORS and of failures pass through it, too."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: Settings,
        internal_error: ASGIApp,
        traffic: Traffic,
        body_seconds: float = 30.0,
    ) -> None:
        self._app = _with_cors(app, settings.cors_origins)
        self._internal_error = _with_cors(internal_error, settings.cors_origins)
        self._headers = (*ALWAYS, *IN_PRODUCTION) if settings.production else ALWAYS
        self._proxies = TrustedProxies(settings.trusted_proxies)
        self._traffic = traffic
        self._templates: Mapping[int, str] | None = None
        self._body_seconds = body_seconds
        # The first prefix that fits counts.
        self._body_limits = (("/auth/login", _LONGEST_FORM), ("", settings.max_body_bytes))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._see_through_proxies(scope)
        limit = self._limit(scope["path"])
        if self._templates is None:
            self._templates = _templates(scope["app"])
        exchange = _Exchange(
            scope,
            receive,
            send,
            limit=limit,
            patience=self._body_seconds,
            headers=self._headers,
            traffic=self._traffic,
            templates=self._templates,
        )
        token = serving.set(exchange.serving)
        scope.setdefault("state", {})["request_id"] = exchange.id
        scope.setdefault("extensions", {})["app.rest"] = {"defer": exchange.defer}
        try:
            await self._app(scope, exchange.receive, exchange.send)
            await exchange.finish()
        except ClientDisconnect:
            pass  # the client left while its body was read: nobody to answer
        except Exception:
            logger.exception("request failed")
            if exchange.status is None:
                await self._internal_error(scope, receive, exchange.send)
        finally:
            exchange.log()
            serving.reset(token)

    def _see_through_proxies(self, scope: Scope) -> None:
        """From here on, the client is who asked, not the proxy of ours that passed it on."""
        peer = scope.get("client")
        if peer is None or not self._proxies.trusts(peer[0]):
            return
        if (client := self._proxies.client(scope["headers"])) is not None:
            scope["client"] = (client, 0)  # its port is not told
        if (scheme := self._proxies.scheme(scope["headers"])) is not None:
            scope["scheme"] = scheme

    def _limit(self, path: str) -> int:
        return next(limit for prefix, limit in self._body_limits if path.startswith(prefix))


class _Exchange:
    """One request and its answer, as they pass."""

    __slots__ = (
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
        patience = self._patience if self._awaited and self.status is None else None
        try:
            async with asyncio.timeout(patience):
                return await self._receive()
        except TimeoutError:
            # What is left of the body may still come, and must not be read as another request's.
            raise HTTPException(408, headers={"Connection": "close"}) from None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            elapsed = time.perf_counter() - self._started
            self._traffic.answered(self._scope["method"], self._template(), message["status"], elapsed)
            message = {**message, "headers": self._completed(message.get("headers", ()))}
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

    def _completed(self, headers: RawHeaders) -> list[tuple[bytes, bytes]]:
        own = [(name, value) for name, value in headers if name.lower() != b"x-request-id"]
        present = {name.lower(): value for name, value in own}
        own.append((b"x-request-id", self.id.encode()))
        own.extend(header for header in self._headers if header[0] not in present)
        if self.serving.standing is not None and b"ratelimit-limit" not in present:
            own.extend(_limit_headers(self.serving.standing))
        if b"cache-control" not in present and _is_json(present.get(b"content-type", b"")):
            own.append((b"cache-control", b"no-store"))
        return own


def _templates(app: FastAPI) -> Mapping[int, str]:
    """The routes' templates, by what the router leaves of one in a request's scope.

    That is the route as it was declared, to which routers that include it may have added a prefix; for those that are
    not FastAPI's own (`/openapi.json`) it is the endpoint.
    """
    found: dict[int, str] = {}
    for context in iter_route_contexts(app.routes):
        if context.path_format is not None:
            found[id(context.original_route)] = found[id(context.endpoint)] = context.path_format
    return found


def _limit_headers(standing: Standing) -> RawHeaders:
    return (
        (b"ratelimit-limit", b"%d" % standing.limit),
        (b"ratelimit-remaining", b"%d" % standing.remaining),
        (b"ratelimit-reset", b"%d" % standing.resets_in),
    )


def _with_cors(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    # Never with credentials: the cookie is for this site's own pages, others send a header.
    if not origins:
        return app
    return CORSMiddleware(
        app, allow_origins=origins, allow_methods=METHODS, allow_headers=ACCEPTED, expose_headers=EXPOSED
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
