"""The text of documents: their pages as they were read, and the chunks that were packed of them."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Delete, RowMapping, Select, bindparam, delete, func, insert, select

from app.domain.documents import Chunk, DocumentStatus, FoundChunk, UnreadablePage
from app.domain.passages import Block, Page
from app.models.documents import chunks, document_pages, documents
from app.repositories.base import Repository

_P, _C, _D = document_pages.c, chunks.c, documents.c
_PAGES_OF = _P.document_id == bindparam("document")
_CHUNKS_OF = _C.document_id == bindparam("document")
_ADD_PAGES = insert(document_pages)
_ADD_CHUNKS = insert(chunks)
_PAGES = (
    select(document_pages).where(_PAGES_OF, _P.number > bindparam("after")).order_by(_P.number).limit(bindparam("n"))
)
_TEXT = select(_P.number, _P.text).where(_PAGES_OF, _P.number.in_(bindparam("numbers", expanding=True)))
# By no column, or SQLite goes through all pages in their order to spare itself the sorting of these.
_FLAWS = (
    select(_P.number, _P.flaw)
    .where(_PAGES_OF, _P.flaw.is_not(None))
    .order_by(_P.number + 0)
    .limit(bindparam("at_most"))
)
_FLAWED = (
    select(_P.document_id, func.count().label("total"))
    .where(_P.document_id.in_(bindparam("documents", expanding=True)), _P.flaw.is_not(None))
    .group_by(_P.document_id)
)
_DROP_PAGES = delete(document_pages).where(_PAGES_OF, _P.number > bindparam("after"), _P.number <= bindparam("upto"))
_DROP_CHUNKS = delete(chunks).where(_CHUNKS_OF, _C.number > bindparam("after"), _C.number <= bindparam("upto"))
_LAST_PAGE = select(func.coalesce(func.max(_P.number), 0).label("last")).where(_PAGES_OF)
_LAST_CHUNK = select(func.coalesce(func.max(_C.number), 0).label("last")).where(_CHUNKS_OF)
_CHUNKS = select(chunks).where(_CHUNKS_OF, _C.number > bindparam("after")).order_by(_C.number).limit(bindparam("n"))
# Whose they are is looked at here again, whatever an index says. By no index of documents, or SQLite goes through all
# chunks of the user's for these: 45 ms where there are 50,000.
_FOUND = (
    select(chunks, _D.collection_id, _D.title, _D.file_id, _D.media_type)
    .join(documents, _D.id == _C.document_id)
    .where(
        _C.id.in_(bindparam("ids", expanding=True)),
        func.coalesce(_D.user_id, "") == bindparam("user"),
        func.coalesce(_D.collection_id, "").in_(bindparam("collections", expanding=True)),
        _D.status == DocumentStatus.READY.value,
    )
)
_STANDS = (
    select(_C.id, func.substr(_P.text, _C.start_at + 1, _C.end_at - _C.start_at).label("text"))
    .join(document_pages, (_P.document_id == _C.document_id) & (_P.number == _C.page))
    .where(_C.id.in_(bindparam("ids", expanding=True)))
)


class TextRefused(Exception):
    """The document is gone, or another has written the same."""


class ChunkRepository(Repository):
    def add_pages(self, document_id: str, pages: Sequence[Page]) -> None:
        """The transaction fails with TextRefused."""
        rows = [
            {
                "document_id": document_id,
                "number": page.number,
                "text": page.text,
                "blocks": msgspec.json.encode(page.blocks).decode(),
                "flaw": page.flaw,
            }
            for page in pages
        ]
        if rows:
            self._connection.later(_ADD_PAGES, rows, conflict=TextRefused)

    async def pages(self, document_id: str, *, after: int, limit: int) -> Sequence[Page]:
        """The next pages behind number `after`."""
        rows = await self._connection.rows(_PAGES, {"document": document_id, "after": after, "n": limit})
        # In a thread, which lets others have their turn between two of them: each may have thousands of blocks.
        return await asyncio.to_thread(lambda: [_to_page(row) for row in rows])

    async def page_texts(self, document_id: str, numbers: Sequence[int]) -> Mapping[int, str]:
        """The text of some pages by number."""
        rows = await self._connection.rows(_TEXT, {"document": document_id, "numbers": numbers})
        return {row["number"]: row["text"] for row in rows}

    async def unreadable(self, document_id: str, *, limit: int) -> Sequence[UnreadablePage]:
        """The first pages that could not be read."""
        rows = await self._connection.rows(_FLAWS, {"document": document_id, "at_most": limit})
        return [UnreadablePage(row["number"], row["flaw"]) for row in rows]

    async def unreadable_counts(self, document_ids: Sequence[str]) -> Mapping[str, int]:
        """How many pages of these documents could not be read; without those of which all could."""
        rows = await self._connection.rows(_FLAWED, {"documents": document_ids})
        return {row["document_id"]: row["total"] for row in rows}

    async def drop_pages(self, document_id: str, *, after: int, most: int) -> bool:
        """Drop up to `most` of the pages behind number `after`, the last first; false when that were all."""
        return await self._drop(_LAST_PAGE, _DROP_PAGES, document_id, after, most)

    def add_chunks(self, made: Sequence[Chunk]) -> None:
        """The transaction fails with TextRefused."""
        rows = [
            {
                "id": chunk.id,
                "document_id": chunk.document_id,
                "number": chunk.number,
                "page": chunk.page,
                "start_at": chunk.start,
                "end_at": chunk.end,
                "text": chunk.text,
                "headings": msgspec.json.encode(chunk.headings).decode(),
                "header": chunk.header,
            }
            for chunk in made
        ]
        if rows:
            self._connection.later(_ADD_CHUNKS, rows, conflict=TextRefused)

    async def chunks(self, document_id: str, *, after: int, limit: int) -> Sequence[Chunk]:
        """The next chunks behind number `after`."""
        rows = await self._connection.rows(_CHUNKS, {"document": document_id, "after": after, "n": limit})
        return [_to_chunk(row) for row in rows]

    async def drop_chunks(self, document_id: str, *, after: int, most: int) -> bool:
        """Drop up to `most` of the chunks behind number `after`, the last first; false when that were all."""
        return await self._drop(_LAST_CHUNK, _DROP_CHUNKS, document_id, after, most)

    async def found(
        self, user_id: str, collection_ids: Sequence[str], chunk_ids: Sequence[str]
    ) -> Mapping[str, FoundChunk]:
        """Those of some chunks that are in ready documents of this user's, in one of these collections, by id."""
        values = {"user": user_id, "collections": collection_ids, "ids": chunk_ids}
        rows = await self._connection.rows(_FOUND, values)
        return {
            row["id"]: FoundChunk(_to_chunk(row), row["collection_id"], row["title"], row["file_id"], row["media_type"])
            for row in rows
        }

    async def standing(self, chunk_ids: Sequence[str]) -> Mapping[str, str]:
        """What is on the page where each of these chunks is said to be, by id; without those whose page is gone."""
        return {row["id"]: row["text"] for row in await self._connection.rows(_STANDS, {"ids": chunk_ids})}

    async def _drop(self, last_of: Select[Any], drop: Delete, document_id: str, after: int, most: int) -> bool:
        row = await self._row(last_of, {"document": document_id})
        last = int(row["last"]) if row else 0
        from_here = max(after, last - most)
        if last > after:
            await self._connection.run(drop, {"document": document_id, "after": from_here, "upto": last})
        return from_here > after


def _to_page(row: RowMapping) -> Page:
    return Page(row["number"], row["text"], msgspec.json.decode(row["blocks"], type=list[Block]), row["flaw"])


def _to_chunk(row: RowMapping) -> Chunk:
    return Chunk(
        id=row["id"],
        document_id=row["document_id"],
        number=row["number"],
        page=row["page"],
        start=row["start_at"],
        end=row["end_at"],
        text=row["text"],
        headings=msgspec.json.decode(row["headings"], type=list[str]),
        header=row["header"],
    )
