"""What is known of users' files, each its owner's alone."""

from collections.abc import Sequence

from sqlalchemy import RowMapping, bindparam, delete, func, insert, or_, select, update

from app.domain.audit import Action
from app.domain.chat import Page
from app.domain.files import StoredFile
from app.models.audit import audit_events
from app.models.files import files
from app.models.identity import users
from app.repositories.base import Repository, decode_cursor, encode_cursor

_OF_USER = files.c.user_id == bindparam("user")
_OWN = (files.c.id == bindparam("file")) & _OF_USER
_ADD = insert(files)
_GET = select(files).where(_OWN)
_FIND = select(files).where(_OF_USER, files.c.sha256 == bindparam("hashed"))
_REPAIR = update(files).where(_OWN)
_PUBLISH = update(files).where(_OWN).values(uploaded=True)
_ENTER = _GET.with_for_update()
_DELETE = delete(files).where(_OWN)
_SIZE = select(func.coalesce(func.sum(files.c.size), 0).label("total")).where(_OF_USER)
_PAGE = select(files).where(_OF_USER).order_by(files.c.created_at.desc(), files.c.id.desc()).limit(bindparam("at_most"))
_NEXT_PAGE = _PAGE.where(
    or_(
        files.c.created_at < bindparam("moment"),
        (files.c.created_at == bindparam("moment")) & (files.c.id < bindparam("last")),
    )
)
_IN_USE = select(files.c.blob_id).where(files.c.blob_id.in_(bindparam("blobs", expanding=True)))
_OWNERS = select(users.c.id).where(users.c.id.in_(bindparam("owners", expanding=True)))
_FORMER = (
    select(audit_events.c.target_id)
    .where(
        audit_events.c.target_id.in_(bindparam("owners", expanding=True)),
        audit_events.c.action == Action.DELETED.value,
    )
    .distinct()
)


class FileTaken(Exception):
    """Another upload has brought the same content between our look-up and our row, or the user is gone: look again."""


class FileRepository(Repository):
    def add(self, file: StoredFile) -> None:
        """The transaction fails with FileTaken."""
        values = {
            "id": file.id,
            "user_id": file.user_id,
            "blob_id": file.blob_id,
            "name": file.name,
            "media_type": file.media_type,
            "size": file.size,
            "sha256": file.sha256,
            "uploaded": file.uploaded,
            "created_at": file.created_at,
        }
        self._connection.later(_ADD, values, conflict=FileTaken)

    async def get(self, user_id: str, file_id: str) -> StoredFile | None:
        """The user's file; None when it is unknown or another's."""
        row = await self._row(_GET, {"user": user_id, "file": file_id})
        return _to_file(row) if row else None

    async def find(self, user_id: str, sha256: str) -> StoredFile | None:
        """The user's file with this content."""
        row = await self._row(_FIND, {"user": user_id, "hashed": sha256})
        return _to_file(row) if row else None

    async def enter(self, user_id: str, file_id: str) -> StoredFile | None:
        """The same as `get`; nobody changes it, or makes a document of it, before this transaction ends."""
        row = await self._row(_ENTER, {"user": user_id, "file": file_id})
        return _to_file(row) if row else None

    async def publish(self, user_id: str, file_id: str) -> bool:
        """From now on it was uploaded for itself, too; false when it is gone."""
        return await self._connection.run(_PUBLISH, {"user": user_id, "file": file_id}) == 1

    async def repair(self, user_id: str, file_id: str, blob_id: str) -> bool:
        """Have its bytes looked for in another place; false when the file is gone."""
        return await self._connection.run(_REPAIR, {"user": user_id, "file": file_id, "blob_id": blob_id}) == 1

    async def page(self, user_id: str, *, limit: int, cursor: str | None) -> Page[StoredFile]:
        """The files of a user, the newest first. Raises InvalidCursor."""
        values: dict[str, object] = {"user": user_id, "at_most": limit + 1}
        if cursor is not None:
            values["moment"], values["last"] = decode_cursor(cursor)
        statement = _PAGE if cursor is None else _NEXT_PAGE
        found = [_to_file(row) for row in await self._connection.rows(statement, values)]
        last = found[limit - 1] if len(found) > limit else None
        return Page(found[:limit], encode_cursor(last.created_at, last.id) if last else None)

    async def size(self, user_id: str) -> int:
        """How many bytes all of a user's files have."""
        row = await self._row(_SIZE, {"user": user_id})
        return int(row["total"]) if row else 0

    async def delete(self, user_id: str, file_id: str) -> bool:
        """False when there is none."""
        return await self._connection.run(_DELETE, {"user": user_id, "file": file_id}) == 1

    async def in_use(self, blob_ids: Sequence[str]) -> set[str]:
        """Those of them that belong to a file."""
        return {row["blob_id"] for row in await self._connection.rows(_IN_USE, {"blobs": blob_ids})}

    async def owners(self, user_ids: Sequence[str]) -> set[str]:
        """Those of them that have an account here, or had one that was deleted."""
        living = {row["id"] for row in await self._connection.rows(_OWNERS, {"owners": user_ids})}
        return living | {row["target_id"] for row in await self._connection.rows(_FORMER, {"owners": user_ids})}


def _to_file(row: RowMapping) -> StoredFile:
    return StoredFile(
        id=row["id"],
        user_id=row["user_id"],
        blob_id=row["blob_id"],
        name=row["name"],
        media_type=row["media_type"],
        size=row["size"],
        sha256=row["sha256"],
        created_at=row["created_at"],
        uploaded=bool(row["uploaded"]),
    )
