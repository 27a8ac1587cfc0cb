"""A path of a conversation copied into another: from row to row, so that what was said never comes here."""

from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import count
from typing import Any

from sqlalchemy import RowMapping, Table, bindparam, insert, select

from app.core.errors import ConversationBusy
from app.domain.chat import Status
from app.domain.paths import Path
from app.models.base import Id
from app.models.chat import compactions, conversations, messages
from app.models.documents import message_files
from app.repositories.base import Repository, new_id

_AT_ONCE = 500
"""Messages that are copied together."""

# Nobody deletes it, or goes on with it, until the copy is made.
_HOLD = (
    select(conversations.c.id)
    .where(conversations.c.id == bindparam("conversation"), conversations.c.user_id == bindparam("user"))
    .with_for_update(read=True)
)
_STRETCH = (
    select(messages.c.id, messages.c.position, messages.c.status)
    .where(
        messages.c.branch_id == bindparam("branch"),
        messages.c.position > bindparam("after"),
        messages.c.position <= bindparam("upto"),
    )
    .order_by(messages.c.position)
    .limit(bindparam("at_most"))
)
_COMPACTIONS = (
    select(compactions.c.id, compactions.c.message_id, compactions.c.branch_id, compactions.c.position)
    .where(compactions.c.conversation_id == bindparam("conversation"))
    .order_by(compactions.c.position)
)


def _copy(table: Table, placed: Sequence[str], kept: Sequence[str]) -> Any:
    """A statement that copies the row `original`, with other values for what is `placed`."""
    new = [bindparam(f"new_{name}", type_=table.c[name].type) for name in placed]
    same = [table.c[name] for name in kept]
    row = select(*new, *same).where(table.c.id == bindparam("original", type_=Id))
    return insert(table).from_select([*placed, *kept], row, include_defaults=False)


_COPY = _copy(
    messages,
    ("id", "conversation_id", "parent_id", "branch_id", "position"),
    (
        *("role", "content", "reasoning", "sources", "status", "model", "created_at"),
        *("failure_code", "failure_detail", "failure_retryable"),
    ),
)
_COPY_COMPACTION = _copy(
    compactions,
    ("id", "conversation_id", "message_id", "branch_id", "position"),
    ("tokens", "summary", "model", "created_at"),
)
_FILES = message_files.c
_HAS_FILES = select(_FILES.file_id).where(_FILES.conversation_id == bindparam("conversation")).limit(1)
_COPY_FILES = insert(message_files).from_select(
    ["message_id", "conversation_id", "position", "file_id", "name"],
    select(
        bindparam("new_id", type_=Id),
        bindparam("new_conversation_id", type_=Id),
        _FILES.position,
        _FILES.file_id,
        _FILES.name,
    ).where(_FILES.message_id == bindparam("original", type_=Id)),
    include_defaults=False,
)
_NAMES = ("original", "new_id", "new_conversation_id")


class ForkRepository(Repository):
    async def hold(self, user_id: str, conversation_id: str) -> bool:
        """Keep a conversation as it is until this transaction ends; false when the user has none such."""
        return await self._row(_HOLD, {"user": user_id, "conversation": conversation_id}) is not None

    async def copy(self, path: Path, *, origin: str, target: str) -> str | None:
        """Let the conversation `target` begin with a path of `origin`, as one branch; answers the id of its end.

        Raises ConversationBusy for an answer that is being written.
        """
        compacted = {row["message_id"]: row for row in await self._compactions(origin, path)}
        has_files = await self._row(_HAS_FILES, {"conversation": origin}) is not None
        branch_id = parent_id = None
        positions = count(1)
        async for rows in self._batches(path):
            copies: list[dict[str, object]] = []
            for row in rows:
                id_ = new_id()
                branch_id = branch_id or id_
                placed = {
                    "new_conversation_id": target,
                    "new_branch_id": branch_id,
                    "new_position": next(positions),
                }
                copies.append({"original": row["id"], "new_id": id_, "new_parent_id": parent_id, **placed})
                if (compaction := compacted.get(row["id"])) is not None:
                    named = {"original": compaction["id"], "new_id": new_id(), "new_message_id": id_}
                    self._connection.later(_COPY_COMPACTION, {**named, **placed})
                parent_id = id_
            self._connection.later(_COPY, copies)
            if has_files:
                self._connection.later(_COPY_FILES, [{name: copy[name] for name in _NAMES} for copy in copies])
        return parent_id

    async def _batches(self, path: Path) -> AsyncIterator[Sequence[RowMapping]]:
        for stretch in path.stretches:
            after: int | None = 0
            while after is not None:
                values: Mapping[str, str | int] = {
                    "branch": stretch.branch_id,
                    "after": after,
                    "upto": stretch.upto,
                    "at_most": _AT_ONCE,
                }
                rows = await self._connection.rows(_STRETCH, values)
                if any(row["status"] == Status.STREAMING.value for row in rows):
                    raise ConversationBusy(retry_after=1)
                if rows:
                    yield rows
                after = rows[-1]["position"] if len(rows) == _AT_ONCE else None

    async def _compactions(self, conversation_id: str, path: Path) -> Sequence[RowMapping]:
        rows = await self._connection.rows(_COMPACTIONS, {"conversation": conversation_id})
        return [row for row in rows if path.holds(row["branch_id"], row["position"])]
