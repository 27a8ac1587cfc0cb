"""Which compaction counts on a path, however many there are on others."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from app.core.errors import Conflict
from app.database import Database
from app.domain.chat import Author, Spot
from app.domain.compactions import Compaction
from app.domain.identity import Role
from app.domain.paths import Path, Stretch
from app.repositories.base import new_id


@pytest.fixture
async def conversation_id(database: Database) -> str:
    async with database.transaction() as tx:
        user = await tx.users.add(email="alice@example.com", name=None, role=Role.USER, password_hash="none")
        talk = tx.conversations.add(user_id=user.id, title="", model="m", model_given=False, system_prompt=None)
    return talk.id


def compaction(conversation_id: str, branch_id: str, position: int) -> Compaction:
    return Compaction(
        id=new_id(),
        conversation_id=conversation_id,
        message_id=new_id(),
        branch_id=branch_id,
        position=position,
        tokens=position * 100,
        summary="汉" * 10_000 if position % 2 else None,
        model=None,
        created_at=datetime.now(UTC),
    )


def path(*stretches: tuple[str, int]) -> Path:
    branch_id, upto = stretches[-1]
    leaf = Spot("leaf", None, Author.ASSISTANT, branch_id, upto, last=True)
    return Path([Stretch(*each) for each in stretches], leaf)


async def add(database: Database, *compactions: Compaction) -> None:
    async with database.transaction() as tx:
        for each in compactions:
            tx.compactions.add(each)


async def newest(database: Database, conversation_id: str, way: Path) -> Sequence[int]:
    async with database.snapshot() as tx:
        return [each.position for each in await tx.compactions.newest(conversation_id, way)]


async def test_the_newest_of_a_path_come_oldest_first(
    database: Database, conversation_id: str, database_kind: str
) -> None:
    await add(database, *(compaction(conversation_id, "a", position) for position in range(10, 200, 10)))
    found = await newest(database, conversation_id, path(("a", 155)))
    assert list(found) == [80, 90, 100, 110, 120, 130, 140, 150]


async def test_one_is_found_behind_any_number_on_other_branches(
    database: Database, conversation_id: str, database_kind: str
) -> None:
    await add(database, compaction(conversation_id, "a", 5), compaction(conversation_id, "a", 20))
    await add(database, *(compaction(conversation_id, "b", position) for position in range(30, 130)))
    assert await newest(database, conversation_id, path(("a", 10), ("c", 500))) == [5]
    assert await newest(database, conversation_id, path(("a", 25), ("c", 500))) == [5, 20]
    assert (
        await newest(
            database,
            conversation_id,
            path(
                ("x", 500),
            ),
        )
        == []
    )


async def test_of_a_conversation_that_has_gone_none_is_kept(database: Database, database_kind: str) -> None:
    with pytest.raises(Conflict):
        await add(database, compaction(new_id(), "a", 5))
