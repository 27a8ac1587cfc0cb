"""A run that breaks in a way that nobody expected, and one that begins as the last one here."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import pytest

from app.core.errors import Draining
from app.core.metrics import Metrics
from app.database import Database
from app.domain.cards import ModelCard
from app.domain.chat import Generation
from app.domain.events import Finish, FinishReason, Kind, Prompted, ProviderEvent, TextDelta, Usage
from app.domain.prompts import ModelMessage, ModelRequest
from app.domain.providers import Provider
from app.domain.usage import Attempt
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
from app.repositories.base import new_id
from app.stores.slots import LocalSlots
from tests.generation.conftest import Post

CARD = ModelCard("offline", "responder")
_GRACE = 0.5


def _broken(card: ModelCard, usage: Usage) -> Decimal:
    raise ArithmeticError("no price at all")


def _free(card: ModelCard, usage: Usage) -> Decimal:
    return Decimal(0)


Build = Callable[..., Engine]


@pytest.fixture
def checkpointer(database: Database, metrics: Metrics) -> Checkpointer:
    return Checkpointer(database, 1.0, metrics)


@pytest.fixture
def build(database: Database, checkpointer: Checkpointer, endings: Endings, lease: Lease, metrics: Metrics) -> Build:
    def build(price: Price, time: TimeLimits | None = None) -> Engine:
        return Engine(
            logs=MemoryLogs(),
            publisher=DirectPublisher(lease),
            lease=lease,
            checkpointer=checkpointer,
            endings=endings,
            passages=PassageEndings(database, metrics),
            price=price,
            limits=EngineLimits(
                time or TimeLimits(), max_answer_bytes=100_000, concurrent=1, concurrent_per_user=1, grace=_GRACE
            ),
            slots=LocalSlots(),
            metrics=metrics,
        )

    return build


class _Deaf(OfflineProvider):
    """Says a word, and does not end when it is cancelled."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ProviderEvent], None]:
        yield [Prompted(9), TextDelta(b'"Hel"')]
        while not self.heard.is_set():
            with suppress(asyncio.CancelledError):
                await self.heard.wait()


class _Slow(OfflineProvider):
    """Tells at once what the prompt takes, and the rest a moment later."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ProviderEvent], None]:
        yield [Prompted(9)]
        await asyncio.sleep(0.2)  # more than a deadline lets a timer be late
        yield [TextDelta(b'"Hi"'), Finish(FinishReason.STOP)]


def _assignment(generation: Generation, provider: Provider | None = None) -> Assignment:
    card = shipped.card("offline", "responder")
    request = ModelRequest(card, [ModelMessage("user", "Hello")], None, max_tokens=100, temperature=None)
    return Assignment(generation, CARD, provider or OfflineProvider(), request)


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


@pytest.mark.parametrize("stored", [True, False])
async def test_a_run_that_does_not_heed_the_drain_is_booked_all_the_same(
    database: Database, build: Build, post: Post, stored: bool
) -> None:
    generation = await post()
    engine, deaf = build(_free), _Deaf()
    slot = await engine.admit(generation.user_id)
    if stored:
        log = engine.start(_assignment(generation, deaf), slot)
    else:
        passing = replace(generation, id=new_id(), conversation_id="", owner_id="")
        log = engine.pass_through(_assignment(passing, deaf), slot)
    async with asyncio.timeout(5):
        await log.wait_for(2)
        await engine.drain(0)
    deaf.heard.set()

    assert [event.kind for event in log.after(0)[-2:]] == [Kind.FAILURE, Kind.DONE]
    assert b"instance_draining" in log.after(0)[-2].payload
    found: list[Attempt] = []
    async with asyncio.timeout(10):
        while not found:
            await asyncio.sleep(0.02)
            async with database.snapshot() as tx:
                page = await tx.usage.booked(generation.user_id, limit=100, cursor=None)
            found = [each.attempt for each in page.items]
    [booked] = found
    assert (booked.outcome, booked.estimated, booked.usage) == ("instance_draining", True, Usage(9, 1))


async def test_a_prompt_that_is_counted_is_no_beginning_of_an_answer(build: Build, post: Post) -> None:
    generation = await post()
    engine = build(_free, TimeLimits(first=5.0, gap=0.01))
    log = engine.start(_assignment(generation, _Slow()), await engine.admit(generation.user_id))
    async with asyncio.timeout(5):
        await log.wait_ended()
    assert [event.kind for event in log.after(0)] == [Kind.START, Kind.TEXT, Kind.USAGE, Kind.DONE]
