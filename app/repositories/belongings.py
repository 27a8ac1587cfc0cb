"""What a user owns in rows by the thousand, to be cleared in parts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Delete,
    Executable,
    RowMapping,
    Table,
    bindparam,
    case,
    delete,
    func,
    literal,
    select,
)

from app.models.chat import conversations, messages
from app.models.documents import chunks, collections, document_pages, documents
from app.models.files import files
from app.models.generations import (
    generation_checkpoints,
    generation_logs,
    generations,
    idempotency_records,
    kept_answers,
)
from app.models.identity import api_keys, sessions, tickets
from app.models.search import search_entries
from app.models.usage import usage_records
from app.repositories.base import Parameters, Repository

_ROWS = 200
"""Of one part at most."""
_FOUND = 500
"""Rows in one look at most, which then go in several parts: SQLite reads a long text to know its length."""
_LENGTH = 500_000
"""Of one part at most, in characters, unless it is a single row: SQLite walks through every page that it frees."""
_CONVERSATIONS = 200
"""Cleared at a time. Whoever asks for messages in all of a user's looks at all of them again for each part."""

_DOCUMENTS = 50
"""The same, of documents."""

_USER: BindParameter[str] = bindparam("user")
_TALKS: BindParameter[list[str]] = bindparam("talks", expanding=True)
_PAPERS: BindParameter[list[str]] = bindparam("papers", expanding=True)
_SHORT: ColumnElement[int] = literal(0)


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows, to go in one short transaction."""

    drop: Delete
    names: Parameters


class _Kind:
    """How some rows are found, with their lengths, and how those are dropped that were: MariaDB takes no limit in a
    subquery.

    They are named by one column, `within` the same of some others: SQLite finds no pair of columns by an index.
    """

    def __init__(
        self,
        owned: ColumnElement[bool],
        name: Column[str] | Column[int],
        *,
        within: Sequence[Column[str]] = (),
        length: ColumnElement[int] = _SHORT,
        at_most: int = _FOUND,
    ) -> None:
        self.find: Executable = (
            select(name, *within, length.label("length")).where(owned).order_by(*within).limit(at_most)
        )
        self.at_most = at_most
        self._name, self._within = name, within
        in_there = (column == bindparam(f"of_{column.name}") for column in within)
        self._drop = delete(name.table).where(*in_there, name.in_(bindparam("names", expanding=True)))

    def parts(self, rows: Sequence[RowMapping]) -> Iterator[Part]:
        for place, there in groupby(rows, key=lambda row: {f"of_{each.name}": row[each] for each in self._within}):
            for names in _cut((row[self._name], row["length"]) for row in there):
                yield Part(self._drop, {**place, "names": names})


def _cut(rows: Iterable[tuple[str, int]]) -> Iterator[Sequence[str]]:
    names: list[str] = []
    total = 0
    for name, length in rows:
        if names and (total + length > _LENGTH or len(names) == _ROWS):
            yield names
            names, total = [], 0
        names.append(name)
        total += length
    yield names


def _length(column: Column[Any]) -> ColumnElement[int]:
    return func.coalesce(func.length(column), 0)


def _length_of_log(table: Table) -> ColumnElement[int]:
    of_it = select(func.sum(func.length(table.c.events))).where(table.c.generation_id == generations.c.id)
    return func.coalesce(of_it.scalar_subquery(), 0)


_MESSAGES = _Kind(
    messages.c.conversation_id.in_(_TALKS),
    messages.c.id,
    length=_length(messages.c.content) + _length(messages.c.reasoning),
)
_GENERATIONS = _Kind(
    generations.c.conversation_id.in_(_TALKS),
    generations.c.id,
    length=_length_of_log(generation_logs) + _length_of_log(generation_checkpoints),
)
# Before the messages, whose pieces they are.
# SQLite's index looks up each of their terms: 0.2 ms for a usual message, 10 ms for 4,000 Chinese characters, which are
# the pieces of long ones. It tells no lengths.
_ENTRIES = _Kind(
    search_entries.c.conversation_id.in_(_TALKS),
    search_entries.c.number,
    length=case((search_entries.c.start > 0, _LENGTH // 25), else_=_LENGTH // 100),
)
_OF_TALKS = (_ENTRIES, _MESSAGES, _GENERATIONS)
_OWN_CONVERSATIONS = _Kind(
    conversations.c.user_id == _USER,
    conversations.c.id,
    length=_length(conversations.c.system_prompt),
    at_most=_CONVERSATIONS,
)
_DELETED_CONVERSATIONS = _Kind(
    conversations.c.user_id.is_(None),
    conversations.c.id,
    length=_length(conversations.c.system_prompt),
    at_most=_CONVERSATIONS,
)
_OF_PAPERS = (
    _Kind(chunks.c.document_id.in_(_PAPERS), chunks.c.id, length=_length(chunks.c.text)),
    _Kind(
        document_pages.c.document_id.in_(_PAPERS),
        document_pages.c.number,
        within=(document_pages.c.document_id,),
        length=_length(document_pages.c.text) + _length(document_pages.c.blocks),
    ),
)
# With its job, by cascade.
_OWN_DOCUMENTS = _Kind(documents.c.user_id == _USER, documents.c.id, at_most=_DOCUMENTS)
_DELETED_DOCUMENTS = _Kind(documents.c.user_id.is_(None), documents.c.id, at_most=_DOCUMENTS)
_DELETED_COLLECTIONS = _Kind(
    collections.c.user_id.is_(None)
    & collections.c.id.not_in(select(documents.c.collection_id).where(documents.c.collection_id.is_not(None))),
    collections.c.id,
)
_OTHERS = (
    _Kind(
        idempotency_records.c.user_id == _USER,
        idempotency_records.c.key,
        within=(idempotency_records.c.user_id, idempotency_records.c.route),
    ),
    _Kind(kept_answers.c.user_id == _USER, kept_answers.c.id, length=_length(kept_answers.c.content)),
    _Kind(tickets.c.user_id == _USER, tickets.c.ticket_hash),
    _Kind(sessions.c.user_id == _USER, sessions.c.id),
    _Kind(api_keys.c.user_id == _USER, api_keys.c.id),
    _Kind(usage_records.c.user_id == _USER, usage_records.c.id),
    _Kind(collections.c.user_id == _USER, collections.c.id),
    _Kind(files.c.user_id == _USER, files.c.id),
)


class BelongingsRepository(Repository):
    async def some(self, user_id: str) -> Sequence[Part]:
        """What is to go next, in this order, so that no row takes many others with it; none when all has gone.

        Rows that come meanwhile are found the next time, or go with the user's own row.
        """
        if parts := await self._talks(_OWN_CONVERSATIONS, {"user": user_id}):
            return parts
        if parts := await self._papers(_OWN_DOCUMENTS, {"user": user_id}):
            return parts
        parts, _ = await self._of(_OTHERS, {"user": user_id})
        return parts

    async def deleted(self) -> Sequence[Part]:
        """The same of conversations that are nobody's any more."""
        return await self._talks(_DELETED_CONVERSATIONS, {})

    async def deleted_documents(self) -> Sequence[Part]:
        """The same of documents that are nobody's any more, and then of collections that have none."""
        if parts := await self._papers(_DELETED_DOCUMENTS, {}):
            return parts
        parts, _ = await self._of((_DELETED_COLLECTIONS,), {})
        return parts

    async def is_short(self, conversation_id: str) -> bool:
        """Whether all of a conversation may go at once, with its row."""
        parts, all_of_it = await self._of(_OF_TALKS, {"talks": [conversation_id]})
        return all_of_it and len(parts) <= len(_OF_TALKS)

    async def drop(self, part: Part) -> None:
        await self._connection.run(part.drop, part.names)

    async def _talks(self, kind: _Kind, owner: dict[str, object]) -> Sequence[Part]:
        found = await self._connection.rows(kind.find, owner)
        if not found:
            return ()
        parts, all_of_it = await self._of(_OF_TALKS, {"talks": [row["id"] for row in found]})
        return [*parts, *kind.parts(found)] if all_of_it else parts

    async def _papers(self, kind: _Kind, owner: dict[str, object]) -> Sequence[Part]:
        found = await self._connection.rows(kind.find, owner)
        if not found:
            return ()
        parts, all_of_it = await self._of(_OF_PAPERS, {"papers": [row["id"] for row in found]})
        return [*parts, *kind.parts(found)] if all_of_it else parts

    async def _of(self, kinds: Sequence[_Kind], owner: dict[str, object]) -> tuple[list[Part], bool]:
        """Parts of these kinds up to one that may have more; and whether that was all."""
        parts: list[Part] = []
        for kind in kinds:
            found = await self._connection.rows(kind.find, owner)
            parts += kind.parts(found)
            if len(found) == kind.at_most:
                return parts, False
        return parts, True
