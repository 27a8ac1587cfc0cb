"""Which files are attached to which messages."""

from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, insert, select

from app.domain.attachments import Attached
from app.domain.paths import Path
from app.models.chat import messages
from app.models.documents import message_files
from app.repositories.base import Repository

_MOST = 1000
"""Looked at in one conversation, the newest."""

_F = message_files.c
_ADD = insert(message_files)
_OF_CONVERSATION = (
    select(_F.file_id, _F.name, messages.c.branch_id, messages.c.position)
    .join(messages, messages.c.id == _F.message_id)
    .where(_F.conversation_id == bindparam("conversation"))
    .order_by(messages.c.position.desc(), _F.position.desc())
    .limit(_MOST)
)
_OF_MESSAGES = (
    select(_F.message_id, _F.file_id, _F.name)
    .where(_F.message_id.in_(bindparam("messages", expanding=True)))
    .order_by(_F.message_id, _F.position)
)


class AttachmentRepository(Repository):
    def add(self, conversation_id: str, message_id: str, attached: Sequence[Attached]) -> None:
        """The files of a message, in their order."""
        rows = [
            {
                "message_id": message_id,
                "position": number,
                "conversation_id": conversation_id,
                "file_id": each.file_id,
                "name": each.name,
            }
            for number, each in enumerate(attached)
        ]
        if rows:
            self._connection.later(_ADD, rows)

    async def on(self, conversation_id: str, path: Path) -> Sequence[Attached]:
        """Those of the messages of a path, the newest first, each once."""
        rows = await self._connection.rows(_OF_CONVERSATION, {"conversation": conversation_id})
        held = (row for row in rows if path.holds(row["branch_id"], row["position"]))
        return list({row["file_id"]: Attached(row["file_id"], row["name"]) for row in held}.values())

    async def of(self, message_ids: Sequence[str]) -> Mapping[str, Sequence[Attached]]:
        """Those of some messages, by message; without those that have none."""
        found: dict[str, list[Attached]] = {}
        for row in await self._connection.rows(_OF_MESSAGES, {"messages": message_ids}):
            found.setdefault(row["message_id"], []).append(Attached(row["file_id"], row["name"]))
        return found
