"""The messages of OpenAI's chat completions."""

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field

from app.core.errors import Invalid
from app.domain import prompts
from app.domain.prompts import ModelMessage, Part, Reasoning, ToolCall, ToolResult
from app.schemas.door_media import pdf_from_url, picture
from app.schemas.doors import DoorBody, Items, Text

_INSTRUCTING = ("system", "developer")


class ImageUrl(DoorBody):
    """A picture by its address."""

    url: Text = Field(description="A `data:` URL in base64, or a public https:// address.")
    detail: Literal["auto", "low", "high", "original"] | None = Field(None, description="How closely to look.")


class FileGiven(DoorBody):
    """A PDF."""

    file_data: Text | None = Field(None, description="The PDF as a `data:` URL in base64.")
    filename: Text | None = Field(None, description="Its name.")
    file_id: Text | None = Field(None, description="Not to be had: files of OpenAI's are none of ours.")


class ContentPart(DoorBody):
    """A part of a message."""

    type: Text = Field(description="`text`, `image_url`, `file`, or in what the model said `refusal`.")
    text: Text | None = Field(None, description="Of a `text`.")
    image_url: ImageUrl | None = Field(None, description="Of an `image_url`.")
    file: FileGiven | None = Field(None, description="Of a `file`.")
    refusal: Text | None = Field(None, description="Of a `refusal`.")


class FunctionCalled(DoorBody):
    """The function that was called."""

    name: Text = Field(min_length=1, max_length=200, description="Its name.")
    arguments: Text = Field("", description="The JSON text that the model wrote.")


class CallGiven(DoorBody):
    """A call that the model made."""

    id: Text = Field(min_length=1, max_length=200, description="Which its result names.")
    type: Text = Field("function", description="`function`, the only kind.")
    function: FunctionCalled = Field(description="What was called.")


class Message(DoorBody):
    """One message."""

    role: Literal["system", "developer", "user", "assistant", "tool"] = Field(description="Whose it is.")
    content: Text | Items[ContentPart] | None = Field(None, description="What was said, or its parts.")
    refusal: Text | None = Field(None, description="Of the assistant: why it would not answer.")
    reasoning_content: Text | None = Field(None, description="Of the assistant: what it thought.")
    tool_calls: Items[CallGiven] = Field([], description="Of the assistant: the calls that it made.")
    tool_call_id: Text | None = Field(None, description="Of a tool: the call that it answers.")


def conversation(messages: Sequence[Message]) -> tuple[str | None, list[ModelMessage]]:
    """The system prompt that it begins with, and what was said. Raises Invalid."""
    first = next((i for i, each in enumerate(messages) if each.role not in _INSTRUCTING), len(messages))
    system = "\n\n".join(filter(None, (_text_of(each, i) for i, each in enumerate(messages[:first]))))
    said = list(_said(messages, first))
    if not said:
        raise Invalid("There is nothing to answer: add a message of the user's.", field="messages")
    return system or None, said


def _said(messages: Sequence[Message], first: int) -> Iterator[ModelMessage]:
    results: list[Part] = []
    for number, message in enumerate(messages[first:], first):
        if message.role == "tool":
            results.append(_result(message, number))  # those that follow each other answer one message of calls
            continue
        if results:
            yield ModelMessage("user", results)
            results = []
        match message.role:
            case "user":
                yield ModelMessage("user", _shown(message, number))
            case "assistant":
                yield ModelMessage("assistant", _answered(message, number))
            case _:
                yield ModelMessage("system", _text_of(message, number))
    if results:
        yield ModelMessage("user", results)


def _shown(message: Message, number: int) -> str | Sequence[Part]:
    if message.content is None:
        raise Invalid("A message of the user's has content.", field=f"messages[{number}].content")
    if isinstance(message.content, str):
        return message.content
    parts = [_part(part, f"messages[{number}].content[{i}]") for i, part in enumerate(message.content)]
    if not parts:
        raise Invalid("A message of the user's has content.", field=f"messages[{number}].content")
    return parts


def _part(part: ContentPart, at: str) -> Part:
    if part.type == "text" and part.text is not None:
        return prompts.Text(part.text)
    if part.type == "image_url" and part.image_url is not None:
        return picture(part.image_url.url, field=f"{at}.image_url.url", detail=part.image_url.detail)
    if part.type == "file" and part.file is not None:
        if part.file.file_data is None:
            raise Invalid("A file comes as `file_data`.", field=f"{at}.file.file_data")
        return pdf_from_url(part.file.file_data, part.file.filename, field=f"{at}.file.file_data")
    if part.type in ("text", "image_url", "file"):
        raise Invalid(f"A part of the type `{part.type}` has a field of that name.", field=f"{at}.{part.type}")
    raise Invalid("A part is `text`, `image_url` or `file`.", field=f"{at}.type")


def _answered(message: Message, number: int) -> str | Sequence[Part]:
    text = _text_of(message, number) or message.refusal or ""
    if not (message.tool_calls or message.reasoning_content):
        return text
    parts: list[Part] = []
    if message.reasoning_content:
        parts.append(Reasoning(message.reasoning_content))
    if text:
        parts.append(prompts.Text(text))
    calls = (ToolCall(call.id, call.function.name, call.function.arguments) for call in message.tool_calls)
    return [*parts, *calls]


def _result(message: Message, number: int) -> ToolResult:
    if not message.tool_call_id:
        raise Invalid("A tool's message names the call that it answers.", field=f"messages[{number}].tool_call_id")
    if isinstance(message.content, list) and any(part.type == "image_url" for part in message.content):
        parts = [_part(part, f"messages[{number}].content[{i}]") for i, part in enumerate(message.content)]
        shown = [each for each in parts if isinstance(each, prompts.Text | prompts.Image | prompts.ImageLink)]
        text = "".join(each.text for each in shown if isinstance(each, prompts.Text))
        return ToolResult(message.tool_call_id, text, parts=shown)
    return ToolResult(message.tool_call_id, _text_of(message, number))


def _text_of(message: Message, number: int) -> str:
    """Where nothing else can stand."""
    if message.content is None or isinstance(message.content, str):
        return message.content or ""
    texts = []
    for i, part in enumerate(message.content):
        said = part.text if part.type == "text" else part.refusal if part.type == "refusal" else None
        if said is None:
            raise Invalid("Here only text can stand.", field=f"messages[{number}].content[{i}].type")
        texts.append(said)
    return "".join(texts)
