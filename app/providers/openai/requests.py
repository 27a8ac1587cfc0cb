"""Our requests in the words of OpenAI's chat completions, and of DeepSeek's where those differ."""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

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

# OpenAI's first reasoning models cannot be told to leave it.
_ALWAYS_REASON = re.compile(r"(.*/)?(o\d|gpt-5(-mini|-nano)?$)")


def chat_body(request: ModelRequest, *, official: bool) -> dict[str, Any]:
    """The JSON of `POST /chat/completions`; `official` where OpenAI itself reads it."""
    messages = list(_messages(request.messages, with_reasoning=request.model.provider == "deepseek"))
    if request.system_prompt:
        messages.insert(0, {"role": "system", "content": request.system_prompt})
    body: dict[str, Any] = {
        "model": request.model.id,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        # OpenAI's own reasoning models refuse the old name; most other servers know only that one.
        "max_completion_tokens" if official else "max_tokens": request.max_tokens,
    }
    if request.temperature is not None and request.model.takes_temperature:
        body["temperature"] = request.temperature
    if request.effort is not None and request.model.reasons:
        body |= _effort(request.effort, request.model.provider, request.model.id)
    return body


def _effort(effort: Effort, provider: str, model: str) -> dict[str, Any]:
    if provider == "deepseek":
        if effort is Effort.NONE:
            return {"thinking": {"type": "disabled"}}
        return {"thinking": {"type": "enabled"}, "reasoning_effort": effort.value}
    if effort is Effort.NONE and _ALWAYS_REASON.match(model):
        return {"reasoning_effort": "minimal" if "gpt" in model else "low"}
    return {"reasoning_effort": effort.value}


def _messages(messages: Sequence[ModelMessage], *, with_reasoning: bool) -> Iterator[dict[str, Any]]:
    used_tools = False
    for message in messages:
        if isinstance(message.content, str):
            yield {"role": message.role, "content": message.content}
            continue
        if message.role == "user":
            yield from _tool_results(message.content)
            if content := _said(message.content):
                yield {"role": "user", "content": content}
        else:
            used_tools = used_tools or any(isinstance(part, ToolCall) for part in message.content)
            # DeepSeek refuses a conversation with tools that lacks what it thought, and ignores it in any other.
            yield _answered(message, with_reasoning=with_reasoning and used_tools)


def _tool_results(parts: Iterable[Part]) -> Iterator[dict[str, Any]]:
    for part in parts:
        if isinstance(part, ToolResult):
            yield {"role": "tool", "tool_call_id": part.call_id, "content": part.text}


def _said(parts: Iterable[Part]) -> str | list[dict[str, Any]]:
    """What a user said and showed: plain text where it is no more, for many servers take nothing else."""
    content = [spelled for part in parts if (spelled := _shown(part))]
    if all(each["type"] == "text" for each in content):
        return "".join(each["text"] for each in content)
    return content


def _shown(part: Part) -> dict[str, Any] | None:
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Image(data, media_type):
            return {"type": "image_url", "image_url": {"url": _data_url(data, media_type)}}
        case Pdf(data, title):
            file = {"filename": title or "document.pdf", "file_data": _data_url(data, "application/pdf")}
            return {"type": "file", "file": file}
        case Reasoning() | ToolCall() | ToolResult():
            return None


def _answered(message: ModelMessage, *, with_reasoning: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {"role": "assistant", "content": message.text}
    if calls := [_called(part) for part in message.parts if isinstance(part, ToolCall)]:
        answer |= {"content": message.text or None, "tool_calls": calls}
    thought = "".join(part.text for part in message.parts if isinstance(part, Reasoning))
    if with_reasoning and thought:
        answer["reasoning_content"] = thought
    return answer


def _called(call: ToolCall) -> dict[str, Any]:
    # Some servers read the arguments as JSON, which nothing at all is not.
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}


def _data_url(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{b64encode(data).decode()}"
