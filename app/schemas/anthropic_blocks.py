"""The blocks that messages of Anthropic's are made of."""

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from app.core.errors import Invalid
from app.domain import prompts
from app.domain.prompts import CacheMark, Image, ImageLink, Part, Pdf, Reasoning, ToolCall, ToolResult
from app.schemas.door_media import decoded, picture, picture_of
from app.schemas.doors import DoorBody, Items, JsonObject, Text

Name = Annotated[Text, Field(min_length=1, max_length=200)]


class CacheControl(DoorBody):
    """A mark: what stands up to here is worth keeping in the vendor's cache."""

    type: Literal["ephemeral"] = Field("ephemeral", description="The only kind.")
    ttl: Literal["5m", "1h"] | None = Field(None, description="For how long.")

    def mark(self) -> CacheMark:
        return CacheMark(self.ttl)


class Citations(DoorBody):
    """Whether an answer is to say where it has something from."""

    enabled: bool = Field(False, description="Not to be had.")


class Block(DoorBody):
    """What the blocks have in common that may bear a mark."""

    cache_control: CacheControl | None = Field(None, description="Keep all up to here in the vendor's cache.")

    def marks(self) -> Iterator[CacheMark]:
        if self.cache_control is not None:
            yield self.cache_control.mark()


class TextBlock(Block):
    """A text."""

    type: Literal["text"] = Field(description="`text`.")
    text: Text = Field(description="What it says.")

    def parts(self, at: str) -> Iterator[Part]:
        yield prompts.Text(self.text)
        yield from self.marks()


class ImageSource(DoorBody):
    """Where a picture is."""

    type: Literal["base64", "url"] = Field(description="Whether it is in `data` or at `url`.")
    media_type: Text | None = Field(None, description="Of `data`: a PNG, JPEG, GIF or WebP.")
    data: Text | None = Field(None, description="The file, in base64.")
    url: Text | None = Field(None, description="A public https:// address.")

    def shown(self, at: str) -> Image | ImageLink:
        if self.type == "url":
            return picture(_given(self.url, f"{at}.url"), field=f"{at}.url")
        kind = _given(self.media_type, f"{at}.media_type").lower()
        return picture_of(decoded(_given(self.data, f"{at}.data"), field=f"{at}.data"), kind, field=f"{at}.media_type")


class ImageBlock(Block):
    """A picture."""

    type: Literal["image"] = Field(description="`image`.")
    source: ImageSource = Field(description="Where it is.")

    def parts(self, at: str) -> Iterator[Part]:
        yield self.source.shown(f"{at}.source")
        yield from self.marks()


def _one_of(*types: str) -> Discriminator:
    """Which of several blocks it is, by its `type`. Their tags are no names of fields: a fault is found by those."""

    def tag(given: Any) -> str | None:
        kind = given.get("type") if isinstance(given, dict) else getattr(given, "type", None)
        return f"{kind}_block" if kind in types else None

    said = f"A block here has the `type` {', '.join(types)}."
    return Discriminator(tag, custom_error_type="block_type", custom_error_message=said)


ShownBlock = Annotated[
    Annotated[TextBlock, Tag("text_block")] | Annotated[ImageBlock, Tag("image_block")], _one_of("text", "image")
]


class DocumentSource(DoorBody):
    """Where a document is."""

    type: Literal["base64", "text", "content"] = Field(description="`base64` is a PDF.")
    media_type: Literal["application/pdf", "text/plain"] | None = Field(None, description="Of `data`.")
    data: Text | None = Field(None, description="The PDF in base64, or the text.")
    content: Text | Items[ShownBlock] | None = Field(None, description="Of a `content`: its text, or its blocks.")


class DocumentBlock(Block):
    """A document."""

    type: Literal["document"] = Field(description="`document`.")
    source: DocumentSource = Field(description="Where it is.")
    title: Text | None = Field(None, description="Its name.")
    context: Text | None = Field(None, description="What is to be known of it.")
    citations: Citations = Field(Citations(), description="Whether the answer is to cite it.")

    def parts(self, at: str) -> Iterator[Part]:
        _refuse_citations(self.citations, at)
        yield from self._held(f"{at}.source")
        yield from self.marks()

    def _held(self, at: str) -> Iterator[Part]:
        source = self.source
        if source.type == "base64":
            if self.context:
                yield prompts.Text(f"{self.context}\n\n")
            yield Pdf(decoded(_given(source.data, f"{at}.data"), field=f"{at}.data"), self.title)
            return
        if head := "\n".join(filter(None, (self.title, self.context))):
            yield prompts.Text(f"{head}\n\n")
        if source.type == "text":
            yield prompts.Text(_given(source.data, f"{at}.data"))
        elif source.content is None or isinstance(source.content, str):
            yield prompts.Text(_given(source.content, f"{at}.content"))
        else:
            yield from parts_of(source.content, f"{at}.content")


class SearchResultBlock(Block):
    """Something that was found."""

    type: Literal["search_result"] = Field(description="`search_result`.")
    source: Text = Field(description="Where it was found.")
    title: Text = Field(description="What it is called.")
    content: Items[TextBlock] = Field(description="What it says.")
    citations: Citations = Field(Citations(), description="Whether the answer is to cite it.")

    def parts(self, at: str) -> Iterator[Part]:
        _refuse_citations(self.citations, at)
        said = "\n".join(block.text for block in self.content)
        yield prompts.Text(f"{self.title}\n{self.source}\n\n{said}\n\n")
        yield from self.marks()


ResultBlock = Annotated[
    Annotated[TextBlock, Tag("text_block")]
    | Annotated[ImageBlock, Tag("image_block")]
    | Annotated[DocumentBlock, Tag("document_block")]
    | Annotated[SearchResultBlock, Tag("search_result_block")],
    _one_of("text", "image", "document", "search_result"),
]


class ToolResultBlock(Block):
    """What a tool answered."""

    type: Literal["tool_result"] = Field(description="`tool_result`.")
    tool_use_id: Name = Field(description="The call that it answers.")
    content: Text | Items[ResultBlock] = Field("", description="The answer, or its blocks.")
    is_error: bool = Field(False, description="Whether it failed.")

    def parts(self, at: str) -> Iterator[Part]:
        if isinstance(self.content, str):
            yield ToolResult(self.tool_use_id, self.content, self.is_error)
            yield from self.marks()
            return
        within = parts_of(self.content, f"{at}.content")
        told = [part for part in within if isinstance(part, prompts.Text | Image | ImageLink | Pdf)]
        text = "".join(part.text for part in told if isinstance(part, prompts.Text))
        more = told if any(not isinstance(part, prompts.Text) for part in told) else ()
        yield ToolResult(self.tool_use_id, text, self.is_error, more)
        # A mark within it comes behind it all: so little more is kept that way.
        yield from list(self.marks()) or [part for part in within if isinstance(part, CacheMark)][-1:]


class ThinkingBlock(DoorBody):
    """What the model thought."""

    type: Literal["thinking"] = Field(description="`thinking`.")
    thinking: Text = Field(description="The thoughts.")
    signature: Text | None = Field(None, description="Their seal, as it came.")

    def parts(self, at: str) -> Iterator[Part]:
        yield Reasoning(self.thinking, signature=self.signature or None)


class RedactedThinkingBlock(DoorBody):
    """Thoughts that are shown only encrypted."""

    type: Literal["redacted_thinking"] = Field(description="`redacted_thinking`.")
    data: Text = Field(min_length=1, description="As it came.")

    def parts(self, at: str) -> Iterator[Part]:
        yield Reasoning(redacted=self.data)


class ToolUseBlock(Block):
    """A call that the model made."""

    type: Literal["tool_use"] = Field(description="`tool_use`.")
    id: Name = Field(description="Which its result names.")
    name: Name = Field(description="The tool.")
    input: JsonObject = Field({}, description="Its arguments.")

    def parts(self, at: str) -> Iterator[Part]:
        yield ToolCall(self.id, self.name, json.dumps(self.input, ensure_ascii=False))
        yield from self.marks()


UserBlock = Annotated[
    Annotated[TextBlock, Tag("text_block")]
    | Annotated[ImageBlock, Tag("image_block")]
    | Annotated[DocumentBlock, Tag("document_block")]
    | Annotated[SearchResultBlock, Tag("search_result_block")]
    | Annotated[ToolResultBlock, Tag("tool_result_block")],
    _one_of("text", "image", "document", "search_result", "tool_result"),
]
AssistantBlock = Annotated[
    Annotated[TextBlock, Tag("text_block")]
    | Annotated[ThinkingBlock, Tag("thinking_block")]
    | Annotated[RedactedThinkingBlock, Tag("redacted_thinking_block")]
    | Annotated[ToolUseBlock, Tag("tool_use_block")],
    _one_of("text", "thinking", "redacted_thinking", "tool_use"),
]


def parts_of(blocks: Sequence[UserBlock | AssistantBlock], at: str) -> list[Part]:
    """What they say, with the marks behind them; `at` is where they stand. Raises Invalid."""
    return [part for number, block in enumerate(blocks) for part in block.parts(f"{at}[{number}]")]


def _given(value: str | None, field: str) -> str:
    if value is None:
        raise Invalid("A source of this type needs it.", field=field)
    return value


def _refuse_citations(citations: Citations, at: str) -> None:
    if citations.enabled:
        raise Invalid("Citations are not to be had here.", field=f"{at}.citations.enabled")
