"""What refuses a request, made a Refusal by one table of error classes, and answered as its door spells it."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.core import errors
from app.core.errors import AnswerFailed, AppError
from app.core.logging import causes
from app.wire import refusals
from app.wire.doors import door_of
from app.wire.findings import finding, located, most_telling, written
from app.wire.refusals import Refusal, phrase, spelled

logger = logging.getLogger(__name__)

ANSWER_STATUS = refusals.ANSWER_STATUS
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

_MOST_ERRORS = 50


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
    await _answer(scope, _refusal(AppError()))(scope, receive, send)


async def _refused(request: Request, error: AppError) -> Response:
    # Of a flood that is turned away the request's own line says enough.
    if status_of(error) >= 500 and not isinstance(error, errors.Overloaded):
        logger.warning("refused", extra={"code": _code(error), "causes": causes(error)})
    return _answer(request.scope, _refusal(error))


async def _not_valid(request: Request, error: RequestValidationError) -> Response:
    found = error.errors()
    if any(one["loc"][:1] == ("path",) for one in found):
        # An id that cannot exist is answered as one that does not.
        return _answer(request.scope, _refusal(errors.NotFound()))
    if any(one["type"] == "json_invalid" for one in found):
        return _answer(request.scope, _refusal(errors.Malformed()))
    if isinstance(error.body, bytes):
        # FastAPI parses JSON by its content type alone, and hands on anything else as it came.
        return _answer(request.scope, _by_framework(415))
    code, detail = _FRAMEWORK[422]
    param, said = most_telling(found[:_MOST_ERRORS], error.body)
    findings = [finding(one) for one in found[:_MOST_ERRORS]]
    refusal = Refusal(status=422, code=code, detail=detail, findings=findings, param=param, said=said)
    return _answer(request.scope, refusal)


async def _framework_refused(request: Request, error: HTTPException) -> Response:
    if error.status_code == 400 and isinstance(error.__cause__, (ValueError, RecursionError)):
        # Not UTF-8, nested too deeply, a number of thousands of digits.
        return _answer(request.scope, _refusal(errors.Malformed()))
    headers = _allow(request) if error.status_code == 405 else error.headers
    return _answer(request.scope, _by_framework(error.status_code, headers))


def _by_framework(status: int, headers: Mapping[str, str] | None = None) -> Refusal:
    code, detail = _FRAMEWORK.get(status, ("http_error", phrase(status)))
    return Refusal(status=status, code=code, detail=detail, headers=headers or {})


def _allow(request: Request) -> Mapping[str, str]:
    """All methods of an address; the router itself names only those of the first route that has it."""
    methods: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        pattern = getattr(route, "path_regex", None)
        if pattern is not None and pattern.match(request.scope["path"]):
            methods |= route.methods or set()
    return {"Allow": ", ".join(sorted(methods))}


def status_of(error: AppError) -> int:
    """The HTTP status of a refusal, but for what a door has another for."""
    if isinstance(error, AnswerFailed):
        return ANSWER_STATUS[error.answer_code]
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def _code(error: AppError) -> str:
    return error.answer_code if isinstance(error, AnswerFailed | errors.DocumentUnreadable) else error.code


def _refusal(error: AppError) -> Refusal:
    found = error.findings[:_MOST_ERRORS] if isinstance(error, errors.Invalid) else ()
    return Refusal(
        status=status_of(error),
        code=_code(error),
        detail=error.detail,
        findings=[{"loc": ["body", *located(each.at)], "msg": each.said, "type": each.kind} for each in found],
        headers=dict(_headers(error)),
        members=error.members,
        param=written(found[0].at) if found else None,
        said=f"{written(found[0].at)}: {found[0].said}" if found else None,
        feature=error.feature if isinstance(error, errors.NotSupported) else None,
        model=error.name if isinstance(error, errors.UnknownModel) else None,
        rejected=isinstance(error, AnswerFailed) and error.rejected,
        stored=isinstance(error, AnswerFailed) and error.stored,
    )


def _headers(error: AppError) -> Iterable[tuple[str, str]]:
    status = status_of(error)
    if status == 401:
        yield "WWW-Authenticate", "Bearer"
    wait = str(error.retry_after or 1)
    if error.retry_after is not None or status in (429, 503):
        yield "Retry-After", wait
    if isinstance(error, errors.TooMany) and error.limit is not None:
        yield "RateLimit-Limit", str(error.limit)
        yield "RateLimit-Remaining", "0"
        yield "RateLimit-Reset", wait
    if isinstance(error, errors.RangeNotSatisfiable):
        yield "Content-Range", f"bytes */{error.size}"
    if error.hangs_up:
        yield "Connection", "close"


def _answer(scope: Scope, refusal: Refusal) -> Response:
    return spelled(refusal, door_of(scope), scope["path"])
