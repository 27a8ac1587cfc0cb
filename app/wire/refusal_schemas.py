"""How refusals look at each door, for the API description."""

from collections.abc import Mapping
from typing import Any

from app.wire.doors import Door
from app.wire.refusals import phrase

_PROBLEM: dict[str, Any] = {
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
_COUNT = {"schema": {"type": "integer", "minimum": 0}}
HEADERS: Mapping[str, Any] = {
    "RateLimit-Limit": {"description": "How many requests there may be in the window.", **_COUNT},
    "RateLimit-Remaining": {"description": "How many of them are left.", **_COUNT},
    "RateLimit-Reset": {"description": "In how many seconds the window ends.", **_COUNT},
}
"""Where one stands with a limit; absent where the limit is off."""
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
    529: ("The model's server has too much to do.", _RETRY_AFTER),
}

_OPENAI: dict[str, Any] = {
    "type": "object",
    "title": "OpenAIError",
    "description": "A refusal in OpenAI's words.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "description": "What is wrong.",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string", "description": "For people."},
                "type": {"type": "string", "description": "The kind of refusal, as `invalid_request_error`."},
                "param": {"type": ["string", "null"], "description": "The field at fault, as `messages[0].content`."},
                "code": {"type": ["string", "null"], "description": "The stable machine word, where there is one."},
            },
        }
    },
}
_ANTHROPIC: dict[str, Any] = {
    "type": "object",
    "title": "AnthropicError",
    "description": "A refusal in Anthropic's words.",
    "required": ["type", "error", "request_id"],
    "properties": {
        "type": {"const": "error", "description": "`error`."},
        "error": {
            "type": "object",
            "description": "What is wrong.",
            "required": ["type", "message"],
            "properties": {
                "type": {"type": "string", "description": "The kind of refusal, as `invalid_request_error`."},
                "message": {"type": "string", "description": "For people; names the field at fault."},
            },
        },
        "request_id": {"type": ["string", "null"], "description": "The answer's `request-id`, which logs have, too."},
    },
}
_OLLAMA: dict[str, Any] = {
    "type": "object",
    "title": "OllamaError",
    "description": "A refusal in Ollama's words.",
    "required": ["error"],
    "properties": {"error": {"type": "string", "description": "For people; names the field at fault."}},
}
SCHEMAS: Mapping[str, Any] = {
    "Problem": _PROBLEM,
    "OpenAIError": _OPENAI,
    "AnthropicError": _ANTHROPIC,
    "OllamaError": _OLLAMA,
}
"""The bodies of all refusals, by the names of their components."""

_JSON = "application/json"
_LOOKS: Mapping[Door, tuple[str, str, dict[str, Any]]] = {
    # What the names of its components begin with, the type of its bodies, and their schema.
    Door.OWN: ("", "application/problem+json", {"$ref": "#/components/schemas/Problem"}),
    Door.OPENAI: ("OpenAI", _JSON, {"$ref": "#/components/schemas/OpenAIError"}),
    Door.ANTHROPIC: ("Anthropic", _JSON, {"$ref": "#/components/schemas/AnthropicError"}),
    Door.OLLAMA: ("Ollama", _JSON, {"$ref": "#/components/schemas/OllamaError"}),
    Door.UI: ("UI", "text/plain", {"type": "string"}),
}


def response(status: int, door: Door = Door.OWN) -> dict[str, Any]:
    """How a refusal with this status looks."""
    description, headers = _REFUSALS.get(status, (phrase(status), {}))
    _, media_type, schema = _LOOKS[door]
    content = {media_type: {"schema": schema}}
    return {"description": description, "content": content} | ({"headers": headers} if headers else {})


def name(status: int, door: Door) -> str:
    """Of the component that is this refusal."""
    return f"{_LOOKS[door][0]}{status}"


def status_at(door: Door, status: int) -> int:
    """What a status of ours becomes there: with those who have no 422 a form that is wrong is a bad request."""
    return 400 if status == 422 and door in (Door.OPENAI, Door.ANTHROPIC, Door.OLLAMA) else status


RESPONSES: Mapping[str, dict[str, Any]] = {
    name(status, door): response(status, door)
    for door in _LOOKS
    for status in _REFUSALS
    if status_at(door, status) == status
}
"""Every refusal there is, by the name of its component."""
