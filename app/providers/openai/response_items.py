"""A conversation in the words of OpenAI's Responses API: one item after the other, whoever said it."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
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
from app.providers import seals
from app.providers.openai.messages import data_url, id_of

Item = dict[str, Any]


def items_of(messages: Sequence[ModelMessage]) -> list[Item]:
    return [item for message in messages for item in _items(message)]


def _items(message: ModelMessage) -> Iterator[Item]:
    match message.role:
        case "assistant":
            yield from _answered(message.parts)
        case "system":
            yield {"role": "developer", "content": message.text}
        case "user":
            yield from (_result(part) for part in message.parts if isinstance(part, ToolResult))
            if content := _said(message.parts):
                yield {"role": "user", "content": content}


def _said(parts: Iterable[Part]) -> str | list[Item]:
    content = [spelled for part in parts if (spelled := _shown(part))]
    if all(each["type"] == "input_text" for each in content):
        return "".join(each["text"] for each in content)
    return content


def _shown(part: Part) -> Item | None:
    match part:
        case Text(text):
            return {"type": "input_text", "text": text}
        case Image(data, media_type, detail):
            return _image(data_url(data, media_type), detail)
        case ImageLink(url, detail):
            return _image(url, detail)
        case Pdf(data, title):
            file_data = data_url(data, "application/pdf")
            return {"type": "input_file", "filename": title or "document.pdf", "file_data": file_data}
        case Reasoning() | ToolCall() | ToolResult() | CacheMark():
            return None


def _image(url: str, detail: str | None) -> Item:
    return {"type": "input_image", "image_url": url, "detail": detail or "auto"}


def _result(result: ToolResult) -> Item:
    output = [spelled for part in result.parts if (spelled := _shown(part))]
    return {"type": "function_call_output", "call_id": id_of(result.call_id), "output": output or result.text}


def _answered(parts: Iterable[Part]) -> list[Item]:
    """In the order in which it came, by which a call finds the thoughts before it; thoughts of nothing are refused."""
    items: list[Item] = []
    for is_text, group in groupby(_kept(parts), lambda part: isinstance(part, Text)):
        told = list(group)
        items += _wrote(told) if is_text else filter(None, map(_did, told))
    while items and items[-1]["type"] == "reasoning":
        items.pop()
    return items


def _kept(parts: Iterable[Part]) -> Iterator[Part]:
    return (part for part in parts if not isinstance(part, CacheMark))


def _wrote(parts: Iterable[Part]) -> list[Item]:
    if not (text := "".join(part.text for part in parts if isinstance(part, Text))):
        return []
    content = {"type": "output_text", "text": text, "annotations": []}
    return [{"type": "message", "role": "assistant", "content": [content]}]


def _did(part: Part) -> Item | None:
    match part:
        case Reasoning(text, signature):
            return _thought(text, seals.openai(signature))
        case ToolCall(call_id, name, arguments):
            called = {"type": "function_call", "call_id": id_of(call_id), "name": name}
            return called | {"arguments": arguments or "{}"}
        case _:
            return None


def _thought(text: str, seal: str | None) -> Item | None:
    """With its seal, which holds the thought itself, or not at all; without the id of one that OpenAI did not store."""
    if seal is None:
        return None
    summary = [{"type": "summary_text", "text": text}] if text else []
    return {"type": "reasoning", "summary": summary, "encrypted_content": seal}
