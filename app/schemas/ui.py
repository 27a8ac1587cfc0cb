"""What `useChat` posts: its chat, the messages that it shows, and what else the page says of the answer."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from app.core.errors import Invalid
from app.domain.chat import Turn
from app.domain.prompts import Effort
from app.domain.ui_chats import InlaidFile, PageTurn
from app.schemas.base import EntityId, storable
from app.schemas.chat import DEFAULT_TOKENS, MAX_TOKENS, OptionalCollection, OptionalName, Prompt
from app.schemas.doors import DoorBody, Items, Text

LONGEST_CHAT_ID = 255
_MOST_MESSAGES = 10_000
_ANSWERS_AT_MOST = 50
"""Of those that a page shows, in which the last that is ours is looked for."""
_INLAID = re.compile(r"data:[^,]{0,200};base64,")
_UPLOADED = re.compile(r"/files/([0-9a-fA-F-]{36})(?:/content)?")
_HOW_TO_SEND = "Send a file as a data: URL, or upload it by POST /files and name it in `file_ids`."

_EXAMPLE: dict[str, Any] = {
    "id": "EeGBjMRU1a8ykm3O",
    "messages": [{"id": "1", "role": "user", "parts": [{"type": "text", "text": "你好 Hello"}]}],
    "trigger": "submit-message",
}


class UiMessage(DoorBody):
    """A message as the page shows it. Of all but the user's last one only the id is looked at."""

    id: str = Field("", description="By whoever made it: an answer's is ours.")
    role: str = Field(description="`user` or `assistant`.")
    parts: list[Any] = Field([], description="Of `text`, or of a `file` with a `url`; others are passed over.")


def _unless_a_message(value: object) -> object:
    return value if isinstance(value, dict) else None


class UiChatBody(DoorBody):
    """A chat of the AI SDK as its `DefaultChatTransport` posts it, with what the page adds in `body`."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    id: Annotated[Text, Field(min_length=1, max_length=LONGEST_CHAT_ID)] = Field(
        description="What the page calls this chat, or the id of a conversation to go on with."
    )
    messages: Items[UiMessage] = Field(
        [], max_length=_MOST_MESSAGES, description="What the page shows. Only the user's last one is taken from here."
    )
    message: Annotated[UiMessage | None, BeforeValidator(_unless_a_message)] = Field(
        None, description="The user's last one alone, from pages that send no others."
    )
    trigger: Literal["submit-message", "regenerate-message"] = Field(
        "submit-message", description="Whether a message is to be answered, or an answer to be written once more."
    )
    message_id: Text | None = Field(
        None, alias="messageId", description="The message that was edited, or is to be answered once more."
    )
    model: OptionalName = Field(
        None, description="`provider/id` or a bare id; stays with the conversation until another is named."
    )
    system_prompt: Prompt | None = Field(
        None, description="Stays with the conversation until another is given; empty clears it."
    )
    max_tokens: int = Field(DEFAULT_TOKENS, ge=1, le=MAX_TOKENS, strict=True, description="Bounds the answer.")
    temperature: float | None = Field(
        None, ge=0, le=2, allow_inf_nan=False, strict=True, description="0 is the most predictable."
    )
    reasoning_effort: Effort | None = Field(None, description="How much to reason before answering, where a model can.")
    file_ids: list[EntityId] = Field([], max_length=20, description="Uploaded files that the message is about.")
    collection: OptionalCollection = Field(None, description="Documents to answer from.")

    def asked(self) -> PageTurn:
        """Raises Invalid."""
        shown = self.messages or ([self.message] if self.message is not None else [])
        again = self.trigger == "regenerate-message"
        at = next((at for at in reversed(range(len(shown))) if shown[at].role == "user"), None)
        if not again and (at is None or at < len(shown) - 1):
            raise Invalid("The last message must be the user's.", field="messages")
        before = shown[: len(shown) if at is None else at]
        text, files, file_ids = (None, [], []) if at is None else _read(shown[at])
        return PageTurn(
            chat_id=self.id,
            message=text,
            files=files,
            answers=[each.id for each in reversed(before) if each.role == "assistant"][:_ANSWERS_AT_MOST],
            first=self.message is None and not any(each.role == "user" for each in before),
            again=again,
            named=self.message_id,
            turn=Turn(
                message=None,
                model=self.model,
                system_prompt=self.system_prompt,
                max_tokens=self.max_tokens,
                temperature=self.temperature,
                effort=self.reasoning_effort,
                file_ids=[*self.file_ids, *file_ids],
                collections=[self.collection] if self.collection else (),
            ),
        )


def _read(message: UiMessage) -> tuple[str, list[InlaidFile], list[str]]:
    """What a message says, the files that stand in it, and the ids of those that it refers to."""
    texts: list[str] = []
    files: list[InlaidFile] = []
    file_ids: list[str] = []
    for part in message.parts:
        match part:
            case {"type": "text", "text": str(text)}:
                texts.append(_checked(text))
            case {"type": "file", "url": str(url)}:
                if uploaded := _UPLOADED.fullmatch(url):
                    file_ids.append(uploaded[1].lower())
                else:
                    files.append(_inlaid(url, part.get("filename")))
            case {"type": "file"}:
                raise Invalid(_HOW_TO_SEND, field="messages")
    return "\n\n".join(texts), files, file_ids


def _inlaid(url: str, filename: object) -> InlaidFile:
    head = _INLAID.match(url)
    if head is None:
        raise Invalid(_HOW_TO_SEND, field="messages")
    return InlaidFile(_checked(filename) if isinstance(filename, str) else "file", url[head.end() :])


def _checked(text: str) -> str:
    try:
        return storable(text)
    except ValueError as error:
        raise Invalid(f"A message {error}.", field="messages") from error
