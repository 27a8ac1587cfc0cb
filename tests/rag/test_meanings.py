"""Embedders that refuse some texts, or take so many and no more for a while: what they make is not paid for twice."""

from collections.abc import Sequence

from app.database import Database
from app.domain.documents import Document, DocumentStatus
from app.domain.embedding import Bill, Embedded, EmbedderUnavailable
from app.repositories.base import new_id
from tests.eval.memory import MemoryVectors
from tests.rag import rows
from tests.rag.conftest import Keep
from tests.rag.dying import SharedPlace
from tests.rag.keeper import FakeEmbedder, Keeper, eventually, keeping


class Rationed(FakeEmbedder):
    """Takes so many passages, then refuses once, as one with a limit a minute."""

    def __init__(self, ration: int) -> None:
        super().__init__("rationed", 16)
        self._ration = self._left = ration

    async def embed_passages(self, texts: Sequence[str]) -> Embedded:
        if self._left < len(texts):
            self._left = self._ration
            raise EmbedderUnavailable("upstream_rate_limited", bill=Bill(new_id()))
        self._left -= len(texts)
        return await super().embed_passages(texts)


class Fussy(FakeEmbedder):
    """Takes no text with this in it."""

    def __init__(self, word: str) -> None:
        super().__init__("fussy", 16)
        self._word = word

    async def embed_passages(self, texts: Sequence[str]) -> Embedded:
        if any(self._word in text for text in texts):
            raise EmbedderUnavailable("rejected", bill=Bill(new_id()), lasting=True)
        return await super().embed_passages(texts)


def pages(count: int, about: str = "hall") -> list[str]:
    return [f"Machine {n} stands in {about} {n % 7}. Its warranty lasts {n} years." for n in range(count)]


async def test_a_document_that_is_more_than_an_embedder_takes_at_once_gets_its_meaning(
    database: Database, keep: Keep
) -> None:
    embedder, alice = Rationed(64), await rows.user(database)
    await keep(embedder)

    document = await rows.read(database, alice, pages(100))
    await eventually(lambda: ready(database, document))
    await eventually(lambda: nothing_waits(database), within=20)

    assert embedder.passages == 100


async def test_a_document_that_was_read_anew_meanwhile_is_learnt_from_its_beginning(
    database: Database, keep: Keep
) -> None:
    embedder, alice = Rationed(64), await rows.user(database)
    keeper = await keep(embedder)
    document = await rows.read(database, alice, pages(100))
    await eventually(lambda: ready(database, document))

    async with database.transaction() as tx:
        await rows.read_again(tx, document, "The pump weighs four kilograms.")
    await eventually(lambda: nothing_waits(database), within=20)

    assert await keeper.points(alice) == 1
    assert (await keeper.find(alice, "How much does the pump weigh?")).hits


async def test_a_text_that_an_embedder_refuses_keeps_nothing_else_from_its_meaning(
    database: Database, keep: Keep
) -> None:
    embedder, alice = Fussy("hall 3"), await rows.user(database)
    keeper = await keep(embedder)

    document = await rows.read(database, alice, pages(40))
    await eventually(lambda: ready(database, document))
    await eventually(lambda: nothing_waits(database), within=20)

    refused = sum("hall 3" in page for page in pages(40))
    assert embedder.passages >= 40 - refused
    assert await keeper.points(alice) == 40
    assert (await keeper.find(alice, "machine 10")).hits[0].found.chunk.page == 11


async def test_an_embedder_that_refuses_everything_is_waited_for(database: Database, keep: Keep) -> None:
    embedder, alice = Fussy(""), await rows.user(database)
    await keep(embedder)

    document = await rows.read(database, alice, pages(3))
    await eventually(lambda: ready(database, document))

    assert await database.now.index.waiting() == 1


async def test_what_waits_for_its_embedder_keeps_nothing_behind_it(database: Database) -> None:
    embedder, alice = FakeEmbedder("first", 16), await rows.user(database)
    async with keeping(Keeper(database, SharedPlace(MemoryVectors()), embedder, seen=3)):
        first = await rows.read(database, alice, pages(1))
        await eventually(lambda: ready(database, first))
        embedder.away = True
        for number in range(8):
            document = await rows.read(database, alice, pages(1, f"yard {number}, hall"))
            await eventually(lambda one=document: ready(database, one), within=15)  # type: ignore[misc]  # of each


async def ready(database: Database, *documents: Document) -> bool:
    return all([await rows.status(database, each) is DocumentStatus.READY for each in documents])


async def nothing_waits(database: Database) -> bool:
    return await database.now.index.waiting() == 0
