"""The items of OpenAI's responses: messages, what was thought, calls of tools and their results."""

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field

from app.core.errors import Invalid
from app.domain import prompts, seals
from app.domain.prompts import ModelMessage, Part, Reasoning, ToolCall, ToolResult
from app.schemas.door_media import pdf_from_url, picture
from app.schemas.doors import DoorBody, Items, Text

_INSTRUCTING = ("system", "developer")


class InputPart(DoorBody):
    """A part of a message, or of what a tool gave back."""

    type: Text = Field(description="`input_text`, `output_text`, `input_image`, `input_file` or `refusal`.")
    text: Text | None = Field(None, description="Of a text.")
    refusal: Text | None = Field(None, description="Of a `refusal`.")
    image_url: Text | None = Field(None, description="Of an `input_image`: a `data:` URL or an https:// address.")
    detail: Literal["auto", "low", "high", "original"] | None = Field(None, description="How closely to look.")
    file_data: Text | None = Field(None, description="Of an `input_file`: a PDF in base64.")
    filename: Text | None = Field(None, description="Of an `input_file`: its name.")


class ThoughtPart(DoorBody):
    """A part of what was thought."""

    text: Text = Field("", description="The thought.")


class InputItem(DoorBody):
    """One item."""

    type: Text = Field("message", description="`message`, `function_call`, `function_call_output` or `reasoning`.")
    role: Literal["system", "developer", "user", "assistant"] | None = Field(
        None, description="Of a message: whose it is."
    )
    content: Text | Items[InputPart] | None = Field(None, description="Of a message: what was said, or its parts.")
    call_id: Text | None = Field(None, max_length=200, description="Of a call and its result: which.")
    name: Text | None = Field(None, max_length=200, description="Of a call: the function's name.")
    arguments: Text = Field("", description="Of a call: the JSON text that the model wrote.")
    output: Text | Items[InputPart] | None = Field(None, description="Of a result: what the function gave back.")
    summary: Items[ThoughtPart] = Field([], description="Of reasoning: what was thought.")
    encrypted_content: Text | None = Field(None, description="Of reasoning: what it was given with, unchanged.")


def conversation(given: str | Sequence[InputItem], instructions: str | None) -> tuple[str | None, list[ModelMessage]]:
    """The system prompt and what was said. Raises Invalid."""
    if isinstance(given, str):
        return instructions or None, [ModelMessage("user", given)]
    first = next((i for i, each in enumerate(given) if each.role not in _INSTRUCTING), len(given))
    told = [instructions or "", *(_text_of(each.content, f"input[{i}]") for i, each in enumerate(given[:first]))]
    messages = list(_merged(_said(each, f"input[{i}]") for i, each in enumerate(given[first:], first)))
    if not messages:
        raise Invalid("There is nothing to answer: add a message of the user's.", field="input")
    return "\n\n".join(filter(None, told)) or None, messages


def _merged(said: Iterator[ModelMessage]) -> Iterator[ModelMessage]:
    """What one side gave in several items, calls and thoughts and results, is one message of its parts."""
    held: ModelMessage | None = None
    for message in said:
        if held is not None and held.role == message.role and not (_is_said(held) and _is_said(message)):
            held = ModelMessage(held.role, [*held.parts, *message.parts])
            continue
        if held is not None:
            yield held
        held = message
    if held is not None:
        yield held


def _is_said(message: ModelMessage) -> bool:
    return all(not isinstance(part, ToolCall | ToolResult | Reasoning) for part in message.parts)


def _said(item: InputItem, at: str) -> ModelMessage:
    match item.type:
        case "message" if item.role is not None:
            return _message(item, at)
        case "function_call" if item.call_id and item.name:
            return ModelMessage("assistant", [ToolCall(item.call_id, item.name, item.arguments)])
        case "function_call_output" if item.call_id:
            return ModelMessage("user", [_result(item, item.call_id, at)])
        case "reasoning":
            return ModelMessage("assistant", [_thought(item)])
        case "message":
            raise Invalid("A message says whose it is.", field=f"{at}.role")
        case "function_call" | "function_call_output":
            raise Invalid("A call has a `call_id` and a `name`, and its result the `call_id`.", field=f"{at}.call_id")
        case _:
            raise Invalid(
                "An item is a `message`, a `function_call`, a `function_call_output` or `reasoning`.",
                field=f"{at}.type",
            )


def _message(item: InputItem, at: str) -> ModelMessage:
    if item.role == "assistant":
        return ModelMessage("assistant", _text_of(item.content, at))
    if item.role in _INSTRUCTING:
        return ModelMessage("system", _text_of(item.content, at))
    if not item.content:
        raise Invalid("A message of the user's has content.", field=f"{at}.content")
    if isinstance(item.content, str):
        return ModelMessage("user", item.content)
    return ModelMessage("user", [_part(part, f"{at}.content[{i}]") for i, part in enumerate(item.content)])


def _thought(item: InputItem) -> Reasoning:
    signature, redacted = seals.apart(item.encrypted_content)
    return Reasoning("\n\n".join(part.text for part in item.summary), signature, redacted)


def _result(item: InputItem, call_id: str, at: str) -> ToolResult:
    if item.output is None or isinstance(item.output, str):
        return ToolResult(call_id, item.output or "")
    parts = [_part(part, f"{at}.output[{i}]") for i, part in enumerate(item.output)]
    text = "".join(part.text for part in parts if isinstance(part, prompts.Text))
    shown = [part for part in parts if isinstance(part, prompts.Text | prompts.Image | prompts.ImageLink | prompts.Pdf)]
    return ToolResult(call_id, text, parts=() if all(isinstance(part, prompts.Text) for part in shown) else shown)


def _part(part: InputPart, at: str) -> Part:
    match part.type:
        case "input_text" | "output_text" | "text" if part.text is not None:
            return prompts.Text(part.text)
        case "input_image" if part.image_url is not None:
            return picture(part.image_url, field=f"{at}.image_url", detail=part.detail)
        case "input_image":
            raise Invalid("A picture comes as `image_url`.", field=f"{at}.image_url")
        case "input_file" if part.file_data is not None:
            return pdf_from_url(part.file_data, part.filename, field=f"{at}.file_data")
        case "input_file":
            raise Invalid("A file comes as `file_data`.", field=f"{at}.file_data")
        case _:
            raise Invalid("A part is `input_text`, `input_image` or `input_file`.", field=f"{at}.type")


def _text_of(content: str | Sequence[InputPart] | None, at: str) -> str:
    """Where nothing else can stand."""
    if content is None or isinstance(content, str):
        return content or ""
    texts = []
    for i, part in enumerate(content):
        said = part.text if part.text is not None else part.refusal
        if said is None:
            raise Invalid("Here only text can stand.", field=f"{at}.content[{i}].type")
        texts.append(said)
    return "".join(texts)
