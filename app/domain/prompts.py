"""The request that a model receives, in no vendor's words: messages made of parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from app.domain.cards import ModelCard


class Effort(StrEnum):
    """How much a model is to reason before it answers."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """`data` is the file's bytes; `media_type` one of image/png, image/jpeg, image/gif, image/webp."""

    data: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Pdf:
    data: bytes
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What a model thought before it answered.

    `signature` is its vendor's seal on `text`, which lets the same model go on from it; `redacted` stands for reasoning
    that the vendor shows only encrypted. Both are opaque and go back unchanged or not at all.
    """

    text: str = ""
    signature: str | None = None
    redacted: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """`arguments` is the JSON text that the model wrote."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What the tool of an earlier ToolCall answered; in a user's message."""

    call_id: str
    text: str
    failed: bool = False


Part = Text | Image | Pdf | Reasoning | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class ModelMessage:
    """One message: a text alone, or parts in their order."""

    role: Literal["user", "assistant"]
    content: str | Sequence[Part]

    @property
    def parts(self) -> Sequence[Part]:
        return [Text(self.content)] if isinstance(self.content, str) else self.content

    @property
    def text(self) -> str:
        """What was said, without all that came with it."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content if isinstance(part, Text))


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What a provider is asked: `max_tokens` bounds the answer; None leaves a choice to the vendor."""

    model: ModelCard
    messages: Sequence[ModelMessage]
    system_prompt: str | None
    max_tokens: int
    temperature: float | None
    effort: Effort | None = None
