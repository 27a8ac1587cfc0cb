"""The index with all that keeps it up, as a process has it; tests say which embedder there is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from math import sqrt

from app.core.metrics import Metrics
from app.database import Database
from app.domain.embedding import Bill, Embedded, Embedder, EmbedderUnavailable
from app.domain.findings import Findings
from app.domain.scripts import Script
from app.domain.vectors import Space, VectorStore
from app.repositories.base import new_id
from app.services.index import Index
from app.services.index_learning import Learning
from app.services.index_sweeper import IndexSweeper, Swept
from app.services.indexing import Indexing
from app.services.retrieval import Retrieval
from app.services.spaces import Spaces
from app.services.upkeep import kept_alive
from app.stores.vectors.places import Place


class FakeEmbedder:
    """Texts that share words are near each other; `away` has it refuse, `pause` take its time for passages."""

    scripts: Sequence[Script] | None = None

    def __init__(self, name: str, dimensions: int) -> None:
        self.name = self.slug = name
        self._dimensions = dimensions
        self.away = False
        self.late = 0.0
        self.pause = 0.0
        self.passages = 0

    async def dimensions(self) -> int:
        self._refuse()
        return self._dimensions

    async def embed_passages(self, texts: Sequence[str]) -> Embedded:
        self._refuse()
        await asyncio.sleep(self.pause)
        self.passages += len(texts)
        return Embedded([self._vector(text) for text in texts], Bill(new_id()))

    async def embed_question(self, text: str) -> Embedded:
        self._refuse()
        await asyncio.sleep(self.late)
        return Embedded([self._vector(text)], Bill(new_id()))

    async def aclose(self) -> None:
        """There is nothing to close."""

    def _refuse(self) -> None:
        if self.away:
            raise EmbedderUnavailable("upstream_error", bill=Bill(new_id()))

    def _vector(self, text: str) -> Sequence[float]:
        vector = [0.01] * self._dimensions
        for word in text.lower().split():
            vector[sha256(word.strip(".,?!").encode()).digest()[0] % self._dimensions] += 1
        length = sqrt(sum(each * each for each in vector))
        return [each / length for each in vector]


class Sweeper(IndexSweeper):
    """As it is, but it waits while `may` is cleared."""

    def __init__(self, database: Database, index: Index, metrics: Metrics) -> None:
        super().__init__(database, index, metrics)
        self.may = asyncio.Event()
        self.may.set()

    async def sweep(self, space: Space) -> Swept:
        await self.may.wait()
        return await super().sweep(space)


class Keeper:
    """Its times are short; `seen` is how many changes are looked at in one go."""

    def __init__(
        self,
        database: Database,
        place: Place,
        embedder: Embedder | None = None,
        *,
        seen: int = 500,
        settled_for: float = 0.5,
    ) -> None:
        self.database = database
        self.metrics = Metrics([], "test")
        self.index = Index(database, place)
        self.sweeper = Sweeper(database, self.index, self.metrics)
        self.spaces = Spaces(database, self.index, embedder, self.sweeper, old_for=1)
        self.learning = Learning(database, self.index, self.metrics)
        self.indexing = Indexing(
            database,
            self.index,
            self.spaces,
            self.learning,
            self.sweeper,
            self.metrics,
            looked_each=0.05,
            tended_each=0.1,
            settled_for=settled_for,
            seen=seen,
        )
        self.retrieval = Retrieval(
            database, self.index, self.metrics, embedder=embedder, reranker=None, max_question_chars=200_000
        )

    @property
    def store(self) -> VectorStore:
        return self.index.kept

    async def find(self, user_id: str, question: str, *names: str, top_k: int = 5) -> Findings:
        collections = await self.retrieval.collections(user_id, names or ("manuals",))
        return await self.retrieval.find(user_id, question, [each.id for each in collections], top_k=top_k)

    async def current(self) -> str | None:
        """The name of the space that is asked."""
        return next((each.name for each in await self.database.now.index.spaces() if each.current), None)

    async def points(self, user_id: str) -> int:
        """How many the user has in all spaces."""
        spaces = await self.database.now.index.spaces()
        counts = [await self.store.documents(Space(each.name, each.dimensions), user_id) for each in spaces]
        return sum(sum(count.values()) for count in counts)


@asynccontextmanager
async def keeping(keeper: Keeper) -> AsyncIterator[Keeper]:
    """Its standing work goes on."""
    standing = (keeper.index.keep_forever, keeper.indexing.learn_forever, keeper.indexing.tend_forever)
    tasks = [asyncio.create_task(kept_alive(work)) for work in standing]
    try:
        yield keeper
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await keeper.index.lay_down()


async def eventually(holds: Callable[[], Awaitable[bool]], *, within: float = 30.0) -> None:
    async with asyncio.timeout(within):
        while not await holds():
            await asyncio.sleep(0.05)
