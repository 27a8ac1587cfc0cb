"""Full-text search: the entries that titles and messages are found by, and the conversations that they find."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    Select,
    Text,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    union_all,
)

from app.domain.chat import Conversation, Page
from app.domain.entries import PIECE, Entry, coded, entries
from app.models.chat import conversations
from app.models.chat import messages as said
from app.models.search import HoldsAll, search_entries
from app.repositories.base import Repository, decode_cursor, encode_cursor
from app.repositories.conversations import to_conversation

_E = search_entries.c
_ADD = insert(search_entries)
_OF_CONVERSATION = _E.conversation_id == bindparam("conversation")
_DROP = delete(search_entries).where(_OF_CONVERSATION, _E.message_id.in_(bindparam("messages", expanding=True)))
_DROP_TITLE = delete(search_entries).where(_OF_CONVERSATION, _E.message_id.is_(None))
_PIECES = (
    select(_E.number, _E.message_id, _E.start, func.substr(said.c.content, _E.start + 1, PIECE + 1).label("text"))
    .join(said, said.c.id == _E.message_id)
    .where(_E.number.in_(bindparam("numbers", expanding=True)))
)
_TITLE = 0
"""In place of an entry's number."""


@dataclass(frozen=True, slots=True)
class Found:
    """A conversation, and the number of the entry to show of it; None where its title alone holds what was asked."""

    conversation: Conversation
    entry: int | None


@dataclass(frozen=True, slots=True)
class Piece:
    """What an entry was made of and up to one character more, which says that there is more."""

    message_id: str
    start: int
    text: str


class SearchRepository(Repository):
    def add(
        self,
        conversation_id: str,
        messages: Mapping[str, Sequence[Entry]],
        *,
        title: Sequence[Entry] = (),
        conflict: type[Exception] | None = None,
    ) -> None:
        """Entries of messages by their ids, and of the title. It conflicts where the conversation has gone."""
        rows = [
            {"conversation_id": conversation_id, "message_id": message_id, "start": entry.start, "terms": entry.codes}
            for message_id, pieces in (*messages.items(), (None, title))
            for entry in pieces
        ]
        if rows:
            self._connection.later(_ADD, rows, conflict=conflict)

    def replace(
        self,
        conversation_id: str,
        messages: Mapping[str, Sequence[Entry]],
        *,
        conflict: type[Exception] | None = None,
    ) -> None:
        """The same for messages that may have some already."""
        if messages:
            self._connection.later(_DROP, {"conversation": conversation_id, "messages": list(messages)})
            self.add(conversation_id, messages, conflict=conflict)

    def retitle(self, user_id: str, conversation_id: str, title: str) -> None:
        """Let a conversation be found by its new title, no longer by the old one."""
        self._connection.later(_DROP_TITLE, {"conversation": conversation_id})
        self.add(conversation_id, {}, title=entries(user_id, title))

    async def find(
        self, user_id: str, words: Sequence[frozenset[str]], *, limit: int, cursor: str | None
    ) -> Page[Found]:
        """The user's conversations that hold all words, each word in one entry; the last used first.

        The entry to show is the newest that holds all of them, else the newest that holds any.
        """
        values: dict[str, object] = {"user": user_id, "at_most": limit + 1}
        values |= {f"word_{number}": coded(user_id, word) for number, word in enumerate(words)}
        if len(words) > 1:
            values["all_words"] = coded(user_id, frozenset[str]().union(*words))
        if cursor is not None:
            values["moment"], values["id"] = decode_cursor(cursor)
        rows = await self._connection.rows(find(len(words), further=cursor is not None), values)
        found = [Found(to_conversation(row), row["together"] or row["newest"] or None) for row in rows]
        items, last = found[:limit], found[limit - 1].conversation if len(found) > limit else None
        return Page(items, encode_cursor(last.updated_at, last.id) if last else None)

    async def pieces(self, numbers: Iterable[int]) -> Mapping[int, Piece]:
        rows = await self._connection.rows(_PIECES, {"numbers": list(numbers)})
        return {row["number"]: Piece(row["message_id"], row["start"], row["text"]) for row in rows}


@cache
def find(words: int, *, further: bool) -> Select[Any]:
    """The statement of a search for so many words; `further`: behind a place in the list.

    Not a join of one list for each word: planning that takes some engines longer than all the rest.
    """
    found = [_conversations(f"word_{number}") for number in range(words)]
    if words > 1:
        found.append(_conversations("all_words", together=1))
    each = union_all(*found).subquery()
    of_words = func.count(case((each.c.together == 0, 1)))
    hits = (
        select(
            each.c.conversation_id,
            func.max(case((each.c.together == 0, each.c.newest))).label("newest"),
            func.max(case((each.c.together == 1, each.c.newest))).label("together"),
        )
        .group_by(each.c.conversation_id)
        .having(of_words == literal_column(str(words)))
        .subquery()
    )
    statement = (
        select(conversations, hits.c.newest, hits.c.together)
        .join(hits, hits.c.conversation_id == conversations.c.id)
        .where(conversations.c.user_id == bindparam("user"))
    )
    if further:
        used = conversations.c.updated_at
        behind = (used == bindparam("moment")) & (conversations.c.id < bindparam("id"))
        statement = statement.where(or_(used < bindparam("moment"), behind))
    return statement.order_by(conversations.c.updated_at.desc(), conversations.c.id.desc()).limit(bindparam("at_most"))


def _conversations(terms: str, *, together: int = 0) -> Select[Any]:
    """Those that have an entry with all these terms, and the number of the newest of a message."""
    number = case((_E.message_id.is_(None), _TITLE), else_=_E.number)
    return (
        select(_E.conversation_id, func.max(number).label("newest"), literal_column(str(together)).label("together"))
        .where(HoldsAll(bindparam(terms, type_=Text())))
        .group_by(_E.conversation_id)
    )
