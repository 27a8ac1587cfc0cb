"""What the index learns of documents: that they are there, that they changed, and that they are gone."""

import asyncio

from app.database import Database
from app.domain.documents import Document, DocumentStatus, JobStatus
from app.services.index_notes import note
from tests.rag import rows
from tests.rag.conftest import Keep
from tests.rag.keeper import Keeper, eventually

WARRANTY = "The pump is blue. The warranty of the pump lasts three years. Clean it with water."
GUARANTEE = "本机为蓝色。保修期为三年，自交货之日起计算。请用清水清洗。"


async def ready(database: Database, *documents: Document) -> bool:
    return all([await rows.status(database, each) is DocumentStatus.READY for each in documents])


async def titles(keeper: Keeper, user_id: str, question: str) -> list[str]:
    return [hit.found.title for hit in (await keeper.find(user_id, question)).hits]


async def test_a_document_is_ready_once_it_is_found(database_kind: str, database: Database, keep: Keep) -> None:
    keeper, alice = await keep(), await rows.user(database)

    document = await rows.read(database, alice, WARRANTY)
    await eventually(lambda: ready(database, document))

    found = await keeper.find(alice, "How long is the warranty?")
    assert [hit.quote.text for hit in found.hits] == ["The warranty of the pump lasts three years."]
    job = await database.now.jobs.find(alice, document.id)
    assert job is not None
    assert job.status is JobStatus.COMPLETE
    assert await database.now.index.waiting() == 0


async def test_documents_that_nobody_noted_are_learnt_by_the_first_space(database: Database, keep: Keep) -> None:
    alice = await rows.user(database)
    documents = [await rows.read(database, alice, f"{WARRANTY} {n}", told=False) for n in range(150)]

    keeper = await keep()

    await eventually(lambda: ready(database, *documents))
    assert await keeper.points(alice) == 150


async def test_a_document_that_is_deleted_leaves_nothing(database_kind: str, database: Database, keep: Keep) -> None:
    keeper, alice = await keep(), await rows.user(database)
    kept, going = await rows.read(database, alice, WARRANTY), await rows.read(database, alice, GUARANTEE)
    await eventually(lambda: ready(database, kept, going))

    await rows.delete(database, going)

    assert await titles(keeper, alice, "保修期有多长？") == []
    await eventually(lambda: _points(keeper, alice, 1))
    assert not await keeper.sweeper.sweep((await keeper.spaces.tend())[0].space)


async def test_a_deletion_does_not_wait_behind_a_long_document(database: Database, keep: Keep) -> None:
    keeper, alice, bob = await keep(), await rows.user(database), await rows.user(database, "bob")
    going = await rows.read(database, bob, WARRANTY)
    await eventually(lambda: ready(database, going))
    long = await rows.read(database, alice, [f"{WARRANTY} {n}" for n in range(3000)])
    await eventually(lambda: _some_points(keeper, alice))

    await rows.delete(database, going)
    await eventually(lambda: _points(keeper, bob, 0))

    assert await rows.status(database, long) is DocumentStatus.INDEXING


async def test_a_document_of_another_user_does_not_wait_behind_long_ones(database: Database, keep: Keep) -> None:
    keeper, alice, bob = await keep(), await rows.user(database), await rows.user(database, "bob")
    long = [await rows.read(database, alice, [f"{WARRANTY} {n} {m}" for n in range(1000)]) for m in range(4)]
    await eventually(lambda: _some_points(keeper, alice))

    short = await rows.read(database, bob, GUARANTEE)
    await eventually(lambda: ready(database, short))

    assert not await ready(database, *long)


async def test_a_user_who_is_gone_leaves_nothing_and_others_stay(database: Database, keep: Keep) -> None:
    keeper, alice, bob = await keep(), await rows.user(database), await rows.user(database, "bob")
    documents = [await rows.read(database, each, WARRANTY) for each in (alice, bob)]
    await eventually(lambda: ready(database, *documents))

    async with database.transaction() as tx:
        await tx.documents.bury(alice, documents[0].id)
        await note(tx, alice, [None])

    await eventually(lambda: _points(keeper, alice, 0))
    assert await keeper.points(bob) == 1


async def test_that_a_user_is_gone_is_not_believed_of_one_who_has_documents(database: Database, keep: Keep) -> None:
    keeper, alice = await keep(), await rows.user(database)
    document = await rows.read(database, alice, WARRANTY)
    await eventually(lambda: ready(database, document))

    async with database.transaction() as tx:
        await note(tx, alice, [None])

    await eventually(lambda: _nothing_waits(database))
    assert await keeper.points(alice) == 1


async def test_a_closed_account_leaves_nothing_however_long_its_documents_take_to_go(
    database_kind: str, database: Database, keep: Keep
) -> None:
    keeper, alice = await keep(), await rows.user(database)
    document = await rows.read(database, alice, WARRANTY)
    await eventually(lambda: ready(database, document))

    async with database.transaction() as tx:
        await tx.users.bury(alice)
        await note(tx, alice, [None])
    await eventually(lambda: _points(keeper, alice, 0))
    late = await rows.read(database, alice, GUARANTEE)  # it was being read
    await eventually(lambda: ready(database, late))
    while parts := await database.now.belongings.some(alice):
        for part in parts:
            async with database.transaction() as tx:
                await tx.belongings.drop(part)

    await eventually(lambda: _nothing_waits(database))
    assert await keeper.points(alice) == 0


async def test_a_document_that_was_read_while_the_first_space_was_made_is_learnt(
    database: Database, keep: Keep
) -> None:
    keeper = await keep()
    alice = await rows.user(database)
    await asyncio.sleep(1)  # there was nothing to compare
    keeper.sweeper.may.clear()
    first = await rows.read(database, alice, WARRANTY)
    await eventually(lambda: ready(database, first))

    second = await rows.read(database, alice, GUARANTEE, told=False)  # as by one who saw no space to tell
    keeper.sweeper.may.set()

    await eventually(lambda: ready(database, second))


async def test_a_document_that_was_read_anew_is_found_as_it_is_now(database: Database, keep: Keep) -> None:
    keeper, alice = await keep(), await rows.user(database)
    document = await rows.read(database, alice, [WARRANTY, "Second page."])
    await eventually(lambda: ready(database, document))

    async with database.transaction() as tx:
        await rows.read_again(tx, document, "The pump weighs four kilograms.")
    await eventually(lambda: ready(database, document))

    assert await titles(keeper, alice, "How much does the pump weigh?") == ["Manual"]
    assert await keeper.points(alice) == 1


async def test_noting_a_document_again_and_again_changes_nothing(database: Database, keep: Keep) -> None:
    keeper, alice = await keep(), await rows.user(database)
    document = await rows.read(database, alice, WARRANTY)
    await eventually(lambda: ready(database, document))

    for _ in range(20):
        async with database.transaction() as tx:
            await note(tx, alice, [document.id] * 5)
    await eventually(lambda: _nothing_waits(database))

    assert await rows.status(database, document) is DocumentStatus.READY
    assert await keeper.points(alice) == 1


async def test_a_cancelled_document_is_taken_out(database: Database, keep: Keep) -> None:
    keeper, alice = await keep(), await rows.user(database)
    document = await rows.read(database, alice, WARRANTY)
    await eventually(lambda: ready(database, document))

    async with database.transaction() as tx:
        await tx.documents.restate(document, DocumentStatus.CANCELLED)
        await note(tx, alice, [document.id])

    await eventually(lambda: _points(keeper, alice, 0))
    assert await rows.status(database, document) is DocumentStatus.CANCELLED


async def _points(keeper: Keeper, user_id: str, count: int) -> bool:
    return await keeper.points(user_id) == count


async def _some_points(keeper: Keeper, user_id: str) -> bool:
    return await keeper.points(user_id) > 0


async def _nothing_waits(database: Database) -> bool:
    return await database.now.index.waiting() == 0
