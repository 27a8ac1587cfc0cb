"""What nobody writes any more is ended, whatever it takes; what lives is left alone."""

from sqlalchemy import update
from sqlalchemy.ext.asyncio import create_async_engine

from app.database import Database
from app.database import database_url as parse_url
from app.domain.chat import Generation, Status
from app.domain.failures import FailureCode
from app.generation.endings import Endings
from app.generation.leases import Lease
from app.generation.sweeper import Sweeper
from app.models.generations import generation_checkpoints
from app.repositories.base import new_id
from tests.generation.conftest import Post


async def _row(database: Database, generation: Generation) -> Generation:
    async with database.snapshot() as tx:
        row = await tx.generations.get(generation.id)
    assert row is not None
    return row


async def test_a_row_of_ours_without_a_run_is_ended_so_that_its_conversation_goes_on(
    database_kind: str, database: Database, endings: Endings, lease: Lease, post: Post
) -> None:
    stray, live = await post("Hel"), await post("lo")
    sweeper = Sweeper(database, endings, lease, lambda id_: id_ == live.id, stray_after=0)

    await sweeper.end_strays()

    assert (await _row(database, stray)).failure_code is FailureCode.INSTANCE_LOST
    assert (await _row(database, live)).status is Status.STREAMING


async def test_a_row_that_was_just_committed_is_no_stray(
    database: Database, endings: Endings, lease: Lease, post: Post
) -> None:
    committed = await post()
    sweeper = Sweeper(database, endings, lease, lambda _: False)

    await sweeper.end_strays()

    assert (await _row(database, committed)).status is Status.STREAMING


async def test_one_that_cannot_be_read_does_not_keep_the_others_from_their_end(
    database: Database, endings: Endings, lease: Lease, post: Post, database_url: str
) -> None:
    dead = new_id()
    broken, sound = await post("Hel", owner_id=dead), await post("Hel", owner_id=dead)
    engine = create_async_engine(parse_url(database_url))
    async with engine.begin() as connection:
        await connection.execute(
            update(generation_checkpoints)
            .where(generation_checkpoints.c.generation_id == broken.id)
            .values(events=b"of a newer version")
        )
    await engine.dispose()

    await Sweeper(database, endings, lease, lambda _: False).end_orphans()

    assert (await _row(database, sound)).failure_code is FailureCode.INSTANCE_LOST
    assert (await _row(database, broken)).status is Status.STREAMING


async def test_a_lease_whose_commit_nobody_heard_of_is_taken_again(
    database_kind: str, database: Database, lease: Lease
) -> None:
    await lease.acquire()

    async with database.transaction() as tx:
        assert await tx.instances.hold(lease.instance_id)
