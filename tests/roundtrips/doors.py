"""The doors: where each is, how a case is spelled there, and how it refuses one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.roundtrips import chat_door, messages_door, ollama_door, responses_door
from tests.roundtrips.cases import Case

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Door:
    """`names_fault` is whether the body of a refusal has the protocol's own shape, and tells of this field."""

    path: str
    spelled: Callable[[Case, Random], Json]
    names_fault: Callable[[Json, str], bool]


def _by_openai(body: Json, field: str) -> bool:
    error = body["error"]
    told = error["type"], error["code"], error["param"]
    return told == ("invalid_request_error", "unsupported_parameter", field) and isinstance(error["message"], str)


def _by_anthropic(body: Json, field: str) -> bool:
    error = body["error"]
    return (body["type"], error["type"]) == ("error", "invalid_request_error") and field in error["message"]


def _by_ollama(body: Json, field: str) -> bool:
    return body.keys() == {"error"} and field in body["error"]


DOORS: Mapping[str, Door] = {
    "chat": Door("/v1/chat/completions", chat_door.spelled, _by_openai),
    "responses": Door("/v1/responses", responses_door.spelled, _by_openai),
    "messages": Door("/v1/messages", messages_door.spelled, _by_anthropic),
    "ollama": Door("/ollama/api/chat", ollama_door.spelled, _by_ollama),
}
