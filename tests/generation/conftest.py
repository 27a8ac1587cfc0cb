"""Rows of generations as posts leave them, without the runs that would write them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from app.core.config import Settings
from app.core.metrics import Metrics
from app.database import Database
from app.domain.cards import ModelCard
from app.domain.chat import Generation, Turn
from app.domain.events import Kind, LogEvent
from app.domain.identity import Role
from app.domain.text import encode
from app.generation.codec import pack
from app.generation.endings import Endings
from app.generation.leases import Lease
from app.generation.log import EventLog
from app.generation.payloads import start_payload
from app.repositories.generations import Checkpoint
from app.services.acknowledgement import acknowledge

Post = Callable[..., Awaitable[Generation]]


@pytest.fixture
async def database(database_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(Settings(_env_file=None, database_url=database_url, data_dir=tmp_path))
    yield database
    await database.close()


@pytest.fixture
async def lease(database: Database) -> Lease:
    lease = Lease(database)
    await lease.acquire()
    return lease


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(["openai", "offline"], "0")


@pytest.fixture
def endings(database: Database, metrics: Metrics) -> Endings:
    return Endings(database, metrics)


@pytest.fixture
async def post(database: Database, lease: Lease) -> Post:
    """Acknowledges a message in a new conversation; no run stands behind the row. Checkpoints as given."""
    async with database.transaction() as tx:
        user = await tx.users.add(email="alice@example.com", name=None, role=Role.USER, password_hash="none")

    async def post(*chunks: str, owner_id: str | None = None) -> Generation:
        card = ModelCard("openai", "echo")
        async with database.transaction() as tx:
            post = await acknowledge(
                tx, user.id, Turn("How are you?"), card, None, owner_id=owner_id or lease.instance_id
            )
            if chunks:
                events = written(post.generation, *chunks).after(0)
                tx.generations.add_checkpoints([Checkpoint(post.generation.id, 1, pack(events))])
        return post.generation

    return post


def written(generation: Generation, *chunks: str) -> EventLog:
    """The log of a run that has written these chunks."""
    events: Sequence[LogEvent] = [
        LogEvent(1, Kind.START, start_payload(generation)),
        *(LogEvent(seq, Kind.TEXT, encode(chunk)) for seq, chunk in enumerate(chunks, start=2)),
    ]
    return EventLog(events)
