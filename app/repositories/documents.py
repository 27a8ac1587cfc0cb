"""What is known of documents; their text is `chunks`' business, the work on them `jobs`'.

A document without an owner was deleted, and waits to be cleared: nothing here finds it but what clears.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping, bindparam, func, insert, or_, select, update

from app.domain.chat import Page
from app.domain.documents import ATTACHMENTS, Document, DocumentStatus, Mishap
from app.models.documents import collections, documents
from app.repositories.base import Repository, decode_cursor, encode_cursor, now

_D = documents.c
_ONE = _D.id == bindparam("document")
_OF_USER = _D.user_id == bindparam("user")
_OWN = _ONE & _OF_USER
_IN = _D.collection_id == bindparam("collection")
_ADD = insert(documents)
_GET = select(documents).where(_OWN)
_THERE = select(documents).where(_ONE, _D.user_id.is_not(None))
_ENTER = _GET.with_for_update()
_FIND = select(documents).where(_IN, _D.sha256 == bindparam("hashed"), _OF_USER)
_CHANGE = update(documents).where(_OWN)
_BURY = update(documents).where(_OWN).values(user_id=None, collection_id=None)
_PAGE = select(documents).where(_IN, _OF_USER).order_by(_D.created_at.desc(), _D.id.desc()).limit(bindparam("at_most"))
_NEXT_PAGE = _PAGE.where(
    or_(_D.created_at < bindparam("moment"), (_D.created_at == bindparam("moment")) & (_D.id < bindparam("last")))
)
_COUNTS = (
    select(_D.collection_id, func.count().label("documents"))
    .where(_D.collection_id.in_(bindparam("collections", expanding=True)), _OF_USER)
    .group_by(_D.collection_id)
)
_CHUNKS = select(func.coalesce(func.sum(_D.chunk_count), 0).label("total")).where(_OF_USER)
_OF_FILE = select(_D.id).where(_D.file_id == bindparam("file"), _OF_USER).order_by(_D.id).limit(1)
_READY = _D.status == DocumentStatus.READY.value
_OF_INDEX = _D.status.in_((DocumentStatus.INDEXING.value, DocumentStatus.READY.value))
_OWNED = _D.user_id.is_not(None)
_OF_ALL = select(documents).where(_OF_USER, _D.id > bindparam("after")).order_by(_D.id).limit(bindparam("at_most"))
_LEFT = (
    select(documents)
    .join(collections, collections.c.id == _D.collection_id)
    .where(collections.c.user_id.is_(None))
    .order_by(_D.id)
    .limit(bindparam("at_most"))
)
_ATTACHED = (
    select(_D.id)
    .join(collections, collections.c.id == _D.collection_id)
    .where(_D.file_id == bindparam("file"), _OF_USER, collections.c.name == ATTACHMENTS)
)
_INDEXED = (
    select(_D.id, _D.chunk_count, _D.status)
    .where(_OF_USER, _OF_INDEX, _D.id > bindparam("after"))
    .order_by(_D.id)
    .limit(bindparam("at_most"))
)
_ALL_INDEXED = (
    select(_D.id, _D.user_id)
    .where(_OF_INDEX, _D.id > bindparam("after"), _OWNED)
    .order_by(_D.id)
    .limit(bindparam("at_most"))
)
_HELD = select(_D.id, _D.chunk_count, _D.status).where(
    _D.id.in_(bindparam("documents", expanding=True)), _OF_USER, _OF_INDEX
)
_ANY_READY = select(_D.id).where(_READY, _OWNED).order_by(_D.id).limit(1)
_OWNERS = (
    select(_D.user_id)
    .where(_D.user_id > bindparam("after"))
    .distinct()
    .order_by(_D.user_id)
    .limit(bindparam("at_most"))
)


@dataclass(frozen=True, slots=True)
class Held:
    """A document that the index has, or is to have once it is `ready`."""

    document_id: str
    chunk_count: int
    ready: bool


class DocumentTaken(Exception):
    """Another request has brought the same content between our look-up and our row, or the collection is gone: look
    again."""


class DocumentRepository(Repository):
    def add(self, document: Document) -> None:
        """The transaction fails with DocumentTaken."""
        self._connection.later(_ADD, _values(document), conflict=DocumentTaken)

    async def get(self, user_id: str, document_id: str) -> Document | None:
        """The user's document; None when it is unknown, another's or deleted."""
        row = await self._row(_GET, {"user": user_id, "document": document_id})
        return _to_document(row) if row else None

    async def there(self, document_id: str) -> Document | None:
        """A document, whoever's: for the work on it. None when it is deleted."""
        row = await self._row(_THERE, {"document": document_id})
        return _to_document(row) if row else None

    async def enter(self, user_id: str, document_id: str) -> Document | None:
        """The same as `get`; others wait until this transaction ends."""
        row = await self._row(_ENTER, {"user": user_id, "document": document_id})
        return _to_document(row) if row else None

    async def find(self, user_id: str, collection_id: str, sha256: str) -> Document | None:
        """The one with this content."""
        row = await self._row(_FIND, {"user": user_id, "collection": collection_id, "hashed": sha256})
        return _to_document(row) if row else None

    async def change(
        self,
        document: Document,
        *,
        status: DocumentStatus,
        mishap: Mishap | None = None,
        page_count: int | None = None,
        chunk_count: int = 0,
        characters: int = 0,
        packing: int = 0,
    ) -> bool:
        """How it stands from now on; false when it is gone."""
        values = {
            "user": document.user_id,
            "document": document.id,
            "status": status.value,
            "failure_code": mishap and mishap.code,
            "failure_detail": mishap and mishap.detail,
            "page_count": page_count,
            "chunk_count": chunk_count,
            "characters": characters,
            "packing": packing,
            "updated_at": now(),
        }
        return await self._connection.run(_CHANGE, values) == 1

    async def restate(self, document: Document, status: DocumentStatus) -> bool:
        """The same, of its status alone."""
        values = {"user": document.user_id, "document": document.id, "status": status.value, "updated_at": now()}
        return await self._connection.run(_CHANGE, values) == 1

    async def refile(self, document: Document, file_id: str) -> bool:
        """Have its file looked for in another place, which has the same content."""
        values = {"user": document.user_id, "document": document.id, "file_id": file_id, "updated_at": now()}
        return await self._connection.run(_CHANGE, values) == 1

    async def bury(self, user_id: str, document_id: str) -> bool:
        """Make it nobody's, to be cleared later; false when it is gone."""
        return await self._connection.run(_BURY, {"user": user_id, "document": document_id}) == 1

    async def left_behind(self, *, limit: int) -> Sequence[Document]:
        """Some documents of collections that were deleted, whoever's: they are to go, too."""
        return [_to_document(row) for row in await self._connection.rows(_LEFT, {"at_most": limit})]

    async def of_user(self, user_id: str, *, after: str, limit: int) -> Sequence[Document]:
        """The next of all documents of a user, by id."""
        rows = await self._connection.rows(_OF_ALL, {"user": user_id, "after": after, "at_most": limit})
        return [_to_document(row) for row in rows]

    async def page(self, user_id: str, collection_id: str, *, limit: int, cursor: str | None) -> Page[Document]:
        """The documents of a collection, the newest first. Raises InvalidCursor."""
        values: dict[str, object] = {"user": user_id, "collection": collection_id, "at_most": limit + 1}
        if cursor is not None:
            values["moment"], values["last"] = decode_cursor(cursor)
        rows = await self._connection.rows(_PAGE if cursor is None else _NEXT_PAGE, values)
        found = [_to_document(row) for row in rows]
        last = found[limit - 1] if len(found) > limit else None
        return Page(found[:limit], encode_cursor(last.created_at, last.id) if last else None)

    async def counts(self, user_id: str, collection_ids: Sequence[str]) -> Mapping[str, int]:
        """How many documents each of these collections has; without those that have none."""
        rows = await self._connection.rows(_COUNTS, {"user": user_id, "collections": collection_ids})
        return {row["collection_id"]: row["documents"] for row in rows}

    async def chunk_count(self, user_id: str) -> int:
        """How many chunks all of a user's documents have: that says how rare a term can be."""
        row = await self._row(_CHUNKS, {"user": user_id})
        return int(row["total"]) if row else 0

    async def uses(self, user_id: str, file_id: str) -> bool:
        """Whether any document was made of a file."""
        return await self._row(_OF_FILE, {"user": user_id, "file": file_id}) is not None

    async def attached(self, user_id: str, file_id: str) -> Sequence[str]:
        """The documents of a file that it has because it was attached to a message."""
        return [row["id"] for row in await self._connection.rows(_ATTACHED, {"user": user_id, "file": file_id})]

    async def indexed(self, user_id: str, *, after: str, limit: int) -> Sequence[Held]:
        """The next of a user's documents by id that an index has, or is to have."""
        rows = await self._connection.rows(_INDEXED, {"user": user_id, "after": after, "at_most": limit})
        return [_to_held(row) for row in rows]

    async def held(self, user_id: str, document_ids: Sequence[str]) -> Mapping[str, Held]:
        """The same of some documents, by id."""
        rows = await self._connection.rows(_HELD, {"user": user_id, "documents": document_ids})
        return {row["id"]: _to_held(row) for row in rows}

    async def any_ready(self) -> bool:
        """Whether anybody counts on finding something."""
        return await self._row(_ANY_READY) is not None

    async def owners(self, *, after: str, limit: int) -> Sequence[str]:
        """The next users by id who have documents, in whatever state."""
        rows = await self._connection.rows(_OWNERS, {"after": after, "at_most": limit})
        return [row["user_id"] for row in rows]

    async def all_indexed(self, *, after: str, limit: int) -> Sequence[tuple[str, str]]:
        """The next documents of all users that an index has, or is to have: id and owner."""
        rows = await self._connection.rows(_ALL_INDEXED, {"after": after, "at_most": limit})
        return [(row["id"], row["user_id"]) for row in rows]


def _values(document: Document) -> dict[str, object]:
    return {
        "id": document.id,
        "user_id": document.user_id,
        "collection_id": document.collection_id,
        "file_id": document.file_id,
        "title": document.title,
        "media_type": document.media_type,
        "sha256": document.sha256,
        "size": document.size,
        "status": document.status.value,
        "failure_code": document.mishap and document.mishap.code,
        "failure_detail": document.mishap and document.mishap.detail,
        "page_count": document.page_count,
        "chunk_count": document.chunk_count,
        "characters": document.characters,
        "packing": document.packing,
        "created_at": document.created_at,
        "updated_at": document.updated_at,
    }


def _to_held(row: RowMapping) -> Held:
    return Held(row["id"], row["chunk_count"], row["status"] == DocumentStatus.READY.value)


def _to_document(row: RowMapping) -> Document:
    code = row["failure_code"]
    return Document(
        id=row["id"],
        user_id=row["user_id"],
        collection_id=row["collection_id"],
        file_id=row["file_id"],
        title=row["title"],
        media_type=row["media_type"],
        sha256=row["sha256"],
        size=row["size"],
        status=DocumentStatus(row["status"]),
        mishap=Mishap(code, row["failure_detail"]) if code else None,
        page_count=row["page_count"],
        chunk_count=row["chunk_count"],
        characters=row["characters"],
        packing=row["packing"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
