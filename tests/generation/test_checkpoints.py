"""Who holds what while running answers are saved."""

import asyncio

import pytest

from app.database import Database
from app.domain.chat import Status
from app.generation.endings import Ending, Endings
from app.generation.leases import Lease
from tests.generation.conftest import Post, written


@pytest.mark.parametrize("database_kind", ["postgresql", "mariadb"])
async def test_a_tick_and_a_change_of_a_user_do_not_wait_for_each_other(
    database_kind: str, database: Database, lease: Lease, post: Post
) -> None:
    generation = await post("Hel")
    async with asyncio.timeout(3):
        async with database.transaction() as changing, database.transaction() as ticking:
            assert await changing.users.enter(generation.user_id) is not None
            assert await ticking.generations.owned([generation.id], lease.instance_id) == {generation.id: False}
        async with database.transaction() as ticking, database.transaction() as changing:
            assert await ticking.generations.owned([generation.id], lease.instance_id) == {generation.id: False}
            assert await changing.users.enter(generation.user_id) is not None
            assert await changing.users.change(generation.user_id, {"is_active": False})
    async with database.transaction() as tx:
        assert await tx.generations.owned([generation.id], lease.instance_id) == {generation.id: True}


@pytest.mark.parametrize("database_kind", ["postgresql", "mariadb"])
async def test_an_ending_without_a_word_and_a_deletion_do_not_wait_for_each_other(
    database_kind: str, database: Database, endings: Endings, post: Post
) -> None:
    generation = await post("")

    async def delete() -> bool:
        async with database.transaction() as tx:
            return await tx.conversations.delete(generation.user_id, generation.conversation_id)

    async with asyncio.timeout(5):
        async with database.transaction() as holding:
            holding.generations.drop_checkpoints(generation.id, from_seq=1)
            assert await holding.users.hold(generation.user_id)
            ending = asyncio.create_task(endings.conclude(generation, written(generation), Ending(Status.STOPPED)))
            await asyncio.sleep(0.2)  # it has the generation, and waits for its checkpoints
            deletion = asyncio.create_task(delete())
            await asyncio.sleep(0.2)  # it waits for the ending
        await ending
        assert await deletion
