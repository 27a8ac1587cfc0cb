"""What a turn costs does not grow with its conversation: neither statements, nor the work of the database."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, event, insert, select, update
from sqlalchemy.pool import Pool

from app.models.chat import conversations, messages
from tests.accounts.behind import alter, rows
from tests.backend import Backend, User
from tests.conftest import Serve
from tests.upstream import Answer, Upstream

_STEPS = 10
"""Of SQLite's machine, to which it is told to count at a time."""


class Work:
    """What the application has its database do."""

    def __init__(self) -> None:
        self.statements = 0
        self.steps = 0

    def connected(self, connection: Any, _: object) -> None:
        raw = connection.dbapi_connection if hasattr(connection, "dbapi_connection") else connection
        if isinstance(raw, sqlite3.Connection):
            raw.set_progress_handler(self._step, _STEPS)

    def executed(self, *_: object) -> None:
        self.statements += 1

    def _step(self) -> int:
        self.steps += _STEPS
        return 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        self.statements = self.steps = 0
        yield


@pytest.fixture
def work() -> Iterator[Work]:
    """Of engines that are made from now on."""
    work = Work()
    event.listen(Pool, "connect", work.connected)
    event.listen(Engine, "after_cursor_execute", work.executed)
    yield work
    event.remove(Pool, "connect", work.connected)
    event.remove(Engine, "after_cursor_execute", work.executed)


@pytest.fixture
async def backend(work: Work, serve: Serve, upstream: Upstream) -> Backend:
    """Its model holds 2,048 tokens; nothing is done beside what is asked."""
    upstream.models = ("echo",)
    upstream.script(Answer(("Yes.",), usage=(10, 2)))
    return await serve(
        ollama_base_url=upstream.url, ollama_context_tokens=2048, default_model="ollama/echo", checkpoint_seconds=60
    )


async def grown(user: User, database_url: str, length: int) -> str:
    """A conversation of so many messages, none of them long, most of them in one branch."""
    start = (await user.chat("Hello")).start
    (last,) = await rows(database_url, select(messages).where(messages.c.id == start["message_id"]))
    made, parent_id = [], last["id"]
    for position in range(3, length + 1):
        asked = position % 2 == 1
        row = {
            **last,
            "id": str(uuid4()),
            "parent_id": parent_id,
            "position": position,
            "role": "user" if asked else "assistant",
            "content": f"{position}: " + "word " * 20,
            "generation_id": None,
            "created_at": datetime.now(UTC),
        }
        made.append(row)
        parent_id = row["id"]
    one = conversations.c.id == start["conversation_id"]
    await alter(database_url, insert(messages).values(made[:1]), *_batches(made[1:]))
    await alter(database_url, update(conversations).where(one).values(leaf_id=parent_id))
    return str(start["conversation_id"])


def _batches(made: list[dict[str, Any]]) -> Iterator[Any]:
    for first in range(0, len(made), 500):
        yield insert(messages).values(made[first : first + 500])


async def turn(user: User, work: Work, conversation_id: str) -> tuple[int, int]:
    with work.counted():
        stream = await user.chat("And then?", conversation_id=conversation_id)
    assert stream.done["status"] == "complete"
    return work.statements, work.steps


async def test_a_turn_of_a_long_conversation_is_no_more_work(
    backend: Backend, work: Work, database_url: str, upstream: Upstream
) -> None:
    alice = await backend.user()
    took: dict[int, tuple[int, int]] = {}
    for length in (100, 10_000):
        conversation_id = await grown(alice, database_url, length)
        await turn(alice, work, conversation_id)  # which makes the cut
        took[length] = min([await turn(alice, work, conversation_id) for _ in range(3)])
        assert len((await alice.http.get(f"/conversations/{conversation_id}/summaries")).json()["items"]) == 1

    (statements, steps), (as_many, as_much) = took[100], took[10_000]
    assert as_many == statements, took
    assert as_much < steps * 1.3, took


async def test_a_conversation_that_fits_is_not_asked_for_its_compactions(
    backend: Backend, work: Work, upstream: Upstream
) -> None:
    seen: list[str] = []

    def note(_: object, __: object, statement: str, *more: object) -> None:
        seen.append(statement)

    alice = await backend.user()
    conversation_id = (await alice.chat("Hello")).start["conversation_id"]
    event.listen(Engine, "before_cursor_execute", note)
    try:
        await turn(alice, work, conversation_id)
    finally:
        event.remove(Engine, "before_cursor_execute", note)

    assert not [each for each in seen if "FROM compactions" in each and not each.startswith("SELECT conversations")]
