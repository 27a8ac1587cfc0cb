"""Our requests in the words of Ollama's own chat route."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from app.domain.prompts import (
    Effort,
    Image,
    ModelMessage,
    ModelRequest,
    Part,
    Pdf,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from app.providers.verdicts import REJECTED, UNREADABLE

ThinkValues = Sequence[bool | str]
"""What a model's switch for thinking may be set to, as its server says: false, true, `low`, `high`, …"""

SWITCH: ThinkValues = (False, True)
LEVELS: ThinkValues = ("low", "medium", "high")


def chat_body(request: ModelRequest, *, context_tokens: int, think_values: ThinkValues) -> dict[str, Any]:
    """The JSON of `POST /api/chat`; `context_tokens` for a card that does not say how long its context is.

    Raises GenerationFailure for what no Ollama model reads.
    """
    messages = list(_messages(request.messages))
    if request.system_prompt:
        messages.insert(0, {"role": "system", "content": request.system_prompt})
    # Without `num_ctx` Ollama takes its own default, often 4096, whatever the model can do, and forgets the beginning
    # of the conversation without a word. Another value than that of the last request would load the model anew.
    window = request.model.context_window or context_tokens
    options: dict[str, Any] = {"num_ctx": window, "num_predict": min(request.max_tokens, window)}
    if request.temperature is not None and request.model.takes_temperature:
        options["temperature"] = request.temperature
    body: dict[str, Any] = {
        "model": request.model.id,
        "messages": messages,
        "stream": True,
        "options": options,
        # What is too long after all is to be an error, not a question cut in two; old versions do not know this yet.
        "truncate": False,
    }
    if request.effort is not None and request.model.reasons:
        body["think"] = _think(request.effort, think_values)
    return body


def _think(effort: Effort, values: ThinkValues) -> bool | str:
    """The setting that comes closest: a model that cannot rest is to think little."""
    if effort is Effort.NONE:
        return "low" if "low" in values and False not in values else False
    return effort.value if effort.value in values else True


def _messages(messages: Sequence[ModelMessage]) -> Iterator[dict[str, Any]]:
    tools: dict[str, str] = {}
    for message in messages:
        if isinstance(message.content, str):
            yield {"role": message.role, "content": message.content}
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
            yield {"role": "tool", "tool_name": tools.get(part.call_id, ""), "content": part.text}


def _said(message: ModelMessage) -> dict[str, Any] | None:
    """None where the message holds nothing but results of tools."""
    if any(isinstance(part, Pdf) for part in message.parts):
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
    return {"function": {"name": call.name, "arguments": _object(call.arguments)}}


def _object(arguments: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(arguments or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise REJECTED.failure() from error
