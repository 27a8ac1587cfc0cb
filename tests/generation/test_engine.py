"""A run that breaks in a way that nobody expected."""

import asyncio
from decimal import Decimal

from app.core.metrics import Metrics
from app.database import Database
from app.domain.cards import ModelCard
from app.domain.events import Kind, Usage
from app.domain.prompts import ModelMessage, ModelRequest
from app.generation.checkpoints import Checkpointer
from app.generation.deadline import TimeLimits
from app.generation.endings import Endings
from app.generation.engine import Engine, EngineLimits
from app.generation.leases import Lease
from app.generation.log import MemoryLogs
from app.generation.publishing import DirectPublisher
from app.generation.run import Assignment
from app.providers import shipped
from app.providers.offline import OfflineProvider
from app.stores.slots import LocalSlots
from tests.generation.conftest import Post

CARD = ModelCard("offline", "responder")


def _broken(card: ModelCard, usage: Usage) -> Decimal:
    raise ArithmeticError("no price at all")


async def test_readers_are_told_and_nothing_of_it_is_saved_as_if_it_went_on(
    database: Database, endings: Endings, lease: Lease, metrics: Metrics, post: Post
) -> None:
    generation = await post()
    checkpointer = Checkpointer(database, 1.0, metrics)
    limits = EngineLimits(TimeLimits(), max_answer_bytes=100_000, concurrent=1, concurrent_per_user=1)
    engine = Engine(
        logs=MemoryLogs(),
        publisher=DirectPublisher(lease),
        lease=lease,
        checkpointer=checkpointer,
        endings=endings,
        price=_broken,
        limits=limits,
        slots=LocalSlots(),
        metrics=metrics,
    )
    card = shipped.card("offline", "responder")
    request = ModelRequest(card, [ModelMessage("user", "Hello")], None, max_tokens=100, temperature=None)

    slot = await engine.admit(generation.user_id)
    log = engine.start(Assignment(generation, CARD, OfflineProvider(), request), slot)
    async with asyncio.timeout(20):
        await log.wait_ended()
    await asyncio.sleep(0)
    await checkpointer.tick()

    assert [event.kind for event in log.after(0)[-2:]] == [Kind.FAILURE, Kind.DONE]
    async with database.snapshot() as tx:
        assert await tx.generations.checkpoints(generation.id) == []
    assert not engine.lives(generation.id)
    (await engine.admit(generation.user_id)).release()
