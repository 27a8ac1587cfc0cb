"""Our requests in the words of Anthropic's Messages API."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
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
from app.providers.calls import Spelled
from app.providers.claude import Claude
from app.providers.verdicts import REJECTED

# From the version of 2026-10-21 on, which the SDK asks for, any temperature is refused: also by models that take it.
_WITH_TEMPERATURE = {"anthropic-version": "2023-06-01"}
# Lets a request say what is to become of thoughts that no longer fit their conversation.
_WITH_BINDING = {"anthropic-beta": "thinking-binding-controls-2026-08-01"}

_THOUGHTS = ("thinking", "redacted_thinking")
_EPHEMERAL = {"type": "ephemeral"}
# Shares of `max_tokens`, which bounds the thoughts and the answer together.
_BUDGET = {Effort.LOW: 0.25, Effort.MEDIUM: 0.5, Effort.HIGH: 0.75}
_LEAST_BUDGET = 1024
_MOST_BUDGET = 32_000


def messages_call(request: ModelRequest) -> Spelled:
    """Raises GenerationFailure for arguments of a tool call that are no JSON object."""
    claude = Claude.named(request.model.id)
    # Where thinking is turned off, thoughts of the past are of no use, and some models refuse them.
    messages = _messages(request.messages, with_reasoning=request.effort is not Effort.NONE)
    body: dict[str, Any] = {
        "model": request.model.id,
        "max_tokens": request.max_tokens,
        "messages": messages,
        "stream": True,
    }
    if request.system_prompt and not request.system_prompt.isspace():
        body["system"] = request.system_prompt
    if claude and request.model.reasons:
        body |= _thinking(claude, request.effort, request.max_tokens)
    if any(message["role"] == "assistant" for message in messages):
        _cache(messages)
    headers: dict[str, str] = {}
    if claude and claude.binds_thoughts and _has_thoughts(messages) and "thinking" in body:
        # History is cut from the front when it grows long, and system prompts change: drop what is bound to the past.
        body["thinking"]["block_binding"] = {"prefix_mismatch_behavior": "drop_block"}
        headers |= _WITH_BINDING
    if request.temperature is not None and request.model.takes_temperature and not _thinks(body):
        body["temperature"] = min(request.temperature, 1.0)  # theirs ends at 1
        headers |= _WITH_TEMPERATURE
    return Spelled(body, headers)


def _thinking(claude: Claude, effort: Effort | None, max_tokens: int) -> dict[str, Any]:
    if effort is None:
        # They would think all the same, in silence for minutes: the thoughts are shown, and show that it lives.
        return {"thinking": _adaptive()} if claude.thinks_unasked else {}
    if effort is Effort.NONE:
        return {"thinking": {"type": claude.rest}} if claude.rest else _effort(Effort.LOW)
    if claude.thinks_adaptively:
        return _effort(effort)
    if max_tokens < 2 * _LEAST_BUDGET:
        return {}
    budget = min(max(int(max_tokens * _BUDGET[effort]), _LEAST_BUDGET), _MOST_BUDGET)
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


def _effort(effort: Effort) -> dict[str, Any]:
    return {"thinking": _adaptive(), "output_config": {"effort": effort.value}}


def _adaptive() -> dict[str, Any]:
    return {"type": "adaptive", "display": "summarized"}


def _thinks(body: dict[str, Any]) -> bool:
    return body.get("thinking", {}).get("type") in ("adaptive", "enabled")


def _has_thoughts(messages: Iterable[dict[str, Any]]) -> bool:
    blocks = (block for message in messages if not isinstance(message["content"], str) for block in message["content"])
    return any(block["type"] in _THOUGHTS for block in blocks)


def _cache(messages: Sequence[dict[str, Any]]) -> None:
    """Keep all up to the newest message in the vendor's cache, where the next turn will find it.

    Writing it costs a quarter more than plain input and reading it a tenth or less: worth it once a conversation has
    shown that it goes on, and not for a single question, which nobody reads again.
    """
    message = messages[-1]
    if message["role"] != "user":
        return
    if isinstance(message["content"], str):
        message["content"] = [{"type": "text", "text": message["content"]}]
    message["content"][-1]["cache_control"] = _EPHEMERAL


def _messages(messages: Sequence[ModelMessage], *, with_reasoning: bool) -> list[dict[str, Any]]:
    spelled = ({"role": message.role, "content": _content(message, with_reasoning)} for message in messages)
    return [message for message in spelled if message["content"]]


def _content(message: ModelMessage, with_reasoning: bool) -> str | list[dict[str, Any]]:
    """A text alone stays one; blank ones are left out, for the vendor refuses them."""
    if isinstance(message.content, str):
        return "" if message.content.isspace() else message.content
    parts = [part for part in message.content if with_reasoning or not isinstance(part, Reasoning)]
    blocks = [block for part in _joined(parts) if (block := _block(part))]
    if all(block["type"] in _THOUGHTS for block in blocks):
        return ""  # nothing was said, and thoughts alone are refused
    if len(blocks) == 1 and blocks[0]["type"] == "text":
        return str(blocks[0]["text"])
    return sorted(blocks, key=lambda block: block["type"] != "tool_result")  # these have to come first


def _joined(parts: Iterable[Part]) -> Iterator[Part]:
    """Texts that follow each other as one: a blank line that parts two of them must not stand alone."""
    text = ""
    for part in parts:
        if isinstance(part, Text):
            text += part.text
            continue
        yield Text(text)
        yield part
        text = ""
    yield Text(text)


def _block(part: Part) -> dict[str, Any] | None:
    match part:
        case Text(text):
            return {"type": "text", "text": text} if text.strip() else None
        case Image(data, media_type):
            return {"type": "image", "source": _source(data, media_type)}
        case Pdf(data, title):
            document = {"type": "document", "source": _source(data, "application/pdf")}
            return document | {"title": title} if title else document
        case Reasoning(redacted=str(data)):
            return {"type": "redacted_thinking", "data": data}
        case Reasoning(text, signature=str(signature)):
            return {"type": "thinking", "thinking": text, "signature": signature}
        case Reasoning():
            return None  # without its seal it is refused
        case ToolCall(call_id, name, arguments):
            return {"type": "tool_use", "id": call_id, "name": name, "input": _object(arguments)}
        case ToolResult(call_id, text, failed):
            result: dict[str, Any] = {"type": "tool_result", "tool_use_id": call_id, "content": text}
            return result | {"is_error": True} if failed else result


def _source(data: bytes, media_type: str) -> dict[str, str]:
    return {"type": "base64", "media_type": media_type, "data": b64encode(data).decode()}


def _object(arguments: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(arguments or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise REJECTED.failure() from error
