"""Conversations written straight into a database, by the thousand, and how a search of them is planned."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, islice
from random import Random
from typing import Any

from sqlalchemy import ClauseElement, Executable, insert
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import NullPool
from sqlalchemy.sql.compiler import SQLCompiler

from app.database import database_url
from app.database.server import connect_args
from app.domain.entries import VERSION, coded, entries
from app.domain.snippets import asked_for
from app.models.chat import conversations, messages
from app.models.identity import users
from app.models.search import search_entries
from app.repositories.base import new_id
from app.repositories.search import find

_LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
_TOGETHER = 500


class Vocabulary:
    """Words as often as in a language: the n-th an n-th of the first. English ones by name, Chinese characters."""

    def __init__(self, seed: int = 7) -> None:
        self._random = random = Random(seed)  # noqa: S311  # the same each time
        syllables = [consonant + vowel for consonant in "bcdfglmnprst" for vowel in "aeiou"]
        self.words = sorted({"".join(random.choices(syllables, k=random.randint(1, 4))) for _ in range(30_000)})
        random.shuffle(self.words)
        self.characters = [chr(0x4E00 + place) for place in random.sample(range(20_000), 4000)]
        self._word_weights = _weights(len(self.words))
        self._character_weights = _weights(len(self.characters))

    def message(self) -> str:
        """Of some 60 words, or of some 130 Chinese characters."""
        random = self._random
        if random.random() < 0.5:
            return " ".join(random.choices(self.words, cum_weights=self._word_weights, k=random.randint(10, 110)))
        return "，".join(
            "".join(random.choices(self.characters, cum_weights=self._character_weights, k=random.randint(4, 12)))
            for _ in range(random.randint(3, 30))
        )


def _weights(count: int) -> list[float]:
    return list(accumulate(1 / (place + 2) for place in range(count)))


@dataclass(frozen=True, slots=True)
class Filled:
    """`branch_id` is of the last conversation; each has `each` messages."""

    user_ids: list[str]
    vocabulary: Vocabulary
    branch_id: str
    each: int


async def fill(url: str, *, count: int, people: int = 5, each: int = 20) -> Filled:
    """Write so many messages of some people, in conversations of `each`, everybody's in turn."""
    vocabulary = Vocabulary()
    ids = [new_id() for _ in range(people)]
    parsed = database_url(url)
    engine = create_async_engine(parsed, poolclass=NullPool, connect_args=connect_args(parsed, 10.0, None))
    async with engine.begin() as connection:
        await connection.execute(insert(users), [_user(user_id) for user_id in ids])
    branch_id = ""
    talks = _talks(vocabulary, ids, count // each, each)
    while batch := list(islice(talks, max(_TOGETHER // each, 1))):
        async with engine.begin() as connection:
            await connection.execute(insert(conversations), [talk for talk, _, _ in batch])
            await connection.execute(insert(messages), [row for _, rows, _ in batch for row in rows])
            await connection.execute(insert(search_entries), [row for _, _, rows in batch for row in rows])
        branch_id = batch[-1][1][0]["branch_id"]
    async with engine.connect() as connection:
        if parsed.get_backend_name() != "sqlite":
            analyze = "ANALYZE" if parsed.get_backend_name() == "postgresql" else "ANALYZE TABLE search_entries"
            await connection.exec_driver_sql(analyze)
            await connection.commit()
    await engine.dispose()
    return Filled(ids, vocabulary, branch_id, each)


async def run(url: str, statement: str) -> list[Any]:
    """The rows of a statement, if it has any; what it writes is committed."""
    parsed = database_url(url)
    engine = create_async_engine(parsed, poolclass=NullPool, connect_args=connect_args(parsed, 10.0, None))
    async with engine.begin() as connection:
        result = await connection.exec_driver_sql(statement)
        rows = [tuple(row) for row in result] if result.returns_rows else []
    await engine.dispose()
    return rows


async def plan(url: str, user_id: str, q: str) -> str:
    """How the database goes about a search, in its own words."""
    words = asked_for(q)
    values = {f"word_{number}": coded(user_id, word) for number, word in enumerate(words)}
    if len(words) > 1:
        values["all_words"] = coded(user_id, frozenset[str]().union(*words))
    return await explained(url, find(len(words), further=False), {**values, "user": user_id, "at_most": 21})


async def explained(url: str, statement: ClauseElement, values: dict[str, Any]) -> str:
    """How the database goes about a statement."""
    parsed = database_url(url)
    engine = create_async_engine(parsed, poolclass=NullPool, connect_args=connect_args(parsed, 10.0, None))
    async with engine.connect() as connection:
        rows = (await connection.execute(_Explain(statement), values)).all()
    await engine.dispose()
    return "\n".join(" | ".join(map(str, row)) for row in rows)


class _Explain(Executable, ClauseElement):
    inherit_cache = False

    def __init__(self, statement: ClauseElement) -> None:
        self.statement = statement


@compiles(_Explain)
def _explain(element: _Explain, compiler: SQLCompiler, **kw: Any) -> str:
    how = "EXPLAIN QUERY PLAN" if compiler.dialect.name == "sqlite" else "EXPLAIN"
    return f"{how} {compiler.process(element.statement, **kw)}"


def _user(user_id: str) -> dict[str, Any]:
    return {
        "id": user_id,
        "email": f"{user_id}@example.com",
        "role": "user",
        "is_active": True,
        "password_hash": "",
        "created_at": _LONG_AGO,
    }


def _talks(vocabulary: Vocabulary, ids: list[str], count: int, each: int) -> Iterator[tuple[Any, list[Any], list[Any]]]:
    for number in range(count):
        user_id, conversation_id = ids[number % len(ids)], new_id()
        moment = _LONG_AGO + timedelta(minutes=number)
        title = vocabulary.message()[:50]
        rows = [_message(conversation_id, place, vocabulary.message(), moment) for place in range(1, each + 1)]
        for before, row in zip([None, *rows[:-1]], rows, strict=True):
            row |= {"branch_id": rows[0]["id"], "parent_id": before["id"] if before else None}
        found = [_entry(conversation_id, None, entry) for entry in entries(user_id, title)]
        found += [
            _entry(conversation_id, row["id"], entry) for row in rows for entry in entries(user_id, row["content"])
        ]
        yield _talk(conversation_id, user_id, title, moment, rows[-1]["id"]), rows, found


def _talk(conversation_id: str, user_id: str, title: str, moment: datetime, leaf_id: str) -> dict[str, Any]:
    return {
        "id": conversation_id,
        "user_id": user_id,
        "title": title,
        "model": "openai/echo",
        "model_given": False,
        "terms_version": VERSION,
        "leaf_id": leaf_id,
        "created_at": moment,
        "updated_at": moment,
    }


def _message(conversation_id: str, position: int, text: str, moment: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "conversation_id": conversation_id,
        "position": position,
        "role": "user" if position % 2 else "assistant",
        "content": text,
        "status": "complete",
        "created_at": moment,
    }


def _entry(conversation_id: str, message_id: str | None, entry: Any) -> dict[str, Any]:
    return {
        "conversation_id": conversation_id,
        "message_id": message_id,
        "start": entry.start,
        "terms": entry.codes,
    }
