"""The request that a model receives, in no vendor's words: messages made of parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from app.domain.cards import ModelCard


class Effort(StrEnum):
    """How much a model is to reason before it answers; a vendor without one of them takes the nearest that it has."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """`data` is the file's bytes; `media_type` one of image/png, image/jpeg, image/gif, image/webp.

    `detail` is how closely to look, in OpenAI's words; other vendors have no such thing and lose nothing by it.
    """

    data: bytes
    media_type: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class ImageLink:
    """A picture at a public `https` address, which the vendor fetches by itself."""

    url: str
    detail: str | None = None


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
    """What the tool of an earlier ToolCall answered; in a user's message.

    `parts` is all of it in its order where it is more than `text`: pictures and documents, too.
    """

    call_id: str
    text: str
    failed: bool = False
    parts: "Sequence[Text | Image | ImageLink | Pdf]" = ()


@dataclass(frozen=True, slots=True)
class CacheMark:
    """Behind a part: a vendor that is told what to cache keeps all up to here; `ttl` is `5m`, `1h` or None, its own.

    To every other vendor it means nothing.
    """

    ttl: str | None = None


Part = Text | Image | ImageLink | Pdf | Reasoning | ToolCall | ToolResult | CacheMark


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may ask its caller to run; `parameters` is a JSON Schema of its arguments, an object.

    `strict` has the vendor hold the model to the schema. `cache` is a mark behind it, as in CacheMark.
    """

    name: str
    description: str | None
    parameters: Mapping[str, Any]
    strict: bool | None = None
    cache: CacheMark | None = None


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Whether a tool is to be called: as the model likes, not at all, any one, or with `name` just this one."""

    mode: Literal["auto", "none", "required", "named"]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """An answer that is JSON: of this JSON Schema, or where that is None any object."""

    schema: Mapping[str, Any] | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Thinking:
    """How a model is to think, where a client says it more exactly than by Effort (Anthropic's words).

    `budget` bounds the thoughts in tokens (`enabled` alone); `display` is `summarized` or `omitted`.
    """

    mode: Literal["enabled", "adaptive", "disabled"]
    budget: int | None = None
    display: str | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What a client may ask of an answer beside what every request has. None, or empty: as the vendor likes.

    A vendor that cannot do one of them is not asked at all: its adapter raises NotSupported with the field's name here.
    `more` are options of one vendor's own, by the names that it gives them (Ollama's `mirostat`, `num_gpu`, …): they go
    to that vendor and are refused by all others.
    """

    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    stop: Sequence[str] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repeat_penalty: float | None = None
    logit_bias: Mapping[str, float] | None = None
    verbosity: str | None = None
    format: AnswerFormat | None = None
    thinking: Thinking | None = None
    more: Mapping[str, Any] | None = None


NO_OPTIONS = Options()


@dataclass(frozen=True, slots=True)
class ModelMessage:
    """One message: a text alone, or parts in their order.

    `system` is for what is told in the midst of a conversation; the prompt before it all is the request's own.
    """

    role: Literal["user", "assistant", "system"]
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
    """What a provider is asked: `max_tokens` bounds the answer; None leaves a choice to the vendor.

    `system_parts` is `system_prompt` once more where it came in parts with cache marks, for who reads marks alone.
    `parallel_calls` is whether a model may call several tools at once. `bounded` is false where the client does not
    bound the answer: `max_tokens` is then our own guess, which a vendor that asks for no bound need not be told.
    """

    model: ModelCard
    messages: Sequence[ModelMessage]
    system_prompt: str | None
    max_tokens: int
    temperature: float | None
    effort: Effort | None = None
    tools: Sequence[Tool] = ()
    tool_choice: ToolChoice | None = None
    parallel_calls: bool | None = None
    options: Options = NO_OPTIONS
    system_parts: Sequence[Text | CacheMark] = ()
    bounded: bool = True
