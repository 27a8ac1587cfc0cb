"""A conversation in the words of OpenAI's chat completions."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from app.domain.prompts import (
    CacheMark,
    Image,
    ImageLink,
    ModelMessage,
    Part,
    Pdf,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from app.providers.call_ids import another

_LONGEST_ID = 40
"""Characters of a call's id, to OpenAI; other vendors, whose calls a conversation may hold, give longer ones."""


def messages_of(
    messages: Sequence[ModelMessage], system_prompt: str | None, *, with_reasoning: bool
) -> list[dict[str, Any]]:
    """`with_reasoning` where the server is to be told what the model thought when it called tools."""
    spelled: list[dict[str, Any]] = [{"role": "system", "content": system_prompt}] if system_prompt else []
    spelled += _messages(messages, with_reasoning=with_reasoning)
    return spelled


def _messages(messages: Sequence[ModelMessage], *, with_reasoning: bool) -> Iterator[dict[str, Any]]:
    used_tools = False
    for message in messages:
        if isinstance(message.content, str):
            yield {"role": message.role, "content": message.content}
        elif message.role == "system":
            yield {"role": "system", "content": message.text}
        elif message.role == "user":
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
            yield {"role": "tool", "tool_call_id": id_of(part.call_id), "content": part.text}


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
        case Image(data, media_type, detail):
            return _image(data_url(data, media_type), detail)
        case ImageLink(url, detail):
            return _image(url, detail)
        case Pdf(data, title):
            file = {"filename": title or "document.pdf", "file_data": data_url(data, "application/pdf")}
            return {"type": "file", "file": file}
        case Reasoning() | ToolCall() | ToolResult() | CacheMark():
            return None


def _image(url: str, detail: str | None) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, "detail": detail} if detail else {"url": url}}


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
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    return {"id": id_of(call.id), "type": "function", "function": function}


def id_of(call_id: str) -> str:
    """The id of a call as OpenAI takes it."""
    return call_id if len(call_id) <= _LONGEST_ID else another(call_id)


def data_url(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{b64encode(data).decode()}"
