"""How a refusal is spelled over HTTP: `application/problem+json` (RFC 9457), from one table of error classes."""

import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.core import errors
from app.core.errors import AnswerFailed, AppError
from app.core.logging import causes
from app.core.serving import request_id
from app.domain.failures import FailureCode

logger = logging.getLogger(__name__)

# The nearest class in an error's ancestry counts.
STATUS: Mapping[type, int] = {
    AppError: 500,
    errors.Invalid: 422,
    errors.Malformed: 400,
    errors.NotAForm: 415,
    errors.UnsupportedDocument: 415,
    errors.TooLarge: 413,
    errors.RangeNotSatisfiable: 416,
    errors.StorageFull: 507,
    errors.InvalidEventId: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Gone: 410,
    errors.Conflict: 409,
    errors.TooMany: 429,
    errors.Unavailable: 503,
}

# A failed answer, for a client that waited for the whole of it, by the failure's own code.
ANSWER_STATUS: Mapping[str, int] = {
    FailureCode.UPSTREAM_ERROR: 502,
    FailureCode.UPSTREAM_AUTH: 502,
    FailureCode.UPSTREAM_CUT: 502,
    FailureCode.UPSTREAM_PROTOCOL: 502,
    FailureCode.UPSTREAM_RATE_LIMITED: 503,
    FailureCode.UPSTREAM_OVERLOADED: 503,
    FailureCode.UPSTREAM_TIMEOUT: 504,
    FailureCode.INSTANCE_LOST: 503,
    FailureCode.INSTANCE_DRAINING: 503,
    FailureCode.CONTEXT_TOO_LONG: 422,
    FailureCode.REFUSED: 422,
    FailureCode.INTERNAL: 500,
}

# What the framework refuses by itself: its own words quote the request, so each status has ours.
_FRAMEWORK: Mapping[int, tuple[str, str]] = {
    400: ("bad_request", "The request could not be read."),
    401: (errors.Unauthenticated.code, errors.Unauthenticated.default_detail),
    403: (errors.Forbidden.code, errors.Forbidden.default_detail),
    404: (errors.NotFound.code, errors.NotFound.default_detail),
    405: ("method_not_allowed", "This address does not answer this method."),
    408: ("request_timeout", "The body did not arrive in time."),
    413: ("payload_too_large", "The body is larger than this address accepts."),
    415: ("unsupported_media_type", "The body must be JSON, sent as application/json."),
    422: ("validation_error", "The request does not have the form that this address takes."),
}
_INVALID_JSON = (errors.Malformed.code, errors.Malformed.default_detail)

# Messages of pydantic that repeat a part of the input.
_ECHOING: Mapping[str, str] = {
    "uuid_parsing": "Input should be a valid UUID",
    "union_tag_invalid": "Input tag does not match any of the expected tags",
    "url_parsing": "Input should be a valid URL",
}
_MOST_ERRORS = 50
_LONGEST_NAME = 100

SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "A refusal (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "description": "`about:blank`: `code` says more."},
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer", "description": "The status of the answer."},
        "detail": {"type": "string", "description": "For people."},
        "code": {"type": "string", "description": "The stable machine word."},
        "request_id": {"type": ["string", "null"], "description": "The answer's `X-Request-ID`, which logs have, too."},
        "id": {"type": "string", "format": "uuid", "description": "Of what was made already; only with 409."},
        "errors": {
            "type": "array",
            "description": "What is wrong, and where; only with 422.",
            "items": {
                "type": "object",
                "required": ["loc", "msg", "type"],
                "properties": {
                    "loc": {
                        "type": "array",
                        "items": {"type": ["string", "integer"]},
                        "description": "Where: `body`, `query` or `header`, then the names down to it.",
                    },
                    "msg": {"type": "string", "description": "For people."},
                    "type": {"type": "string", "description": "The stable machine word."},
                },
            },
        },
    },
}
"""For the API description: the body of every refusal."""

_COUNT = {"schema": {"type": "integer", "minimum": 0}}
HEADERS: Mapping[str, Any] = {
    "RateLimit-Limit": {"description": "How many requests there may be in the window.", **_COUNT},
    "RateLimit-Remaining": {"description": "How many of them are left.", **_COUNT},
    "RateLimit-Reset": {"description": "In how many seconds the window ends.", **_COUNT},
}
"""For the API description: where one stands with a limit; absent where the limit is off."""
STANDING: Mapping[str, Any] = {name: {"$ref": f"#/components/headers/{name}"} for name in HEADERS}
"""The same for one answer, by reference."""

_SECONDS = {"required": True, "schema": {"type": "integer", "minimum": 0}}
_RETRY_AFTER = {"Retry-After": {"description": "In how many seconds to ask again.", **_SECONDS}}
_REFUSALS: Mapping[int, tuple[str, dict[str, Any]]] = {
    400: ("The request cannot be read.", {}),
    401: (
        "Credentials are missing, wrong, spent or revoked.",
        {"WWW-Authenticate": {"required": True, "schema": {"type": "string", "const": "Bearer"}}},
    ),
    403: ("Known, but not allowed.", {}),
    404: ("There is nothing here, or it is somebody else's.", {}),
    408: ("The body did not arrive in time.", {}),
    409: ("The request clashes with what is there.", {}),
    410: ("It was here and is no longer kept.", {}),
    413: ("The body is too large.", {}),
    415: ("The body is not of a type that is taken here.", {}),
    416: (
        "The file does not have this range.",
        {"Content-Range": {"description": "How large it is, as `bytes */<size>`.", "schema": {"type": "string"}}},
    ),
    422: ("The request does not have the form that this address takes.", {}),
    429: ("Too many requests, or too many answers at once.", {**_RETRY_AFTER, **STANDING}),
    431: ("The head of the request, its address and headers, is too large.", {}),
    502: ("The model's server failed.", {}),
    503: ("A part of the service is away for the moment.", _RETRY_AFTER),
    504: ("The model's server did not answer in time.", {}),
    507: ("There is no room left for files.", {}),
}


def response(status: int) -> dict[str, Any]:
    """For the API description: how a refusal with this status looks."""
    description, headers = _REFUSALS.get(status, (_phrase(status), {}))
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": description, "content": content} | ({"headers": headers} if headers else {})


def install(app: FastAPI) -> None:
    """Let every refusal of `app` be answered from here."""
    handlers: Mapping[type[Exception], Callable[..., Awaitable[Response]]] = {
        AppError: _refused,
        RequestValidationError: _not_valid,
        HTTPException: _framework_refused,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


async def internal_error(scope: Scope, receive: Receive, send: Send) -> None:
    """The answer to an exception that nobody expected, as an ASGI application."""
    await _spell(AppError())(scope, receive, send)


async def _refused(_: Request, error: AppError) -> Response:
    # Of a flood that is turned away the request's own line says enough.
    if status_of(error) >= 500 and not isinstance(error, errors.Overloaded):
        logger.warning("refused", extra={"code": _code(error), "causes": causes(error)})
    return _spell(error)


async def _not_valid(_: Request, error: RequestValidationError) -> Response:
    found = error.errors()
    if any(one["loc"][:1] == ("path",) for one in found):
        # An id that cannot exist is answered as one that does not.
        return _spell(errors.NotFound())
    if any(one["type"] == "json_invalid" for one in found):
        return _problem(400, *_INVALID_JSON)
    if isinstance(error.body, bytes):
        # FastAPI parses JSON by its content type alone, and hands on anything else as it came.
        return _problem(415, *_FRAMEWORK[415])
    return _problem(422, *_FRAMEWORK[422], errors=[_finding(one) for one in found[:_MOST_ERRORS]])


async def _framework_refused(request: Request, error: HTTPException) -> Response:
    if error.status_code == 400 and isinstance(error.__cause__, (ValueError, RecursionError)):
        # Not UTF-8, nested too deeply, a number of thousands of digits.
        return _problem(400, *_INVALID_JSON)
    code, detail = _FRAMEWORK.get(error.status_code, ("http_error", _phrase(error.status_code)))
    headers = _allow(request) if error.status_code == 405 else error.headers
    return _problem(error.status_code, code, detail, headers=headers)


def _allow(request: Request) -> Mapping[str, str]:
    """All methods of an address; the router itself names only those of the first route that has it."""
    methods: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        pattern = getattr(route, "path_regex", None)
        if pattern is not None and pattern.match(request.scope["path"]):
            methods |= route.methods or set()
    return {"Allow": ", ".join(sorted(methods))}


def status_of(error: AppError) -> int:
    """The HTTP status of a refusal."""
    if isinstance(error, AnswerFailed):
        return ANSWER_STATUS[error.answer_code]
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def _code(error: AppError) -> str:
    return error.answer_code if isinstance(error, AnswerFailed | errors.DocumentUnreadable) else error.code


def _spell(error: AppError) -> Response:
    headers, status = {}, status_of(error)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after is not None or status in (429, 503):
        headers["Retry-After"] = str(error.retry_after or 1)
    if isinstance(error, errors.TooMany) and error.limit is not None:
        headers["RateLimit-Limit"] = str(error.limit)
        headers["RateLimit-Remaining"] = "0"
        headers["RateLimit-Reset"] = headers["Retry-After"]
    if isinstance(error, errors.RangeNotSatisfiable):
        headers["Content-Range"] = f"bytes */{error.size}"
    if error.hangs_up:
        headers["Connection"] = "close"
    more: dict[str, Any] = dict(error.members)
    if isinstance(error, errors.Invalid) and error.findings:
        more["errors"] = [
            {"loc": ["body", *_location(each.at)], "msg": each.said, "type": each.kind}
            for each in error.findings[:_MOST_ERRORS]
        ]
    return _problem(status, _code(error), error.detail, headers=headers, **more)


def _problem(status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    body = {
        "type": "about:blank",
        "title": _phrase(status),
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id(),
        **more,
    }
    return Response(json.dumps(body), status, headers, media_type="application/problem+json")


def _finding(error: Mapping[str, Any]) -> dict[str, Any]:
    kind, message = error["type"], error["msg"].removeprefix("Value error, ")
    return {"loc": _location(error["loc"]), "msg": _ECHOING.get(kind, message), "type": kind}


def _location(loc: Iterable[int | str]) -> list[int | str]:
    # Names of unknown fields are the client's: of any length, and perhaps half a surrogate pair.
    return [part if isinstance(part, int) else _storable(part[:_LONGEST_NAME]) for part in loc]


def _storable(name: str) -> str:
    return name.encode(errors="replace").decode()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Refused"


RESPONSES: Mapping[int, dict[str, Any]] = {status: response(status) for status in _REFUSALS}
"""For the API description: every refusal there is, by its status."""
