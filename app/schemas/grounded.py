"""Questions to documents, and what an answer was given to answer from."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from app.domain.chat import Turn
from app.schemas.base import Answer, Body, Id, Text
from app.schemas.chat import DEFAULT_TOKENS, MAX_TOKENS, Collection, OptionalId, OptionalName, Prompt

CollectionName = Annotated[Collection, Field(min_length=1)]
CollectionNames = Annotated[list[CollectionName], Field(min_length=1, max_length=20)]
_EXAMPLE: dict[str, Any] = {"question": "保修期有多长？ How long is the warranty?", "collection": "manuals"}


class QueryBody(Body):
    """A question to the documents of a collection, or of several."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    question: Text = Field(
        description="What is asked; at most MAX_MESSAGE_CHARS characters.", json_schema_extra={"pattern": r"\S"}
    )
    collection: CollectionName | CollectionNames = Field(
        description="The collection to answer from by its name, or several."
    )
    top_k: int = Field(6, ge=1, le=20, strict=True, description="How many passages the model is shown at most.")
    model: OptionalName = Field(
        None, description="`provider/id` or a bare id; stays with the conversation until another is named."
    )
    conversation_id: OptionalId = Field(None, description="The conversation to go on with; none begins a new one.")
    system_prompt: Prompt | None = Field(
        None, description="Stays with the conversation until another is given; empty clears it."
    )
    max_tokens: int = Field(DEFAULT_TOKENS, ge=1, le=MAX_TOKENS, strict=True, description="Bounds the answer.")
    temperature: float | None = Field(
        None, ge=0, le=2, allow_inf_nan=False, strict=True, description="0 is the most predictable."
    )
    strict: bool = Field(
        False, strict=True, description="Whether a question that the documents do not answer reaches no model."
    )

    def turn(self) -> Turn:
        named = [self.collection] if isinstance(self.collection, str) else self.collection
        return Turn(
            message=self.question,
            conversation_id=self.conversation_id,
            model=self.model,
            system_prompt=self.system_prompt,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            collections=named,
            passages=self.top_k,
            strict=self.strict,
        )


class SourceAnswer(Answer):
    """A place in a document. `quote` stands on the page from character `start` up to `end`; of very many sources only
    what is needed to open them is told."""

    n: int = Field(description="The number by which the answer names it, as in `[1]`.")
    title: str = Field(description="The document's title, shortened.")
    score: float = Field(description="From 0 to 1; good for the order of these alone.")
    page: int = Field(description="The page, slide or sheet, from 1.")
    start: int | None = Field(None, description="Where on the page the quote begins, in characters.")
    end: int | None = Field(None, description="And where it ends.")
    quote: str = Field(description="What the page says there, word for word.")
    file_id: Id | None = Field(description="The file, to open it; null where it was deleted.")
    document_id: Id | None = Field(None, description="The document.")
    chunk_id: Id | None = Field(None, description="The passage that the model was shown.")


class UsedFileAnswer(Answer):
    file_id: Id = Field(description="The file.")
    name: str = Field(description="Its name, shortened.")
    used: str = Field(description="`whole`, `excerpts`, `passages`, `image`, `pdf`, `pages`, or `unread`.")
    reason: str | None = Field(None, description="Why it was not read, as a stable word.")


class SourcesAnswer(Answer):
    sources: list[SourceAnswer] = Field(description="The passages that the model was shown.")
    answerable: bool | None = Field(None, description="Whether they hold the answer, as far as that can be told.")
    confidence: float | None = Field(None, description="How sure that is, from 0 to 1.")
    files: list[UsedFileAnswer] | None = Field(None, description="What became of attached files.")
    collections: list[Id] | None = Field(None, description="The collections that were searched.")
