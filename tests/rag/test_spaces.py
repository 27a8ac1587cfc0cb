"""Another embedder, another place, a place that was emptied: the index is made anew beside what is asked."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from app.core.errors import VectorsUnavailable
from app.database import Database
from app.domain.documents import Document, DocumentStatus
from app.domain.vectors import Point, Space, SparseVector
from app.repositories.base import new_id
from app.services.index import DUTY
from tests.eval.memory import MemoryVectors
from tests.rag import rows
from tests.rag.conftest import Keep
from tests.rag.dying import SharedPlace
from tests.rag.keeper import FakeEmbedder, Keeper, eventually, keeping

TEXTS = [f"Machine {n} stands in hall {n % 7}. Its warranty lasts {n} years." for n in range(120)]


async def shelf(database: Database, *, count: int = 120) -> tuple[str, list[Document]]:
    alice = await rows.user(database)
    return alice, [await rows.read(database, alice, text, title=f"Machine {n}") for n, text in enumerate(TEXTS[:count])]


async def all_ready(database: Database, documents: list[Document]) -> bool:
    return all([await rows.status(database, each) is DocumentStatus.READY for each in documents])


async def asked(keeper: Keeper, embedder: FakeEmbedder | None) -> bool:
    """Whether the space of this embedder is the one that is asked, and the only one."""
    spaces = await keeper.database.now.index.spaces()
    suffix = "p1s1" if embedder is None else f"-{embedder.slug}-{await embedder.dimensions()}"
    return len(spaces) == 1 and spaces[0].current and spaces[0].name.endswith(suffix)


async def test_another_embedder_takes_over_while_searches_go_on(database: Database, keep: Keep) -> None:
    first, second = FakeEmbedder("first", 16), FakeEmbedder("second", 24)
    alice, documents = await shelf(database)
    await keep(first)
    await eventually(lambda: all_ready(database, documents))
    second.pause = 0.05

    keeper = await keep(second)
    searches = 0
    while not await asked(keeper, second):
        found = await keeper.find(alice, "How long does the warranty of machine 57 last?")
        assert found.hits[0].found.title == "Machine 57"
        searches += 1
        await asyncio.sleep(0.02)

    assert searches > 20
    assert second.passages >= len(documents)
    assert await keeper.store.spaces() == [await keeper.current()]
    assert await keeper.points(alice) == len(documents)


async def test_documents_that_come_and_go_meanwhile_are_right_afterwards(database: Database, keep: Keep) -> None:
    first, second = FakeEmbedder("first", 16), FakeEmbedder("second", 24)
    alice, documents = await shelf(database, count=60)
    await keep(first)
    await eventually(lambda: all_ready(database, documents))
    second.pause = 0.3  # so that it learns for longer than the six below take

    keeper = await keep(second)
    for number in range(0, 60, 10):
        await rows.delete(database, documents[number])
        new = await rows.read(database, alice, f"Zeppelin {number} flies over hall 9.", title=f"Zeppelin {number}")
        documents[number] = new
        await eventually(partial(all_ready, database, [new]))
        assert (await keeper.find(alice, f"Where does zeppelin {number} fly?")).hits[0].found.title == new.title
    await eventually(lambda: asked(keeper, second), within=60)

    assert await keeper.points(alice) == len(documents)
    assert await all_ready(database, documents)
    for gone in ("Machine 10", "Machine 20"):
        assert gone not in [hit.found.title for hit in (await keeper.find(alice, gone)).hits]


async def test_without_its_embedder_the_search_goes_back_to_terms(
    database_kind: str, database: Database, keep: Keep
) -> None:
    alice, documents = await shelf(database, count=20)
    await keep(FakeEmbedder("first", 16))
    await eventually(lambda: all_ready(database, documents))

    keeper = await keep()
    assert (await keeper.find(alice, "machine 7")).hits[0].found.title == "Machine 7"
    await eventually(lambda: asked(keeper, None), within=60)

    assert (await keeper.find(alice, "machine 7")).hits[0].found.title == "Machine 7"


async def test_an_embedder_that_is_away_keeps_no_document_from_being_found(database: Database, keep: Keep) -> None:
    embedder = FakeEmbedder("first", 16)
    alice, documents = await shelf(database, count=10)
    keeper = await keep(embedder)
    await eventually(lambda: all_ready(database, documents))

    embedder.away = True
    new = await rows.read(database, alice, "Zeppelins fly over hall 9.", title="Zeppelin")
    await eventually(lambda: all_ready(database, [new]))
    assert (await keeper.find(alice, "Where do zeppelins fly?")).hits[0].found.title == "Zeppelin"
    assert await database.now.index.waiting() == 1

    embedder.away = False
    await eventually(lambda: _nothing_waits(database))
    assert embedder.passages >= 11


async def test_an_embedder_that_is_late_keeps_no_search_waiting(database: Database, keep: Keep) -> None:
    embedder = FakeEmbedder("first", 16)
    alice, documents = await shelf(database, count=10)
    keeper = await keep(embedder)
    await eventually(lambda: all_ready(database, documents))

    embedder.late = 60
    async with asyncio.timeout(6):
        found = await keeper.find(alice, "machine 7")

    assert found.hits[0].found.title == "Machine 7"


async def test_one_that_is_away_from_the_start_leaves_terms_until_it_is_there(database: Database, keep: Keep) -> None:
    embedder = FakeEmbedder("first", 16)
    embedder.away = True
    _, documents = await shelf(database, count=10)

    keeper = await keep(embedder)
    await eventually(lambda: all_ready(database, documents))
    assert await asked(keeper, None)
    embedder.away = False
    keeper = await keep(embedder)

    await eventually(lambda: asked(keeper, embedder), within=60)


async def test_a_folder_that_was_lost_is_filled_again(database: Database, keep: Keep, tmp_path: Path) -> None:
    alice, documents = await shelf(database, count=30)
    keeper = await keep()
    await eventually(lambda: all_ready(database, documents))
    await keeper.store.close()
    shutil.rmtree(tmp_path / "vectors")

    keeper = await keep()
    await eventually(lambda: _finds(keeper, alice, "machine 7"))

    assert await keeper.points(alice) == 30


async def test_a_server_that_lost_everything_is_filled_without_the_embedder_too(database: Database) -> None:
    embedder = FakeEmbedder("first", 16)
    alice, documents = await shelf(database, count=10)
    async with keeping(Keeper(database, SharedPlace(MemoryVectors()), embedder)):
        await eventually(lambda: all_ready(database, documents))
        await eventually(lambda: _nothing_waits(database))
    embedder.away = True

    async with keeping(Keeper(database, SharedPlace(MemoryVectors()), embedder)) as keeper:
        await eventually(lambda: _has_spaces(keeper))
        await eventually(lambda: _finds(keeper, alice, "machine 7"))
        assert await keeper.points(alice) == 10

        embedder.away = False
        await eventually(lambda: _nothing_waits(database))


async def test_what_was_carried_on_elsewhere_is_not_taken_for_up_to_date(
    database: Database, keep: Keep, tmp_path: Path
) -> None:
    alice, documents = await shelf(database, count=10)
    await keep()
    await eventually(lambda: all_ready(database, documents))
    here, aside = tmp_path / "vectors", tmp_path / "aside"

    keeper = await keep()
    await keeper.store.close()
    here.rename(aside)
    keeper = await keep()
    await eventually(lambda: _finds(keeper, alice, "machine 7"))
    await rows.delete(database, documents[7])
    await eventually(lambda: _nothing_waits(database))
    await keeper.store.close()
    shutil.rmtree(here)
    aside.rename(here)
    keeper = await keep()
    await eventually(lambda: _finds(keeper, alice, "machine 6"))

    assert await keeper.points(alice) == 9


async def test_the_sweeper_notes_what_is_in_one_alone(
    database_kind: str, database: Database, keep: Keep, caplog: pytest.LogCaptureFixture
) -> None:
    alice, documents = await shelf(database, count=10)
    keeper = await keep(settled_for=600)  # which sweeps nothing of itself
    await eventually(lambda: all_ready(database, documents))
    space = (await keeper.spaces.tend())[0].space
    stray = Point(new_id(), new_id(), documents[0].collection_id, SparseVector([1], [1.0]))
    nobody = new_id()
    await keeper.store.upsert(space, alice, [stray])
    await keeper.store.upsert(space, nobody, [replace(stray, document_id=new_id())])
    await keeper.store.delete(space, alice, document_id=documents[3].id)

    await keeper.sweeper.sweep(space)

    told = [record.__dict__ for record in caplog.records if record.message == "the index was not what it should be"]
    assert [(each["orphans"], each["missing"]) for each in told] == [(2, 1)]
    await eventually(lambda: _nothing_waits(database))
    assert not await keeper.sweeper.sweep(space)
    assert await keeper.store.tenants(space) == [alice]


class Learning(MemoryVectors):
    """When its documents were counted so often from now on, `learn` is called."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 0
        self.learn: Callable[[], Awaitable[None]] | None = None

    async def documents(self, space: Space, tenant: str) -> Mapping[str, int]:
        there = await super().documents(space, tenant)
        self.left -= 1
        if self.learn is not None and self.left == 0:
            await self.learn()
        return there


@pytest.mark.parametrize("look", [1, 2])
async def test_what_is_learnt_while_the_sweeper_looks_is_nobodys_fault(database: Database, look: int) -> None:
    alice, documents = await shelf(database, count=3)
    store = Learning()
    async with keeping(Keeper(database, SharedPlace(store))) as keeper:
        await eventually(lambda: all_ready(database, documents))
    space = Space((await database.now.index.spaces())[0].name)
    await rows.delete(database, documents[1])

    async def learn() -> None:
        async with database.transaction() as tx:
            assert await tx.index.take_duty(DUTY, keeper.index.holder, 60)
        (change,) = await database.now.index.next(space.name, limit=9)
        await keeper.learning.forget(space, alice, documents[1].id, [change.id])

    store.left, store.learn = look, learn
    assert not await keeper.sweeper.sweep(space)
    assert await _nothing_waits(database)


async def test_spaces_that_nobody_knows_are_dropped(database: Database, keep: Keep) -> None:
    _, documents = await shelf(database, count=1)
    keeper = await keep()
    await eventually(lambda: all_ready(database, documents))
    await keeper.store.open(Space("stranger"))

    await keeper.sweeper.drop_strangers()

    assert await keeper.store.spaces() == [await keeper.current()]


async def test_what_a_space_was_told_while_it_was_dropped_is_forgotten(
    database_kind: str, database: Database, keep: Keep
) -> None:
    alice, documents = await shelf(database, count=1)
    keeper = await keep()
    await eventually(lambda: all_ready(database, documents))
    async with database.transaction() as tx:
        tx.index.note("dropped", alice, [documents[0].id])

    await keeper.sweeper.drop_strangers()

    assert await database.now.index.waiting() == 0


async def _has_spaces(keeper: Keeper) -> bool:
    return bool(await keeper.store.spaces())


async def _finds(keeper: Keeper, user_id: str, question: str) -> bool:
    try:
        return bool((await keeper.find(user_id, question)).hits)
    except VectorsUnavailable:
        return False


async def _nothing_waits(database: Database) -> bool:
    return await database.now.index.waiting() == 0
