"""What a user owns in rows by the thousand, to be cleared in parts."""

from sqlalchemy import BindParameter, Column, ColumnElement, Delete, Select, bindparam, delete, select

from app.models.chat import conversations, messages
from app.models.generations import generations
from app.models.usage import usage_records
from app.repositories.base import Repository

_AT_ONCE = 200
"""Rows in one transaction: some 5 ms of SQLite's writer where a message has 2 KB."""

_OF_USER: BindParameter[str] = bindparam("user")
_CONVERSATIONS = select(conversations.c.id).where(conversations.c.user_id == _OF_USER)


def _part(column: Column[str], owned: ColumnElement[bool]) -> tuple[Select[str], Delete]:
    """How to find some of the rows, and how to drop those that were found: MariaDB takes no limit in a subquery."""
    return (
        select(column).where(owned).limit(_AT_ONCE),
        delete(column.table).where(column.in_(bindparam("ids", expanding=True))),
    )


# In this order, so that no row takes many others with it. All else of a user's goes with the user's own row.
_PARTS = (
    _part(messages.c.id, messages.c.conversation_id.in_(_CONVERSATIONS)),
    _part(generations.c.id, generations.c.user_id == _OF_USER),
    _part(conversations.c.id, conversations.c.user_id == _OF_USER),
    _part(usage_records.c.id, usage_records.c.user_id == _OF_USER),
)


class BelongingsRepository(Repository):
    async def clear_some(self, user_id: str) -> bool:
        """Delete some of it; false when none was left."""
        for some, drop in _PARTS:
            if rows := await self._connection.rows(some, {"user": user_id}):
                await self._connection.run(drop, {"ids": [row["id"] for row in rows]})
                return True
        return False
