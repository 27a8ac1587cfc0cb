"""Searches in documents, and what they find."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import ConfigDict, Field

from app.domain.documents import Collection
from app.domain.findings import Findings, Hit
from app.schemas.base import Answer, Body, EntityId, Id, Text
from app.schemas.grounded import CollectionName, CollectionNames

_EXAMPLE: dict[str, Any] = {"query": "保修期有多长？ How long is the warranty?", "collection": "manuals"}


class FilterBody(Body):
    """Where to search within the collections."""

    document_ids: list[EntityId] | None = Field(
        None, max_length=100, description="Only in these documents; in those that are not there, nothing is found."
    )


class SearchBody(Body):
    """What is looked for, and where."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    query: Text = Field(
        min_length=1, description="A question, or words that occur; at most MAX_MESSAGE_CHARS characters."
    )
    collection: CollectionName | CollectionNames = Field(
        description="The collection to search by its name, or several."
    )
    top_k: int = Field(5, ge=1, le=50, strict=True, description="How many passages are wanted at most.")
    filter: FilterBody | None = Field(None, description="Where to search within the collections.")

    @property
    def collections(self) -> list[str]:
        return [self.collection] if isinstance(self.collection, str) else self.collection

    @property
    def document_ids(self) -> list[str] | None:
        return self.filter.document_ids if self.filter else None


class ResultAnswer(Answer):
    """A passage that was found. `quote` is what the page says from character `start` up to `end`, word for word."""

    title: str = Field(description="The document's title.")
    score: float = Field(description="From 0 to 1; good for the order of these results alone.")
    content: str = Field(description="The passage, as it stands on its page.")
    page: int = Field(description="Its page, slide or sheet, from 1; what has no pages is one.")
    document_id: Id = Field(description="The document.")
    chunk_id: Id = Field(description="The passage.")
    file_id: Id | None = Field(description="The document's file, to open it; null where it was deleted.")
    collection: str = Field(description="The collection that the document is in.")
    start: int = Field(description="Where on the page the quote begins, in characters.")
    end: int = Field(description="And where it ends.")
    quote: str = Field(description="The one or two sentences of the passage that speak of what was asked.")
    headings: list[str] = Field(description="The headings that the passage stands under, the highest first.")

    @classmethod
    def of_hit(cls, hit: Hit, collections: Mapping[str, Collection]) -> Self:
        found, chunk = hit.found, hit.found.chunk
        return cls(
            title=found.title,
            score=round(hit.score, 4),
            content=chunk.text,
            page=chunk.page,
            document_id=chunk.document_id,
            chunk_id=chunk.id,
            file_id=found.file_id,
            collection=collections[found.collection_id].name,
            start=hit.quote.start,
            end=hit.quote.end,
            quote=hit.quote.text,
            headings=list(chunk.headings),
        )


class SearchAnswer(Answer):
    results: list[ResultAnswer] = Field(description="The best first.")
    answerable: bool = Field(description="Whether what was found holds the answer, as far as that can be told.")
    confidence: float = Field(description="How sure that is, from 0 to 1.")

    @classmethod
    def of(cls, findings: Findings, collections: Mapping[str, Collection]) -> Self:
        return cls(
            results=[ResultAnswer.of_hit(hit, collections) for hit in findings.hits],
            answerable=findings.answerable,
            confidence=round(findings.confidence, 4),
        )
