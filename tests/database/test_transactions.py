"""A transaction is whole or was not, whoever leaves in its middle; on each database."""

import asyncio
from uuid import uuid4

import pytest

from app.core.errors import ConversationBusy, EmailTaken, Unauthenticated
from app.database import Database, Transaction
from app.domain.chat import Conversation, Question
from app.domain.identity import Role, User

pytestmark = pytest.mark.usefixtures("database_kind")


async def alice(tx: Transaction) -> User:
    return await tx.users.add(email="alice@example.com", name=None, role=Role.USER, password_hash="x")


def conversation(tx: Transaction, user_id: str, title: str = "T") -> Conversation:
    return tx.conversations.add(user_id=user_id, title=title, model="m", model_given=False, system_prompt=None)


async def titles(database: Database, user_id: str) -> list[str]:
    async with database.snapshot() as tx:
        return [each.title for each in (await tx.conversations.page(user_id, limit=20, cursor=None)).items]


@pytest.fixture
async def user(database: Database) -> User:
    async with database.transaction() as tx:
        return await alice(tx)


async def test_a_write_that_waits_is_seen_by_the_next_statement(database: Database, user: User) -> None:
    async with database.transaction() as tx:
        made = conversation(tx, user.id)
        assert await tx.conversations.get(user.id, made.id) == made


async def test_what_a_block_raises_undoes_what_it_wrote(database: Database, user: User) -> None:
    async def fail() -> None:
        async with database.transaction() as tx:
            conversation(tx, user.id)
            await tx.users.get(user.id)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await titles(database, user.id) == []


async def test_who_is_cancelled_in_a_block_has_written_nothing_and_keeps_nobody_waiting(
    database: Database, user: User
) -> None:
    begun = asyncio.Event()

    async def write() -> None:
        async with database.transaction() as tx:
            conversation(tx, user.id, "cancelled")
            await tx.users.get(user.id)
            begun.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(write())
    await begun.wait()
    task.cancel()
    await asyncio.wait({task})

    async with database.transaction() as tx:
        conversation(tx, user.id, "next")
    assert await titles(database, user.id) == ["next"]
    assert database.connections_in_use == 0


async def test_cancellations_at_any_moment_leak_no_connection(database: Database, user: User) -> None:
    async def write(number: int) -> None:
        async with database.transaction() as tx:
            conversation(tx, user.id, str(number))
            await tx.users.get(user.id)
        async with database.snapshot() as tx:
            await tx.users.get(user.id)

    for number in range(40):
        task = asyncio.create_task(write(number))
        await asyncio.sleep(0.0003 * (number % 10))
        task.cancel()
        await asyncio.wait({task})
    await asyncio.gather(*(write(100 + number) for number in range(8)))
    assert database.connections_in_use == 0
    assert {str(100 + number) for number in range(8)} <= set(await titles(database, user.id))


async def test_what_a_key_refuses_is_raised_by_its_name(database: Database, user: User) -> None:
    with pytest.raises(EmailTaken):
        async with database.transaction() as tx:
            await alice(tx)


async def test_what_a_key_refuses_later_is_raised_by_the_end_of_the_block(database: Database, user: User) -> None:
    with pytest.raises(Unauthenticated):
        async with database.transaction() as tx:
            conversation(tx, str(uuid4()))
    assert await titles(database, user.id) == []


async def test_of_two_posts_at_once_one_finds_the_conversation_busy(database: Database, user: User) -> None:
    async with database.transaction() as tx:
        made = conversation(tx, user.id)

    async def post() -> None:
        async with database.transaction() as tx:
            tx.messages.append_turn(
                made.id,
                after=0,
                parent=None,
                question=Question(str(uuid4()), "Q"),
                answer_id=str(uuid4()),
                model="m",
                generation_id=str(uuid4()),
            )

    outcomes = await asyncio.gather(*(post() for _ in range(5)), return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 1
    assert sum(isinstance(outcome, ConversationBusy) for outcome in outcomes) == 4


async def test_a_snapshot_does_not_see_half_a_transaction(database: Database, user: User) -> None:
    async with database.transaction() as tx:
        made = conversation(tx, user.id)
        await tx.users.get(user.id)  # it is written now, but not committed
        async with database.snapshot() as other:
            assert await other.conversations.get(user.id, made.id) is None


async def test_many_readers_take_turns(database: Database, user: User) -> None:
    async def read() -> User | None:
        async with database.snapshot() as tx:
            await asyncio.sleep(0.005)
            return await tx.users.get(user.id)

    assert await asyncio.gather(*(read() for _ in range(40))) == [user] * 40
