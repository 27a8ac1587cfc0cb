"""One simulated instance: what `app.bootstrap` builds of a house, as far as it answers questions."""

import asyncio
from contextlib import suppress
from pathlib import Path

from pydantic import SecretStr

from app.core.config import Settings
from app.core.errors import DatabaseUnavailable
from app.core.metrics import Metrics
from app.database import Database
from app.domain.cards import ModelCard
from app.domain.events import Usage
from app.generation.asides import AsideLimits
from app.generation.checkpoints import Checkpointer
from app.generation.deadline import TimeLimits
from app.generation.endings import Endings
from app.generation.engine import Engine, EngineLimits
from app.generation.leases import Lease
from app.generation.log import MemoryLogs
from app.generation.mirror import Mirrors
from app.generation.passages import PassageEndings
from app.generation.publishing import DirectPublisher, Publisher
from app.generation.shared_publishing import SharedPublisher
from app.generation.sweeper import Sweeper
from app.providers.catalogue import Catalogue
from app.services.attachments import Attachments
from app.services.chat import ChatService
from app.services.compaction import Compactions
from app.services.document_parts import document_parts
from app.services.generations import GenerationService
from app.services.grounding import Grounding
from app.services.index import Index
from app.services.limits import RateLimits
from app.services.page_images import PageImages
from app.services.retrieval import Retrieval
from app.services.rewriting import Rewriting
from app.services.side_models import SideModel
from app.services.titles import Titles
from app.services.upkeep import kept_alive
from app.stores import parts
from app.stores.memory import MemoryWindows
from app.stores.signals import NoSignals, Signals
from app.stores.slots import LocalSlots
from app.stores.windows import FixedWindows
from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.sessions import DatabaseServer
from tests.simulation.store import SimulatedStore
from tests.simulation.streams import SimulatedStreams, StreamServer
from tests.simulation.vendor import Vendor

LIMITS = TimeLimits(first=6.0, gap=4.0, trailer=1.0, whole=40.0)
SETTINGS = Settings(
    _env_file=None,
    database_url=SecretStr("sqlite://"),
    data_dir=Path("/nonexistent"),
    rate_limit_ai="",
    rate_limit_auth="",
    rate_limit_default="",
    login_failures="",
    default_model="openai/echo",
)
_SETTLING = 2.0
METRICS = Metrics(["openai"], "0")


class House:
    """To be made in the process that it is to belong to."""

    def __init__(
        self, loop: VirtualLoop, process: Process, server: DatabaseServer, redis: StreamServer | None, vendor: Vendor
    ) -> None:
        self.process = process
        self._stores = [SimulatedStore(server, process, 5), SimulatedStore(server, process, 2)]
        database, standing = (Database(SETTINGS, store) for store in self._stores)
        catalogue = Catalogue({"openai": vendor}, "openai/echo", clock=loop.time)
        self._streams = streams = SimulatedStreams(redis) if redis is not None else None
        endings = Endings(database, METRICS, streams)
        self.lease = Lease(standing)
        self.slots = LocalSlots()
        self._checkpointer = Checkpointer(standing, 1.0, METRICS)
        self._publisher: Publisher = (
            SharedPublisher(streams, self.lease) if streams is not None else DirectPublisher(self.lease)
        )
        self.engine = Engine(
            logs=MemoryLogs(5.0),
            publisher=self._publisher,
            lease=self.lease,
            checkpointer=self._checkpointer,
            endings=endings,
            passages=PassageEndings(database, METRICS),
            price=_no_price,
            limits=EngineLimits(
                LIMITS,
                max_answer_bytes=1_000_000,
                concurrent=50,
                concurrent_per_user=20,
                shared=streams is not None,
            ),
            slots=self.slots,
            metrics=METRICS,
        )
        self.mirrors = Mirrors(database, streams)
        signals: Signals = streams or NoSignals()
        if redis is not None:
            redis.listen(process, self.engine.halt)
        self._sweeper = Sweeper(standing, endings, self.lease, self.engine.lives)
        self.generations = GenerationService(database, self.engine, self.mirrors, signals)
        none = SideModel(catalogue, "SUMMARY_MODEL", None)
        asides = AsideLimits()
        self.chat = ChatService(
            database=database,
            catalogue=catalogue,
            engine=self.engine,
            generations=self.generations,
            limits=RateLimits(SETTINGS, FixedWindows(MemoryWindows())),
            grounding=_grounding(database, Compactions(database, none, _no_price, METRICS, asides), none),
            titles=Titles(database, none, _no_price, METRICS, asides),
            max_message_chars=10_000,
        )
        self.standing: list[asyncio.Task[None]] = []

    @property
    def connections_in_use(self) -> int:
        return sum(store.in_use for store in self._stores)

    async def open(self) -> None:
        for work in (
            self._settle,
            self.lease.renew_forever,
            self._sweeper.run_forever,
            self._checkpointer.run_forever,
            self._publisher.run_forever,
        ):
            self.standing.append(asyncio.create_task(kept_alive(work)))

    async def close(self, seconds: float) -> None:
        """Drain and go, as the end of a process does."""
        await self.engine.drain(seconds)
        self.mirrors.part()
        await self._publisher.settle(_SETTLING)
        await self.mirrors.close()
        for task in self.standing:
            task.cancel()
        await asyncio.gather(*self.standing, return_exceptions=True)
        with suppress(DatabaseUnavailable):
            await self.lease.release()
        if self._streams is not None:
            await self._streams.aclose()

    async def _settle(self) -> None:
        while True:
            try:
                await self.lease.acquire()
            except DatabaseUnavailable:
                await asyncio.sleep(1.0)
            else:
                return


def _grounding(database: Database, compactions: Compactions, none: SideModel) -> Grounding:
    """As it is where nobody has documents: nothing of it is begun."""
    blobs = parts.blobs(SETTINGS)
    papers = document_parts(SETTINGS, database, blobs)
    index = Index(database, parts.vectors(SETTINGS))
    retrieval = Retrieval(database, index, METRICS, embedder=None, reranker=None, max_question_chars=10_000)
    attachments = Attachments(database, blobs, papers.adding, PageImages(papers.scratch))
    return Grounding(database, retrieval, attachments, Rewriting(none, _no_price), compactions)


def _no_price(card: ModelCard, usage: Usage) -> None:
    return None
