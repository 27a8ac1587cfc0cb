"""A conversation in the words of Anthropic's Messages API: messages made of blocks."""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

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
from app.providers.anthropic.tools import cache_control
from app.providers.call_ids import another
from app.providers.verdicts import REJECTED

_ID = re.compile(r"[a-zA-Z0-9_-]+", re.ASCII)
"""Of a call; others are refused, such as `functions.weather:0`, which some servers of OpenAI's protocol give."""
_THOUGHTS = ("thinking", "redacted_thinking")

Block = dict[str, Any]


def messages(told: Sequence[ModelMessage], *, with_reasoning: bool, with_system: bool) -> list[dict[str, Any]]:
    """Those that say anything. Raises GenerationFailure for arguments of a tool call that are no JSON object.

    `with_system` is whether the model takes messages of that role, which it does behind a user's and before its own
    alone; all others are a user's text, for to leave out what they say would be worse than to say it with less weight.
    """
    spelled = [(message.role, _content(message, with_reasoning)) for message in told]
    spelled = [(role, content) for role, content in spelled if content]
    sent: list[dict[str, Any]] = []
    for number, (role, content) in enumerate(spelled):
        behind_user = bool(sent) and sent[-1]["role"] == "user"
        before_answer = number + 1 == len(spelled) or spelled[number + 1][0] == "assistant"
        told_midway = with_system and behind_user and before_answer
        sent.append({"role": "user" if role == "system" and not told_midway else role, "content": content})
    return sent


def system(prompt: str | None, parts: Sequence[Text | CacheMark]) -> str | list[Block]:
    """The prompt before it all; in blocks where marks stand in it, and empty where it says nothing."""
    if any(isinstance(part, CacheMark) for part in parts):
        return _blocks(parts)
    return "" if prompt is None or prompt.isspace() else prompt


def has_thoughts(sent: Iterable[dict[str, Any]]) -> bool:
    blocks = (block for message in sent if not isinstance(message["content"], str) for block in message["content"])
    return any(block["type"] in _THOUGHTS for block in blocks)


def keep(sent: Sequence[dict[str, Any]]) -> None:
    """Keep all up to the newest message in the vendor's cache, where the next turn will find it.

    Writing it costs a quarter more than plain input and reading it a tenth or less: worth it once a conversation has
    shown that it goes on, and not for a single question, which nobody reads again.
    """
    message = sent[-1]
    if message["role"] == "assistant" or not any(each["role"] == "assistant" for each in sent):
        return
    if isinstance(message["content"], str):
        message["content"] = [{"type": "text", "text": message["content"]}]
    message["content"][-1]["cache_control"] = cache_control(CacheMark())


def _content(message: ModelMessage, with_reasoning: bool) -> str | list[Block]:
    """A text alone stays one; blank ones are left out, for the vendor refuses them."""
    if isinstance(message.content, str):
        return "" if message.content.isspace() else message.content
    blocks = _blocks(part for part in message.content if with_reasoning or not isinstance(part, Reasoning))
    if all(block["type"] in _THOUGHTS for block in blocks):
        return ""  # nothing was said, and thoughts alone are refused
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        return str(blocks[0]["text"])
    return sorted(blocks, key=lambda block: block["type"] != "tool_result")  # these have to come first


def _blocks(parts: Iterable[Part]) -> list[Block]:
    blocks: list[Block] = []
    for part in _joined(parts):
        if isinstance(part, CacheMark):
            # Thoughts take no mark: what follows them is cached with them.
            if blocks and blocks[-1]["type"] not in _THOUGHTS:
                blocks[-1]["cache_control"] = cache_control(part)
        elif block := _block(part):
            blocks.append(block)
    return blocks


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


def _block(part: Part) -> Block | None:
    match part:
        case Text(text):
            return {"type": "text", "text": text} if text.strip() else None
        case Image(data, media_type):
            return {"type": "image", "source": _source(data, media_type)}
        case ImageLink(url):
            return {"type": "image", "source": {"type": "url", "url": url}}
        case Pdf(data, title):
            document = {"type": "document", "source": _source(data, "application/pdf")}
            return document | {"title": title} if title else document
        case Reasoning(redacted=str(data)):
            return {"type": "redacted_thinking", "data": data}
        case Reasoning(text, signature=given) if (signature := seals.anthropic(given)) is not None:
            return {"type": "thinking", "thinking": text, "signature": signature}
        case Reasoning() | CacheMark():
            return None  # without this vendor's seal they are refused
        case ToolCall(call_id, name, arguments):
            return {"type": "tool_use", "id": _id(call_id), "name": name, "input": _object(arguments)}
        case ToolResult():
            return _result(part)


def _result(result: ToolResult) -> Block:
    content = _blocks(result.parts) or result.text
    block: Block = {"type": "tool_result", "tool_use_id": _id(result.call_id), "content": content}
    return block | {"is_error": True} if result.failed else block


def _id(call_id: str) -> str:
    return call_id if _ID.fullmatch(call_id) else another(call_id)


def _source(data: bytes, media_type: str) -> dict[str, str]:
    return {"type": "base64", "media_type": media_type, "data": b64encode(data).decode()}


def _object(arguments: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(arguments or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise REJECTED.failure() from error
