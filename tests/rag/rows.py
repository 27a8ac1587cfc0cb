"""Documents as they stand in the rows once they were read: what the index has to learn."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

from app.database import Database, Transaction
from app.domain import packing
from app.domain.documents import Chunk, Collection, Document, DocumentStatus, Job, JobStatus
from app.domain.identity import Role
from app.domain.passages import Page
from app.repositories.base import new_id
from app.repositories.jobs import INDEXING
from app.services.index_notes import note

Text = str | Sequence[str]
"""Of one page, or of several."""


async def user(database: Database, name: str = "alice") -> str:
    """A user's row; answers the id."""
    async with database.transaction() as tx:
        made = await tx.users.add(email=f"{name}@example.com", name=None, role=Role.USER, password_hash="no hash")
    return made.id


async def collection(database: Database, user_id: str, name: str = "manuals") -> str:
    """The user's collection of this name, made where it is new."""
    async with database.transaction() as tx:
        if (found := await tx.collections.find(user_id, name)) is not None:
            return found.id
        made = Collection(new_id(), user_id, name, None, datetime.now(UTC))
        tx.collections.add(made)
    return made.id


async def read(
    database: Database, user_id: str, text: Text, *, title: str = "Manual", name: str = "manuals", told: bool = True
) -> Document:
    """A document that was read a moment ago; the index was `told`, or not."""
    collection_id = await collection(database, user_id, name)
    texts = [text] if isinstance(text, str) else text
    pages = [Page(number, each) for number, each in enumerate(texts, 1)]
    document = _document(user_id, collection_id, title, texts)
    chunks = _chunks(document, pages)
    document = replace(document, chunk_count=len(chunks))
    async with database.transaction() as tx:
        tx.documents.add(document)
        tx.chunks.add_pages(document.id, pages)
        tx.chunks.add_chunks(chunks)
        tx.jobs.add(_job(document))
        if told:
            await note(tx, user_id, [document.id])
    return document


async def delete(database: Database, document: Document) -> None:
    """As its owner does."""
    async with database.transaction() as tx:
        await tx.documents.bury(document.user_id, document.id)
        await note(tx, document.user_id, [document.id])


async def status(database: Database, document: Document) -> DocumentStatus | None:
    found = await database.now.documents.there(document.id)
    return found.status if found else None


async def read_again(tx: Transaction, document: Document, text: str) -> None:
    """The same document, of which other chunks were made."""
    await tx.chunks.drop_chunks(document.id, after=0, most=10_000)
    await tx.chunks.drop_pages(document.id, after=0, most=10_000)
    page = Page(1, text)
    chunks = _chunks(document, [page])
    tx.chunks.add_pages(document.id, [page])
    tx.chunks.add_chunks(chunks)
    await tx.documents.change(
        document, status=DocumentStatus.INDEXING, page_count=1, chunk_count=len(chunks), packing=packing.VERSION
    )
    await note(tx, document.user_id, [document.id])


def _document(user_id: str, collection_id: str, title: str, texts: Sequence[str]) -> Document:
    moment = datetime.now(UTC)
    return Document(
        id=new_id(),
        user_id=user_id,
        collection_id=collection_id,
        file_id=None,
        title=title,
        media_type="text/plain",
        sha256=sha256("\f".join([title, *texts]).encode()).hexdigest(),
        size=sum(map(len, texts)),
        status=DocumentStatus.INDEXING,
        mishap=None,
        page_count=len(texts),
        chunk_count=0,
        characters=sum(map(len, texts)),
        packing=packing.VERSION,
        created_at=moment,
        updated_at=moment,
    )


def _chunks(document: Document, pages: Sequence[Page]) -> Sequence[Chunk]:
    return [
        Chunk(
            id=new_id(),
            document_id=document.id,
            number=passage.number,
            page=passage.page,
            start=passage.start,
            end=passage.end,
            text=passage.text,
            headings=passage.headings,
            header=passage.header,
        )
        for passage in packing.pack(pages, document.title)
    ]


def _job(document: Document) -> Job:
    return Job(
        id=new_id(),
        user_id=document.user_id,
        document_id=document.id,
        status=JobStatus.RUNNING,
        stage=INDEXING,
        fence=1,
        attempts=1,
        pages_done=1,
        page_count=1,
        mishap=None,
        created_at=document.created_at,
        updated_at=document.updated_at,
        ended_at=None,
    )
