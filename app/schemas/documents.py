"""The bodies of documents."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, ConfigDict, Field

from app.domain.documents import Document, DocumentStatus, Mishap, UnreadablePage
from app.schemas.base import Answer, Body, Id, NextCursor, Text

LONGEST_TITLE = 300
_EXAMPLE: dict[str, Any] = {"title": "退货政策 Returns", "text": "# Returns\n\nGoods can be returned within 30 days."}


def _says_something(given: str) -> str:
    if not given.strip():
        raise ValueError("must not be blank")
    return given


Title = Annotated[Text, Field(min_length=1, max_length=LONGEST_TITLE), AfterValidator(_says_something)]


class TextBody(Body):
    """A document as text."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    title: Title = Field(description="What it is called where it is quoted.", json_schema_extra={"pattern": r"\S"})
    text: Annotated[Text, AfterValidator(_says_something)] = Field(
        min_length=1, description="What it says, in Markdown or plain.", json_schema_extra={"pattern": r"\S"}
    )


class MishapAnswer(Answer):
    """Why a document could not be read."""

    code: str = Field(description="The stable machine word.")
    detail: str = Field(description="For people.")

    @classmethod
    def of(cls, mishap: Mishap | None) -> "MishapAnswer | None":
        return cls.model_validate(mishap) if mishap is not None else None


class AddedDocument(Answer):
    document_id: Id = Field(description="The document's id.")
    job_id: Id = Field(description="The job that reads it, to follow its progress.")
    title: str = Field(description="What the document is called.")


class AddedDocuments(Answer):
    documents: list[AddedDocument] = Field(
        description="One for each file, in the order of the form; one that was there before is the same as then."
    )


class UnreadableAnswer(Answer):
    """A page of which there is no text although something is on it."""

    page: int = Field(description="Its number, from 1.")
    reason: str = Field(description="`scanned`: it is a picture; `damaged`; `too_complex`: it takes too much.")

    @classmethod
    def of(cls, page: UnreadablePage) -> Self:
        return cls(page=page.number, reason=page.flaw)


class ListedDocument(Answer):
    """A document, and how it stands."""

    id: Id = Field(description="The document's id.")
    title: str = Field(description="What it is called where it is quoted.")
    status: DocumentStatus = Field(description="How it stands.")
    media_type: str = Field(description="What it is, by its content.")
    size: int = Field(description="How many bytes its file has.")
    sha256: str = Field(description="The SHA-256 of its file, in hexadecimal.")
    file_id: Id | None = Field(description="Its file, to download; null once that was deleted.")
    pages: int | None = Field(description="How many pages, slides or sheets it has; null until it was opened.")
    chunks: int = Field(description="How many passages can be found in it, once it is read.")
    characters: int = Field(description="How many characters of text it has, once it is read.")
    job_id: Id | None = Field(description="The job that reads it, or has read it.")
    error: MishapAnswer | None = Field(description="Why it could not be read; null unless it `failed`.")
    unreadable_count: int = Field(description="Of how many pages there is no text although something is on them.")
    created_at: datetime = Field(description="When it was added.")
    updated_at: datetime = Field(description="When anything of this changed last.")


class DocumentAnswer(ListedDocument):
    """A document, how it stands, and which pages could not be read."""

    unreadable: list[UnreadableAnswer] = Field(description="The first 100 pages of which there is no text.")


class DocumentsAnswer(Answer):
    items: list[ListedDocument] = Field(description="The documents of this page.")
    next_cursor: NextCursor


def listed(document: Document, *, job_id: str | None, unreadable_count: int) -> ListedDocument:
    return ListedDocument(
        id=document.id,
        title=document.title,
        status=document.status,
        media_type=document.media_type,
        size=document.size,
        sha256=document.sha256,
        file_id=document.file_id,
        pages=document.page_count,
        chunks=document.chunk_count,
        characters=document.characters,
        job_id=job_id,
        error=MishapAnswer.of(document.mishap),
        unreadable_count=unreadable_count,
        created_at=document.created_at,
        updated_at=document.updated_at,
    )


def shown(
    document: Document, *, job_id: str | None, unreadable_count: int, unreadable: Sequence[UnreadablePage]
) -> DocumentAnswer:
    known = listed(document, job_id=job_id, unreadable_count=unreadable_count)
    return DocumentAnswer(**known.model_dump(), unreadable=[UnreadableAnswer.of(each) for each in unreadable])


class ExportedDocument(ListedDocument):
    """A document, and where it is."""

    collection: str | None = Field(description="The collection's name; null for what was attached to a message.")
