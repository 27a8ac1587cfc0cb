"""Conversations that were made elsewhere: written as they were told, a piece at a time."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, insert, literal, select

from app.models.chat import compactions, conversations, feedback, messages
from app.models.documents import message_files
from app.models.identity import users
from app.repositories.base import Repository

Row = Mapping[str, Any]
"""The values of a row by the names of its columns."""

_ADD_MESSAGES = insert(messages)
_ADD_FILES = insert(message_files)
_ADD_FEEDBACK = insert(feedback)
_ADD_COMPACTIONS = insert(compactions)
_FIND = select(conversations.c.id).where(
    conversations.c.user_id == bindparam("user"), conversations.c.import_hash == bindparam("hashed")
)
_USER = select(literal(1).label("there")).where(users.c.id == bindparam("user"))


class NotAdded(Exception):
    """Another has made the same conversation between our look-up and our writing, or the user is gone: look again."""


class ImportRepository(Repository):
    async def find(self, user_id: str, import_hash: str) -> str | None:
        """The user's conversation that was made of a file."""
        row = await self._row(_FIND, {"user": user_id, "hashed": import_hash})
        return row["id"] if row else None

    async def user_exists(self, user_id: str) -> bool:
        return await self._row(_USER, {"user": user_id}) is not None

    async def add_messages(self, rows: Sequence[Row]) -> None:
        """Now, so that one piece is held at a time."""
        await self._connection.run(_ADD_MESSAGES, rows)

    async def add_files(self, rows: Sequence[Row]) -> None:
        await self._connection.run(_ADD_FILES, rows)

    async def add_feedback(self, rows: Sequence[Row]) -> None:
        await self._connection.run(_ADD_FEEDBACK, rows)

    async def add_compactions(self, rows: Sequence[Row]) -> None:
        await self._connection.run(_ADD_COMPACTIONS, rows)
