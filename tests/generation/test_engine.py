"""A run that breaks in a way that nobody expected, and one that begins as the last one here."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest

from app.core.errors import Draining
from app.core.metrics import Metrics
from app.database import Database
from app.domain.cards import ModelCard
from app.domain.chat import Generation
from app.domain.events import Kind, Usage
from app.domain.prompts import ModelMessage, ModelRequest
from app.generation.attempts import Price
from app.generation.checkpoints import Checkpointer
from app.generation.deadline import TimeLimits
from app.generation.endings import Endings
from app.generation.engine import Engine, EngineLimits
from app.generation.leases import Lease
from app.generation.log import MemoryLogs
from app.generation.passages import PassageEndings
from app.generation.publishing import DirectPublisher
from app.generation.run import Assignment
from app.providers import shipped
from app.providers.offline import OfflineProvider
from app.stores.slots import LocalSlots
from tests.generation.conftest import Post

CARD = ModelCard("offline", "responder")


def _broken(card: ModelCard, usage: Usage) -> Decimal:
    raise ArithmeticError("no price at all")


def _free(card: ModelCard, usage: Usage) -> Decimal:
    return Decimal(0)


Build = Callable[[Price], Engine]


@pytest.fixture
def checkpointer(database: Database, metrics: Metrics) -> Checkpointer:
    return Checkpointer(database, 1.0, metrics)


@pytest.fixture
def build(database: Database, checkpointer: Checkpointer, endings: Endings, lease: Lease, metrics: Metrics) -> Build:
    def build(price: Price) -> Engine:
        return Engine(
            logs=MemoryLogs(),
            publisher=DirectPublisher(lease),
            lease=lease,
            checkpointer=checkpointer,
            endings=endings,
            passages=PassageEndings(database, metrics),
            price=price,
            limits=EngineLimits(TimeLimits(), max_answer_bytes=100_000, concurrent=1, concurrent_per_user=1),
            slots=LocalSlots(),
            metrics=metrics,
        )

    return build


def _assignment(generation: Generation) -> Assignment:
    card = shipped.card("offline", "responder")
    request = ModelRequest(card, [ModelMessage("user", "Hello")], None, max_tokens=100, temperature=None)
    return Assignment(generation, CARD, OfflineProvider(), request)


async def test_readers_are_told_and_nothing_of_it_is_saved_as_if_it_went_on(
    database: Database, checkpointer: Checkpointer, build: Build, post: Post
) -> None:
    generation = await post()
    engine = build(_broken)

    log = engine.start(_assignment(generation), await engine.admit(generation.user_id))
    async with asyncio.timeout(20):
        await log.wait_ended()
    await asyncio.sleep(0)
    await checkpointer.tick()

    assert [event.kind for event in log.after(0)[-2:]] == [Kind.FAILURE, Kind.DONE]
    async with database.snapshot() as tx:
        assert await tx.generations.checkpoints(generation.id) == []
    assert not engine.lives(generation.id)
    (await engine.admit(generation.user_id)).release()


async def test_a_post_that_was_admitted_when_the_drain_began_has_the_time_of_the_others(
    build: Build, post: Post
) -> None:
    generation = await post()
    engine = build(_free)
    slot = await engine.admit(generation.user_id)

    drain = asyncio.create_task(engine.drain(10))
    await asyncio.sleep(0.1)
    with pytest.raises(Draining):
        await engine.admit(generation.user_id)
    log = engine.start(_assignment(generation), slot)
    async with asyncio.timeout(9):
        await drain

    assert log.ended
    assert Kind.FAILURE not in [event.kind for event in log.after(0)]
