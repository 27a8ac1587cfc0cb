"""Answers kept for their keys, on every database: ended once, told from those of the dead, and gone with their day."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import update

from app.database import Database
from app.domain.identity import Role
from app.models.generations import kept_answers
from app.repositories.base import new_id
from tests.accounts.behind import alter


async def begun(database: Database, owner_id: str) -> str:
    """The id of an answer that is about to be made."""
    answer_id = new_id()
    async with database.transaction() as tx:
        user = await tx.users.add(email="alice@example.com", name=None, role=Role.USER, password_hash="none")
        await tx.instances.add(owner_id, 10.0)
        tx.kept_answers.add(answer_id, user_id=user.id, owner_id=owner_id, model="openai/gpt")
    return answer_id


async def test_an_answer_ends_once_and_its_owner_is_known_to_live(database: Database, database_kind: str) -> None:
    owner_id = new_id()
    answer_id = await begun(database, owner_id)
    found = await database.now.kept_answers.find(answer_id)
    assert found is not None
    assert (found.model, found.owner_id, found.owner_lives, found.content) == ("openai/gpt", owner_id, True, None)
    async with database.transaction() as tx:
        await tx.instances.remove(owner_id)
        tx.kept_answers.end(answer_id, b"\x00first")
        tx.kept_answers.end(answer_id, b"second")
    found = await database.now.kept_answers.find(answer_id)
    assert found is not None
    assert (found.owner_lives, found.content) == (False, b"\x00first")
    assert await database.now.kept_answers.find(new_id()) is None


async def test_an_answer_goes_when_its_day_is_over(database: Database, database_kind: str, database_url: str) -> None:
    answer_id = await begun(database, new_id())
    for hours, there in ((1, True), (-1, False)):
        moment = datetime.now(UTC) + timedelta(hours=hours)
        await alter(database_url, update(kept_answers).values(expires_at=moment))
        async with database.transaction() as tx:
            await tx.kept_answers.forget_expired()
        assert (await database.now.kept_answers.find(answer_id) is not None) is there
