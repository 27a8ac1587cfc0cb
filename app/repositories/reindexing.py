"""Conversations whose search entries are yet to be made, and what they are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from sqlalchemy import bindparam, func, select, update

from app.domain.chat import Status
from app.domain.entries import INDEXED, VERSION
from app.models.chat import conversations, messages
from app.repositories.base import Repository

_MESSAGES = 200
"""Read at once at most."""
_LENGTH = 50_000
"""Of what is written at once, unless it is a single message, in characters: 0.1 s of SQLite's one writer in Chinese."""

_CONVERSATION = conversations.c.id == bindparam("conversation")
# One without an owner was deleted, and waits to be cleared.
_TO_DO = _CONVERSATION & conversations.c.user_id.is_not(None) & (conversations.c.terms_version < VERSION)
_BEHIND = (
    select(conversations.c.id)
    .where(
        conversations.c.terms_version == bindparam("version"),
        conversations.c.id > bindparam("after"),
        conversations.c.user_id.is_not(None),
    )
    .order_by(conversations.c.id)
    .limit(bindparam("limit"))
)
# What was deleted is nobody's while it is cleared.
_WAITS = _CONVERSATION & (conversations.c.terms_version < VERSION) & conversations.c.user_id.is_not(None)
_OWNER = select(conversations.c.user_id).where(_WAITS)
_ENTER = select(conversations.c.title).where(_WAITS).with_for_update()
_DONE = update(conversations).where(_CONVERSATION).values(terms_version=VERSION)
_NEXT = (
    select(messages.c.position, func.length(messages.c.content).label("length"))
    .where(messages.c.conversation_id == bindparam("conversation"), messages.c.position > bindparam("after"))
    .order_by(messages.c.position)
    .limit(_MESSAGES)
)
_TEXTS = (
    select(messages.c.id, func.substr(messages.c.content, 1, INDEXED).label("text"))
    .where(
        messages.c.conversation_id == bindparam("conversation"),
        messages.c.position > bindparam("after"),
        messages.c.position <= bindparam("upto"),
        messages.c.status != Status.STREAMING.value,
    )
    .order_by(messages.c.position)
)


@dataclass(frozen=True, slots=True)
class Part:
    """Some messages that follow each other: their texts by id, but for those that are being written.

    `upto` is the position of the last; `ends` when there is none behind it.
    """

    user_id: str
    upto: int
    ends: bool
    texts: Mapping[str, str]


class ReindexingRepository(Repository):
    async def behind(self, *, after: str, limit: int) -> Sequence[str]:
        """The next conversations by id whose entries are not made yet, or were made by older rules."""
        found: list[str] = []
        for version in range(VERSION):
            values = {"version": version, "after": after, "limit": limit}
            found += [row["id"] for row in await self._connection.rows(_BEHIND, values)]
        return sorted(found)[:limit]

    async def part(self, conversation_id: str, *, after: int) -> Part | None:
        """The messages behind a position, as many as may go at once; None when the conversation is not behind."""
        owner = await self._row(_OWNER, {"conversation": conversation_id})
        if owner is None:
            return None
        values = {"conversation": conversation_id, "after": after}
        found = await self._connection.rows(_NEXT, values)
        count = sum(length <= _LENGTH for length in accumulate(row["length"] for row in found)) or min(len(found), 1)
        upto = found[count - 1]["position"] if found else after
        rows = await self._connection.rows(_TEXTS, {**values, "upto": upto}) if found else ()
        ends = count == len(found) < _MESSAGES
        return Part(owner["user_id"], upto, ends, {row["id"]: row["text"] for row in rows})

    async def enter(self, conversation_id: str) -> str | None:
        """The title of a conversation that is still behind; others wait until this transaction ends."""
        row = await self._row(_ENTER, {"conversation": conversation_id})
        return row["title"] if row else None

    def done(self, conversation_id: str) -> None:
        self._connection.later(_DONE, {"conversation": conversation_id})
