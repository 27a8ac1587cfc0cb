"""Compactions of conversations, in the order of the messages that they end with."""

from collections.abc import Sequence

from sqlalchemy import RowMapping, bindparam, insert, or_, select

from app.core.errors import Conflict, InvalidCursor
from app.domain.chat import Page
from app.domain.compactions import Compaction
from app.domain.paths import Path
from app.models.chat import compactions
from app.repositories.base import Repository

_AT_ONCE = 8
"""Looked at: the newest that a path holds is the one that counts, and a few before it serve models that hold more."""

_C = compactions.c
_IN = _C.conversation_id == bindparam("conversation")
_ADD = insert(compactions)
_NEWEST_FIRST = (
    select(compactions)
    .where(_IN, _C.position <= bindparam("upto"))
    .order_by(_C.position.desc(), _C.id.desc())
    .limit(_AT_ONCE)
    .offset(bindparam("seen"))
)
_PAGE = select(compactions).where(_IN).order_by(_C.position, _C.id).limit(bindparam("at_most"))
# The first of the two is what an index can begin at.
_PAGE_AFTER = _PAGE.where(
    _C.position >= bindparam("position"), or_(_C.position > bindparam("position"), _C.id > bindparam("id"))
)


class CompactionRepository(Repository):
    def add(self, compaction: Compaction) -> None:
        """The transaction fails with Conflict when the conversation was deleted meanwhile."""
        values = {name: getattr(compaction, name) for name in _C.keys()}  # noqa: SIM118  # of columns, not of a mapping
        self._connection.later(_ADD, values, conflict=Conflict)

    async def newest(self, conversation_id: str, path: Path) -> Sequence[Compaction]:
        """The newest that a path holds, with some of those before it, oldest first."""
        values: dict[str, str | int] = {"conversation": conversation_id, "upto": path.leaf.position, "seen": 0}
        held: list[Compaction] = []
        while not held:
            # Usually the first look finds it; further ones pass over those of newer branches.
            found = await self._connection.rows(_NEWEST_FIRST, values)
            each = [_to_compaction(row) for row in found]
            held = [compaction for compaction in each if path.holds(compaction.branch_id, compaction.position)]
            if len(found) < _AT_ONCE:
                break
            values["seen"] = int(values["seen"]) + _AT_ONCE
        return held[::-1]

    async def page(self, conversation_id: str, *, limit: int, cursor: str | None) -> Page[Compaction]:
        """All of them, oldest first. Raises InvalidCursor."""
        values: dict[str, str | int] = {"conversation": conversation_id, "at_most": limit + 1}
        statement = _PAGE
        if cursor is not None:
            statement, (values["position"], values["id"]) = _PAGE_AFTER, _to_place(cursor)
        found = [_to_compaction(row) for row in await self._connection.rows(statement, values)]
        items, last = found[:limit], found[limit - 1] if len(found) > limit else None
        return Page(items, f"{last.position}.{last.id}" if last else None)


def _to_place(cursor: str) -> tuple[int, str]:
    position, _, id_ = cursor.partition(".")
    known = position.isascii() and position.isdecimal() and len(position) < 10
    if not (known and len(id_) == 36 and id_.isascii() and id_.isprintable()):
        raise InvalidCursor
    return int(position), id_


def _to_compaction(row: RowMapping) -> Compaction:
    return Compaction(
        id=row["id"],
        conversation_id=row["conversation_id"],
        message_id=row["message_id"],
        branch_id=row["branch_id"],
        position=row["position"],
        tokens=row["tokens"],
        summary=row["summary"],
        model=row["model"],
        created_at=row["created_at"],
    )
