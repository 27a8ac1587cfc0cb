"""The messages of a conversation in the words of Ollama's own chat route."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from app.domain.prompts import Image, ImageLink, ModelMessage, Part, Pdf, Reasoning, Text, ToolCall, ToolResult
from app.providers.verdicts import REJECTED, UNREADABLE


def spelled(messages: Sequence[ModelMessage]) -> Iterator[dict[str, Any]]:
    """Raises GenerationFailure for what no Ollama model reads."""
    tools: dict[str, str] = {}
    for message in messages:
        if isinstance(message.content, str) or message.role == "system":
            yield {"role": message.role, "content": message.text}
        elif message.role == "user":
            yield from _tool_results(message.content, tools)
            if said := _said(message):
                yield said
        else:
            tools |= {part.id: part.name for part in message.content if isinstance(part, ToolCall)}
            yield _answered(message)


def _tool_results(parts: Sequence[Part], tools: dict[str, str]) -> Iterator[dict[str, Any]]:
    for part in parts:
        if isinstance(part, ToolResult):
            name = tools.get(part.call_id, "")
            yield {"role": "tool", "tool_name": name, "tool_call_id": part.call_id, "content": part.text}


def _said(message: ModelMessage) -> dict[str, Any] | None:
    """None where the message holds nothing but results of tools."""
    if any(isinstance(part, Pdf | ImageLink) for part in message.parts):
        raise UNREADABLE.failure()
    images = [b64encode(part.data).decode() for part in message.parts if isinstance(part, Image)]
    if images:
        return {"role": "user", "content": message.text, "images": images}
    if any(isinstance(part, Text) for part in message.parts):
        return {"role": "user", "content": message.text}
    return None


def _answered(message: ModelMessage) -> dict[str, Any]:
    answer: dict[str, Any] = {"role": "assistant", "content": message.text}
    # Which thoughts of the past a model is to see is known to its template on the server.
    if thought := "".join(part.text for part in message.parts if isinstance(part, Reasoning)):
        answer["thinking"] = thought
    if calls := [_called(part) for part in message.parts if isinstance(part, ToolCall)]:
        answer["tool_calls"] = calls
    return answer


def _called(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "function": {"name": call.name, "arguments": _object(call.arguments)}}


def _object(arguments: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(arguments or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise REJECTED.failure() from error
