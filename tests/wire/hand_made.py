"""Logs that no vendor here writes, spelled by each door."""

import json
from collections.abc import Iterator
from typing import Any

from app.domain.events import Kind, LogEvent
from app.wire.anthropic_messages import MessageStream, message
from app.wire.dialects import Dialect
from app.wire.ollama_chat import OllamaStream, whole_answer
from app.wire.openai_chat import ChatCompletionStream, chat_completion
from app.wire.openai_response import whole_response
from app.wire.openai_responses import ResponseStream
from app.wire.whole import put_together
from tests.sse import parse

Told = list[tuple[Kind, Any]]
_ABOUT = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m"}


def ended(reason: str | None = "stop", status: str = "complete") -> tuple[Kind, Any]:
    return Kind.DONE, {"done": True, "status": status, "finish_reason": reason, "stop_sequence": None}


def logged(told: Told) -> list[LogEvent]:
    return [LogEvent(seq, kind, json.dumps(payload).encode()) for seq, (kind, payload) in enumerate(told, 1)]


def streamed(door: str, told: Told, *, with_seals: bool = False) -> list[Any]:
    """The data of each event, or each line."""
    body = b"".join(map(_stream(door, with_seals=with_seals).encode, logged(told)))
    return list(_events(door, body))


def whole(door: str, told: Told, *, with_seals: bool = False) -> Any:
    answer = put_together(logged(told))
    match door:
        case "chat":
            return json.loads(chat_completion(answer, "chatcmpl-1", 1, "m"))
        case "responses":
            return json.loads(whole_response(answer, _ABOUT, with_seals=with_seals))
        case "messages":
            return json.loads(message(answer, "msg_1", "m"))
        case _:
            return json.loads(whole_answer(answer, "m", generate=door == "generate", began=0))


def _stream(door: str, *, with_seals: bool) -> Dialect:
    match door:
        case "chat":
            return ChatCompletionStream("chatcmpl-1", 1, "m", include_usage=False)
        case "responses":
            return ResponseStream(_ABOUT, with_seals=with_seals)
        case "messages":
            return MessageStream("msg_1", "m")
        case _:
            return OllamaStream("m", generate=door == "generate")


def _events(door: str, body: bytes) -> Iterator[Any]:
    if door in ("ollama", "generate"):
        yield from map(json.loads, body.splitlines())
        return
    for event in parse(body):
        if event.data != "[DONE]":
            yield event.json
