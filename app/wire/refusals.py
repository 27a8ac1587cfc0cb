"""Refusals, in the words of each protocol: first a value, then spelled for the door that the request came through."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from app.core.serving import request_id
from app.domain.failures import FailureCode
from app.wire.doors import Door
from app.wire.field_names import field_name

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
    "stopped": 409,
}
"""A failed answer, for a client that waited for the whole of it, by the failure's own code; and one that was stopped,
which clients must not ask for once more by themselves."""

_UNKNOWN_MODEL = "unknown_model"
_TOO_LONG = ("context_too_long", "message_too_long")

# What OpenAI calls it; where it has no word, ours stands, but for what the status says already.
_OPENAI_CODES: Mapping[str, str | None] = {
    **dict.fromkeys(("validation_error", "invalid_json", "bad_request", "not_found"), None),
    **dict.fromkeys(("unauthenticated", "bad_credentials"), "invalid_api_key"),
    **dict.fromkeys(("rate_limited", "too_many_generations"), "rate_limit_exceeded"),
    **dict.fromkeys(_TOO_LONG, "context_length_exceeded"),
    _UNKNOWN_MODEL: "model_not_found",
    "not_supported": "unsupported_parameter",
    "refused": "content_policy_violation",
}
_ANTHROPIC_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_ANTHROPIC_OVERLOADED = 529
_OVERLOADED = frozenset(("overloaded", "upstream_overloaded", "upstream_rate_limited"))
_MENDED_BY_WAITING = frozenset(("conversation_busy", "idempotency_in_progress"))
_NOT_MENDED = frozenset(("upstream_auth", "storage_full", "file_unreadable"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """`code` and `detail` are ours. `param` is the field at fault, as in `messages[0].content`; `said` tells of it what
    `detail` leaves to `findings`, the body's `errors`. `feature` is what a vendor cannot do, `model` the unknown one.

    `rejected` is a fault that a vendor found with the request; `stored` says that something of the request was kept,
    so that a repeat would not be the same once more. `members` stand beside the code in a problem.
    """

    status: int
    code: str
    detail: str
    findings: Sequence[Mapping[str, Any]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, str] = field(default_factory=dict)
    request_id: str | None = field(default_factory=request_id)
    param: str | None = None
    said: str | None = None
    feature: str | None = None
    model: str | None = None
    rejected: bool = False
    stored: bool = False


def spelled(refusal: Refusal, door: Door, path: str) -> Response:
    """The answer to a request to `path`."""
    return _SPELLINGS[door](refusal, path)


def openai_error(
    code: str, detail: str, *, rejected: bool = False, path: str = "/v1/chat/completions"
) -> dict[str, Any]:
    """`{"error": {…}}` for an answer that fails in the midst of its stream; `code` is a FailureCode's value."""
    return _openai_body(_failed(code, detail, rejected), path)


def anthropic_error(code: str, detail: str, *, rejected: bool = False) -> dict[str, Any]:
    """The same in Anthropic's words, the data of an event named `error`."""
    return _anthropic_body(_failed(code, detail, rejected), "/v1/messages")


def ollama_error(code: str, detail: str, *, rejected: bool = False) -> dict[str, Any]:
    """The same in Ollama's words: a line."""
    return _ollama_body(_failed(code, detail, rejected), "/ollama/api/chat")


def phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Refused"


def _failed(code: str, detail: str, rejected: bool) -> Refusal:
    return Refusal(status=ANSWER_STATUS.get(code, 500), code=code, detail=detail, rejected=rejected)


def _as_problem(refusal: Refusal, _: str) -> Response:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": phrase(refusal.status),
        "status": refusal.status,
        "detail": refusal.detail,
        "code": refusal.code,
        "request_id": refusal.request_id,
        **refusal.members,
    }
    if refusal.findings:
        body["errors"] = refusal.findings
    return _answer(refusal.status, body, refusal.headers, "application/problem+json")


def _as_openai(refusal: Refusal, path: str) -> Response:
    return _answer(_status(refusal), _openai_body(refusal, path), _with_advice(refusal))


def _as_anthropic(refusal: Refusal, path: str) -> Response:
    return _answer(_anthropic_status(refusal), _anthropic_body(refusal, path), _with_advice(refusal))


def _as_ollama(refusal: Refusal, path: str) -> Response:
    return _answer(_status(refusal), _ollama_body(refusal, path), refusal.headers)


def _as_words(refusal: Refusal, path: str) -> Response:
    """useChat makes the whole body the message of an Error, which pages show to people: so it is one sentence."""
    told_by_detail = any(each["msg"] == refusal.detail for each in refusal.findings)
    said = refusal.detail if told_by_detail else _message(refusal, path)
    return Response(said, refusal.status, refusal.headers, media_type="text/plain")


def _openai_body(refusal: Refusal, path: str) -> dict[str, Any]:
    status, code = _status(refusal), None if refusal.rejected else refusal.code
    message, param = _message(refusal, path), refusal.param
    if refusal.code == _UNKNOWN_MODEL:
        param = "model"
        if refusal.model is not None:
            message = f"The model '{refusal.model}' does not exist, or you may not use it."
    elif refusal.code in _TOO_LONG:
        param = "input" if path.startswith(("/v1/responses", "/v1/embeddings")) else "messages"
    elif refusal.feature is not None:
        param = field_name(path, refusal.feature)
    kind = "rate_limit_error" if status == 429 else "server_error" if status >= 500 else "invalid_request_error"
    code = _OPENAI_CODES.get(code, code) if code is not None else None
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _anthropic_body(refusal: Refusal, path: str) -> dict[str, Any]:
    status, message = _anthropic_status(refusal), _naming_message(refusal, path)
    if refusal.code == _UNKNOWN_MODEL and refusal.model is not None:
        message = f"model: {refusal.model}"
    elif refusal.code in _TOO_LONG:
        message = f"prompt is too long: {message}"  # by these words agents know that they have to shorten it
    kind = _ANTHROPIC_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": refusal.request_id}


def _ollama_body(refusal: Refusal, path: str) -> dict[str, Any]:
    if refusal.code == _UNKNOWN_MODEL and refusal.model is not None:
        return {"error": f"model '{refusal.model}' not found"}
    return {"error": _naming_message(refusal, path)}


def _message(refusal: Refusal, path: str) -> str:
    if refusal.feature is not None:
        # Where it is told by our own name for it: by theirs.
        return refusal.detail.replace(f": {refusal.feature}.", f": {field_name(path, refusal.feature)}.")
    return refusal.said or refusal.detail


def _naming_message(refusal: Refusal, path: str) -> str:
    """The same where nothing else names the field at fault."""
    message = _message(refusal, path)
    param = refusal.param if refusal.feature is None else field_name(path, refusal.feature)
    return message if param is None or param in message else f"{param}: {message}"


def _status(refusal: Refusal) -> int:
    """At all doors the same but for Anthropic's own."""
    if refusal.code == _UNKNOWN_MODEL:
        return 404
    return 400 if refusal.status == 422 or refusal.rejected else refusal.status


def _anthropic_status(refusal: Refusal) -> int:
    return _ANTHROPIC_OVERLOADED if refusal.code in _OVERLOADED else _status(refusal)


def _with_advice(refusal: Refusal) -> Mapping[str, str]:
    """OpenAI's and Anthropic's clients repeat what ends with 408, 409, 429 or 5xx, unless they are told otherwise."""
    status = _status(refusal)
    if status == 409:
        return {**refusal.headers, "X-Should-Retry": "true" if refusal.code in _MENDED_BY_WAITING else "false"}
    if status >= 500 and (refusal.stored or refusal.code in _NOT_MENDED):
        return {**refusal.headers, "X-Should-Retry": "false"}
    return refusal.headers


def _answer(
    status: int, body: Mapping[str, Any], headers: Mapping[str, str], media_type: str = "application/json"
) -> Response:
    return Response(json.dumps(body), status, headers, media_type=media_type)


_SPELLINGS: Mapping[Door, Callable[[Refusal, str], Response]] = {
    Door.OWN: _as_problem,
    Door.OPENAI: _as_openai,
    Door.ANTHROPIC: _as_anthropic,
    Door.OLLAMA: _as_ollama,
    Door.UI: _as_words,
}
