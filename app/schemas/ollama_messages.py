"""The messages of Ollama's chat."""

import json
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field

from app.core.errors import Invalid
from app.domain import prompts
from app.domain.prompts import ModelMessage, Part, Reasoning, ToolCall, ToolResult
from app.schemas.door_media import decoded, picture_of, sniffed
from app.schemas.doors import DoorBody, Items, JsonObject, Text


class CalledFunction(DoorBody):
    """The function that was called."""

    name: Text = Field(min_length=1, max_length=200, description="Its name.")
    arguments: JsonObject = Field({}, description="What it was called with.")


class CallMade(DoorBody):
    """A call that the model made."""

    id: Text | None = Field(None, max_length=200, description="Which its result may name.")
    function: CalledFunction = Field(description="What was called.")


class ChatMessage(DoorBody):
    """One message."""

    role: Literal["system", "user", "assistant", "tool"] = Field(description="Whose it is.")
    content: Text = Field("", description="What was said.")
    thinking: Text | None = Field(None, description="Of the assistant: what it thought.")
    images: Items[Text] = Field([], description="Of the user: pictures in base64.")
    tool_calls: Items[CallMade] = Field([], description="Of the assistant: the calls that it made.")
    tool_name: Text | None = Field(None, description="Of a tool: its name.")
    tool_call_id: Text | None = Field(None, description="Of a tool: the call that it answers, where calls have ids.")


def conversation(messages: Sequence[ChatMessage]) -> tuple[str | None, list[ModelMessage]]:
    """The system prompt that it begins with, and what was said. Raises Invalid."""
    first = next((i for i, each in enumerate(messages) if each.role != "system"), len(messages))
    system = "\n\n".join(each.content for each in messages[:first] if each.content)
    said = list(_said(messages[first:], first))
    if not said:
        raise Invalid("There is nothing to answer: add a message of the user's.", field="messages")
    return system or None, said


def shown(text: str, images: Sequence[str], field: str) -> str | Sequence[Part]:
    """What a user said and showed. Raises Invalid."""
    if not images:
        return text
    parts: list[Part] = [prompts.Text(text)] if text else []
    for number, image in enumerate(images):
        at = f"{field}[{number}]"
        data = decoded(image, field=at)
        kind = sniffed(data)
        if kind is None:
            raise Invalid("A picture is a PNG, a JPEG, a GIF or a WebP.", field=at)
        parts.append(picture_of(data, kind, field=at))
    return parts


class _Calls:
    """Ids for calls and their results, where a client has none: results answer calls by name, then in order."""

    def __init__(self) -> None:
        self._made = 0
        self._open: list[tuple[str, str]] = []

    def call(self, given: CallMade) -> ToolCall:
        self._made += 1
        identity = given.id or f"call_{self._made}"
        self._open.append((identity, given.function.name))
        return ToolCall(identity, given.function.name, json.dumps(given.function.arguments, ensure_ascii=False))

    def result_of(self, message: ChatMessage) -> str | None:
        """The id of the call that this is the answer to."""
        found = next(
            (
                each
                for each in self._open
                if (each[0] == message.tool_call_id if message.tool_call_id else each[1] == message.tool_name)
            ),
            None,
        )
        found = found or next(iter(self._open), None)
        if found is None:
            return None
        self._open.remove(found)
        return found[0]


def _said(messages: Sequence[ChatMessage], first: int) -> Iterator[ModelMessage]:
    calls = _Calls()
    results: list[Part] = []
    for number, message in enumerate(messages, first):
        if message.role == "tool":
            identity = calls.result_of(message)
            if identity is None:
                raise Invalid("This answers no call of the messages before it.", field=f"messages[{number}]")
            results.append(ToolResult(identity, message.content))
            continue
        if results:
            yield ModelMessage("user", results)
            results = []
        match message.role:
            case "user":
                yield ModelMessage("user", shown(message.content, message.images, f"messages[{number}].images"))
            case "assistant":
                yield ModelMessage("assistant", _answered(message, calls))
            case _:
                yield ModelMessage("system", message.content)
    if results:
        yield ModelMessage("user", results)


def _answered(message: ChatMessage, calls: _Calls) -> str | Sequence[Part]:
    if not (message.tool_calls or message.thinking):
        return message.content
    parts: list[Part] = [Reasoning(message.thinking)] if message.thinking else []
    if message.content:
        parts.append(prompts.Text(message.content))
    return [*parts, *(calls.call(each) for each in message.tool_calls)]
