"""Collections of documents, each its owner's alone."""

from collections.abc import Sequence

from sqlalchemy import RowMapping, bindparam, insert, or_, select, update

from app.domain.chat import Page
from app.domain.documents import ATTACHMENTS, Collection
from app.models.documents import collections
from app.repositories.base import Repository, decode_cursor, encode_cursor

_C = collections.c
_OF_USER = _C.user_id == bindparam("user")
_SHOWN = _OF_USER & (_C.name != ATTACHMENTS)
_ADD = insert(collections)
_FIND = select(collections).where(_OF_USER, _C.name == bindparam("called"))
_GET = select(collections).where(_OF_USER, _C.id == bindparam("collection"))
_NAMED = select(collections).where(_OF_USER, _C.name.in_(bindparam("names", expanding=True)))
_HOLD = select(_C.id).where(_OF_USER, _C.id == bindparam("collection")).with_for_update(read=True)
_BURY = update(collections).where(_OF_USER, _C.id == bindparam("collection")).values(user_id=None)
_PAGE = select(collections).where(_SHOWN).order_by(_C.created_at.desc(), _C.id.desc()).limit(bindparam("at_most"))
_NEXT_PAGE = _PAGE.where(
    or_(_C.created_at < bindparam("moment"), (_C.created_at == bindparam("moment")) & (_C.id < bindparam("last")))
)


class CollectionTaken(Exception):
    """Another request has made a collection of this name between our look-up and our row, or the user is gone: look
    again."""


class CollectionRepository(Repository):
    def add(self, collection: Collection) -> None:
        """The transaction fails with CollectionTaken."""
        values = {name: getattr(collection, name) for name in _C.keys()}  # noqa: SIM118  # of columns
        self._connection.later(_ADD, values, conflict=CollectionTaken)

    async def find(self, user_id: str, name: str) -> Collection | None:
        """The user's collection of this name."""
        row = await self._row(_FIND, {"user": user_id, "called": name})
        return _to_collection(row) if row else None

    async def get(self, user_id: str, collection_id: str) -> Collection | None:
        """The user's collection; None when it is unknown, another's or deleted."""
        row = await self._row(_GET, {"user": user_id, "collection": collection_id})
        return _to_collection(row) if row else None

    async def named(self, user_id: str, names: Sequence[str]) -> Sequence[Collection]:
        """Those of the user's collections that have one of these names."""
        return [_to_collection(row) for row in await self._connection.rows(_NAMED, {"user": user_id, "names": names})]

    async def hold(self, user_id: str, collection_id: str) -> bool:
        """Whether it is there; if so it cannot be deleted before this transaction ends."""
        return await self._row(_HOLD, {"user": user_id, "collection": collection_id}) is not None

    async def bury(self, user_id: str, collection_id: str) -> bool:
        """Make it nobody's, to be cleared later; false when it is gone."""
        return await self._connection.run(_BURY, {"user": user_id, "collection": collection_id}) == 1

    async def page(self, user_id: str, *, limit: int, cursor: str | None) -> Page[Collection]:
        """A user's collections, the newest first. Raises InvalidCursor."""
        values: dict[str, object] = {"user": user_id, "at_most": limit + 1}
        if cursor is not None:
            values["moment"], values["last"] = decode_cursor(cursor)
        rows = await self._connection.rows(_PAGE if cursor is None else _NEXT_PAGE, values)
        found = [_to_collection(row) for row in rows]
        last = found[limit - 1] if len(found) > limit else None
        return Page(found[:limit], encode_cursor(last.created_at, last.id) if last else None)


def _to_collection(row: RowMapping) -> Collection:
    return Collection(
        id=row["id"],
        user_id=row["user_id"],
        name=row["name"],
        description=row["description"],
        created_at=row["created_at"],
    )
