"""What every request and every answer gets: an id, safe headers, a body limit, one line in the log, a last catch."""

import logging
import re
import sys
from collections.abc import Mapping, Sequence

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.config import Settings
from app.core.proxies import TrustedProxies
from app.core.serving import serving
from app.core.traffic import Traffic
from app.exchange import Exchange
from app.wire.doors import Door, door_at

logger = logging.getLogger(__name__)

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
    # What the SDKs of OpenAI and Anthropic read, in browsers too.
    "Request-ID",
    "OpenAI-Processing-MS",
    "X-Should-Retry",
    "X-RateLimit-Limit-Requests",
    "X-RateLimit-Remaining-Requests",
    "X-RateLimit-Reset-Requests",
    "Anthropic-RateLimit-Requests-Limit",
    "Anthropic-RateLimit-Requests-Remaining",
    "Anthropic-RateLimit-Requests-Reset",
    "X-Vercel-AI-UI-Message-Stream",
)
# Those of the SDKs' generator, which a preflight names one by one.
_STAINLESS = (
    "Arch",
    "Async",
    "Custom-Poll-Interval",
    "Helper",
    "Helper-Method",
    "Lang",
    "OS",
    "Package-Version",
    "Poll-Helper",
    "Read-Timeout",
    "Retry-Count",
    "Runtime",
    "Runtime-Version",
    "Stream-Helper",
    "Timeout",
)
ACCEPTED = (
    "Accept",
    "Authorization",
    "X-API-Key",
    "Content-Type",
    "Idempotency-Key",
    "Last-Event-ID",
    "User-Agent",
    "X-Conversation-ID",
    "X-Request-ID",
    "Anthropic-Version",
    "Anthropic-Beta",
    "Anthropic-Dangerous-Direct-Browser-Access",
    "OpenAI-Beta",
    "OpenAI-Organization",
    "OpenAI-Project",
    *(f"X-Stainless-{name}" for name in _STAINLESS),
)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

# Room for a password of 1024 characters of four bytes each, all of them escaped. A form of 2 MB takes half a second of
# the event loop to parse.
_LONGEST_FORM = 16 * 1024
_ABOUT_A_FILE = 1024 * 1024
"""Bytes of a form beside the file in it."""
_DOCUMENTS = re.compile(r"/rag/collections/[^/]+/documents")
_FILES_OF_MODELS = re.compile(r"/ollama/api/blobs/[^/]+")
_FORM_OF_DOCUMENTS = 4
"""How many of the largest files a form of documents may be as large as."""


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
        self._door_limit = settings.max_door_body_bytes
        # To this address alone, by this method alone: all others parse what they get in the event loop.
        self._longest = {
            ("POST", "/conversations/import"): settings.max_import_bytes,
            ("POST", "/files"): settings.max_upload_bytes + _ABOUT_A_FILE,
            ("POST", "/analyze/pdf"): settings.max_upload_bytes + _ABOUT_A_FILE,
        }
        self._longest_form_of_documents = _FORM_OF_DOCUMENTS * settings.max_upload_bytes + _ABOUT_A_FILE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._see_through_proxies(scope)
        limit = self._limit(scope)
        if self._templates is None:
            self._templates = _templates(scope["app"])
        exchange = Exchange(
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

    def _limit(self, scope: Scope) -> int:
        method, path = scope["method"], scope["path"]
        if (longest := self._longest.get((method, path))) is not None:
            return longest
        if method == "POST" and _DOCUMENTS.fullmatch(path) and _is_form(scope):
            return self._longest_form_of_documents
        if method == "POST" and _FILES_OF_MODELS.fullmatch(path):
            return sys.maxsize  # for administrators alone, and passed on while it comes
        if method == "POST" and door_at(path) is not Door.OWN:
            return self._door_limit  # AdmittedRoute reads it in a thread
        return next(limit for prefix, limit in self._body_limits if path.startswith(prefix))


def _is_form(scope: Scope) -> bool:
    """What else comes to the same address is parsed in the event loop, as everywhere."""
    return any(
        name == b"content-type" and value.lower().startswith(b"multipart/form-data") for name, value in scope["headers"]
    )


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


def _with_cors(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    # Never with credentials: the cookie is for this site's own pages, others send a header.
    if not origins:
        return app
    return CORSMiddleware(
        app, allow_origins=origins, allow_methods=METHODS, allow_headers=ACCEPTED, expose_headers=EXPOSED
    )
