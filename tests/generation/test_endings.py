"""A generation ends once, and what readers are told is what the database holds."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import SecretStr
from sqlalchemy.engine import URL

from app.core.config import StorageSettings
from app.core.metrics import Metrics
from app.database import Database
from app.database.sqlite import SqliteStore
from app.database.unit import Unit
from app.domain.cards import ModelCard
from app.domain.chat import Bill, Failure, Generation, Message, Status, Turn
from app.domain.compactions import Compaction
from app.domain.events import Kind, Usage
from app.domain.failures import FailureCode
from app.domain.usage import Attempt
from app.generation.codec import decompress
from app.generation.endings import Ending, Endings
from app.generation.log import EventLog
from app.generation.mirror import Mirrors
from app.repositories.base import new_id, now
from app.services.acknowledgement import acknowledge
from tests.chat.ledger import booked
from tests.generation.conftest import Post, written
from tests.scrape import Scrape

COMPLETE = Ending(
    Status.COMPLETE,
    bill=Bill(9, 3, None),
    attempts=[Attempt(1, "openai", "echo", Usage(9, 3), estimated=False, cost=None, outcome="complete")],
)


async def _stored(database: Database, generation: Generation) -> tuple[Generation, Message, bytes | None]:
    async with database.snapshot() as tx:
        row = await tx.generations.get(generation.id)
        message = await tx.messages.get(generation.message_id)
        log = await tx.generations.log(generation.id)
    assert row is not None
    assert message is not None
    return row, message, log


def _done(log: EventLog) -> str:
    status: str = json.loads(log.after(0)[-1].payload)["status"]
    return status


async def test_an_ending_is_saved_as_it_is_told(
    database_kind: str, database: Database, endings: Endings, post: Post
) -> None:
    generation = await post("Hel")
    log = written(generation, "Hel", "lo")

    await endings.conclude(generation, log, COMPLETE)

    row, message, packed = await _stored(database, generation)
    assert packed is not None
    assert decompress(packed) == log.after(0)
    assert (row.status, row.last_seq) == (Status.COMPLETE, log.last_seq)
    assert (message.content, message.status) == ("Hello", Status.COMPLETE)
    assert _done(log) == "complete"


async def test_an_ending_whose_commit_nobody_heard_of_is_not_ended_again(
    database_kind: str, database: Database, endings: Endings, post: Post, database_url: str
) -> None:
    generation = await post()
    await endings.conclude(generation, written(generation, "Hello"), COMPLETE)
    again = written(generation, "Hello")

    await endings.conclude(generation, again, COMPLETE)

    assert _done(again) == "complete"
    assert [bill.outcome for bill in await booked(database_url, generation.id)] == ["complete"]


async def test_when_patience_runs_out_the_database_says_what_readers_were_told(
    database_kind: str, database: Database, metrics: Metrics, post: Post
) -> None:
    generation = await post()
    log = written(generation, "Hello")

    await Endings(database, metrics, patience=0).conclude(generation, log, COMPLETE)

    row, message, packed = await _stored(database, generation)
    assert packed is not None
    assert decompress(packed) == log.after(0)
    assert _done(log) == "failed"
    assert (row.status, row.failure_code) == (Status.FAILED, FailureCode.INTERNAL)
    assert message.content == "Hello"


class FailsOnce(SqliteStore):
    """Away for the first one who only reads."""

    def __init__(self, url: URL, settings: StorageSettings) -> None:
        super().__init__(url, settings)
        self._failures = [OSError("the connection broke")]

    @asynccontextmanager
    async def unit(self, *, write: bool, durable: bool) -> AsyncIterator[Unit]:
        if not write and self._failures:
            raise self._failures.pop()
        async with super().unit(write=write, durable=durable) as unit:
            yield unit


async def test_what_another_has_stored_is_told_also_when_the_database_fails_just_then(
    database: Database, endings: Endings, metrics: Metrics, post: Post, database_url: str
) -> None:
    generation = await post("Hel", "lo")
    await endings.end_lost(generation)
    log = written(generation, "Hel")
    settings = StorageSettings(_env_file=None, database_url=SecretStr(database_url))
    failing = Database(settings, FailsOnce(database.url, settings))

    await Endings(failing, metrics).conclude(generation, log, COMPLETE)

    _, _, packed = await _stored(database, generation)
    assert packed is not None
    assert log.after(0) == decompress(packed)
    await failing.close()


async def test_of_a_log_that_may_be_anothers_by_now_no_more_is_shown_when_patience_runs_out(
    database: Database, metrics: Metrics, post: Post
) -> None:
    generation = await post()
    log = written(generation, "Hel")
    log.append(Kind.TEXT, b'"lo"')
    log.seal()

    await Endings(database, metrics, patience=0).conclude(generation, log, COMPLETE)

    row, message, _ = await _stored(database, generation)
    assert [event.kind for event in log.after(0)] == [Kind.START, Kind.TEXT, Kind.USAGE, Kind.FAILURE, Kind.DONE]
    assert (row.failure_code, message.content) == (FailureCode.INTERNAL, "Hel")


async def test_a_commit_that_went_through_after_all_is_brought_in_line_with_what_readers_were_told(
    database_kind: str, database: Database, endings: Endings, metrics: Metrics, post: Post
) -> None:
    generation = await post()
    await endings.conclude(generation, written(generation, "Hello"), COMPLETE)
    log = written(generation, "Hello")

    await Endings(database, metrics, patience=0).conclude(generation, log, COMPLETE)

    row, _, packed = await _stored(database, generation)
    assert packed is not None
    assert decompress(packed) == log.after(0)
    assert row.status is Status.FAILED


async def test_an_owner_that_was_thought_dead_changes_nothing_but_the_bill(
    database_kind: str, database: Database, endings: Endings, post: Post, database_url: str
) -> None:
    generation = await post("Hel")
    await endings.end_lost(generation)
    log = written(generation, "Hel", "lo")

    await endings.conclude(generation, log, COMPLETE)

    row, message, _ = await _stored(database, generation)
    assert (row.status, row.failure_code) == (Status.FAILED, FailureCode.INSTANCE_LOST)
    assert (message.content, _done(log)) == ("Hel", "failed")
    (bill,) = await booked(database_url, generation.id)
    assert (bill.outcome, bill.estimated, bill.output_tokens) == ("complete", False, 3)


async def test_of_what_was_cut_off_before_a_lost_answer_is_billed_the_summary_alone(
    database_kind: str, database: Database, endings: Endings, post: Post, database_url: str
) -> None:
    first = await post()
    await endings.conclude(first, written(first, "Fine. " * 100), COMPLETE)
    async with database.transaction() as tx:
        last = await tx.messages.spot(first.conversation_id, first.message_id)
        assert last is not None
        cut = Compaction(
            new_id(), first.conversation_id, last.id, last.branch_id, last.position, 150, "They met.", None, now()
        )
        tx.compactions.add(cut)
        turn = Turn("And now?", conversation_id=first.conversation_id)
        lost = (
            await acknowledge(tx, first.user_id, turn, ModelCard("openai", "echo"), None, owner_id=new_id())
        ).generation

    await endings.end_lost(lost)

    (bill,) = await booked(database_url, lost.id)
    assert bill.input_tokens < 10


async def test_a_sweep_that_comes_late_leaves_the_real_bill(
    database: Database, endings: Endings, post: Post, database_url: str
) -> None:
    generation = await post("Hel")
    await endings.conclude(generation, written(generation, "Hel", "lo"), COMPLETE)

    await endings.end_lost(generation)

    (bill,) = await booked(database_url, generation.id)
    assert (bill.outcome, bill.estimated) == ("complete", False)
    assert (await _stored(database, generation))[1].content == "Hello"


async def test_nothing_is_booked_for_a_user_who_is_gone(
    database: Database, endings: Endings, post: Post, database_url: str
) -> None:
    generation = await post()
    async with database.transaction() as tx:
        await tx.users.delete(generation.user_id)
    log = written(generation, "Hello")

    await endings.conclude(generation, log, COMPLETE)

    assert _done(log) == "stopped"
    assert await booked(database_url, generation.id) == []


async def test_an_ending_is_told_once_whoever_tells_it(endings: Endings, post: Post) -> None:
    generation = await post()
    log = written(generation, "Hello")
    failure = Failure(FailureCode.INSTANCE_DRAINING, "The server is restarting.", retryable=True)

    endings.give_up(generation, log, failure)
    told = list(log.after(0))
    await endings.conclude(generation, log, COMPLETE)

    assert list(log.after(0)) == told


async def test_a_run_that_another_instance_ended_is_counted_there_and_only_there(
    database: Database, endings: Endings, metrics: Metrics, post: Post
) -> None:
    elsewhere = Metrics(["openai"], "0")
    generation = await post("Hel")

    await Endings(database, elsewhere).end_lost(generation)
    await endings.conclude(generation, written(generation, "Hel", "lo"), COMPLETE)
    await endings.end_lost(generation)

    there = Scrape.straight(elsewhere)
    assert there.value("ai_generations_ended_total", provider="openai", status="failed", code="instance_lost") == 1
    assert there.value("ai_upstream_attempts_total", provider="openai", outcome="instance_lost") == 1
    assert Scrape.straight(metrics).value("ai_generations_ended_total") == 0


async def test_an_ending_is_counted_once_whoever_tells_it(endings: Endings, metrics: Metrics, post: Post) -> None:
    generation = await post()
    log = written(generation, "Hello")

    endings.give_up(generation, log)
    await endings.conclude(generation, log, COMPLETE)

    counted = Scrape.straight(metrics)
    assert counted.value("ai_generations_ended_total", status="failed", code="internal") == 1
    assert counted.value("ai_generations_ended_total") == 1


async def test_a_mirror_of_a_deleted_generation_ends_with_done(
    database_kind: str, database: Database, post: Post
) -> None:
    generation = await post("Hel")
    mirrors = Mirrors(database)
    log = await mirrors.live(generation)
    followed = asyncio.create_task(log.wait_ended())
    async with database.transaction() as tx:
        await tx.conversations.delete(generation.user_id, generation.conversation_id)

    async with asyncio.timeout(5):
        await followed

    assert _done(log) == "stopped"
    await mirrors.close()
