"""Builds every long-lived object once; opens them, then closes them in reverse."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from app import __version__
from app.core.config import Settings
from app.core.exposition import Exposition
from app.core.metrics import Metrics
from app.core.passwords import Passwords
from app.core.secret_key import secret_key
from app.core.tokens import Tokens
from app.core.tracing import Tracing, tracing
from app.core.watchdog import Watchdog
from app.database import Database
from app.domain.embedding import Embedder, Reranker
from app.domain.ports import JobRunner
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
from app.providers.embedders.registry import configured_embedder
from app.providers.prices import Prices
from app.providers.registry import configured_providers, officially_priced
from app.providers.rerank import configured_reranker
from app.services.accounts import Accounts
from app.services.analysis import Analysis
from app.services.api_keys import ApiKeyService
from app.services.attachments import Attachments
from app.services.attempts import Attempts
from app.services.audit import AuditService
from app.services.authorization import Authorization
from app.services.bodies import BodyRoom
from app.services.chat import ChatService
from app.services.clearing import Clearing
from app.services.closing import Closing
from app.services.collections import CollectionService
from app.services.compaction import Compactions
from app.services.conversations import ConversationService
from app.services.document_adding import DocumentAdding
from app.services.document_parts import document_parts
from app.services.documents import DocumentService
from app.services.door_parts import door_parts
from app.services.embedding import EmbeddingService
from app.services.expiry import Expiry
from app.services.export import ExportService
from app.services.feedback import FeedbackService
from app.services.files import FileService
from app.services.forks import ForkService
from app.services.generations import GenerationService
from app.services.grounding import Grounding
from app.services.import_reading import Bounds
from app.services.imports import ImportService
from app.services.index import Index
from app.services.index_parts import index_parts
from app.services.indexing import Indexing
from app.services.job_following import JobFollowing
from app.services.jobs import JobService
from app.services.kept_embedding import KeptEmbedding
from app.services.limits import RateLimits
from app.services.models import ModelService
from app.services.ollama_proxy import OllamaProxy
from app.services.orphans import Orphans
from app.services.page_images import PageImages
from app.services.passages import PassageService
from app.services.password_check import PasswordCheck
from app.services.readiness import ReadinessService
from app.services.reindexing import Reindexing
from app.services.responses import ResponseService
from app.services.retrieval import Retrieval
from app.services.rewriting import Rewriting
from app.services.search import SearchService
from app.services.service_keys import ServiceKeys
from app.services.sessions import SessionService
from app.services.side_models import SideModel
from app.services.signin import SignIn
from app.services.tickets import Tickets
from app.services.titles import Titles
from app.services.token_counting import TokenCounting
from app.services.transfers import TransferService
from app.services.ui_chat import UiChatService
from app.services.upkeep import Upkeep
from app.services.uploads import UploadLimits, Uploads
from app.services.usage import UsageService
from app.services.users import UserService
from app.stores import parts
from app.stores.blobs.keeping import Blobs
from app.stores.signals import Signal
from app.stores.vectors.places import Place
from app.wire.download import DownloadLimits
from app.wire.response import StreamLimits

if TYPE_CHECKING:
    from app.stores.redis import RedisServer

_STANDING_STATEMENT = 5.0
_STANDING_WAIT = 2.0
"""Seconds at most, for a lease's and a checkpoint's statement and for a connection: both are well within a term."""
_SETTLING = 2.0
"""Seconds at the end of a drain for what others are to see."""


@dataclass(frozen=True)
class House:
    """All long-lived objects of one process, as `app.state.house`."""

    settings: Settings
    metrics: Metrics
    exposition: Exposition
    tracing: Tracing
    watchdog: Watchdog
    stream_limits: StreamLimits
    download_limits: DownloadLimits
    database: Database
    standing_database: Database
    passwords: Passwords
    """The pool for all hashes: of sign-ins, registrations and changes."""
    tokens: Tokens
    catalogue: Catalogue
    prices: Prices
    mirrors: Mirrors
    publisher: Publisher
    engine: Engine
    redis: "RedisServer | None"
    blobs: Blobs
    vectors: Place
    embedder: Embedder | None
    reranker: Reranker | None
    limits: RateLimits
    authorization: Authorization
    api_keys: ApiKeyService
    accounts: Accounts
    users: UserService
    usage: UsageService
    exports: ExportService
    signin: SignIn
    sessions: SessionService
    tickets: Tickets
    generations: GenerationService
    chat: ChatService
    ui_chat: UiChatService
    passages: PassageService
    responses: ResponseService
    token_counting: TokenCounting
    ollama_proxy: OllamaProxy
    embedding: EmbeddingService
    kept_embedding: KeptEmbedding
    analysis: Analysis
    compactions: Compactions
    titles: Titles
    conversations: ConversationService
    forks: ForkService
    feedback: FeedbackService
    transfers: TransferService
    imports: ImportService
    door_bodies: BodyRoom
    files: FileService
    uploads: Uploads
    orphans: Orphans
    collections: CollectionService
    documents: DocumentService
    adding: DocumentAdding
    jobs: JobService
    following: JobFollowing
    runner: JobRunner
    search: SearchService
    index: Index
    indexing: Indexing
    retrieval: Retrieval
    reindexing: Reindexing
    models: ModelService
    audit: AuditService
    readiness: ReadinessService
    clearing: Clearing
    expiry: Expiry
    upkeep: Upkeep

    async def open(self) -> None:
        """Begin to work. A server database that is away is waited for in the background; a file must be there."""
        self.tracing.open()
        await asyncio.to_thread(self.prices.load)
        await self.upkeep.open()
        self.watchdog.start()

    async def drain(self, seconds: float) -> None:
        """Begin nothing new, give answers and exports so long to end by themselves, and send readers elsewhere."""
        downloads = (self.exports.drain(seconds), self.transfers.drain(seconds), self.files.drain(seconds))
        await self.runner.drain()  # at once: another goes on with what it did
        answers = (self.engine.drain(seconds), self.ollama_proxy.drain(seconds), self.kept_embedding.drain(seconds))
        await asyncio.gather(*answers, self.titles.drain(), *downloads)
        self.following.part()
        self.mirrors.part()
        await self.publisher.settle(_SETTLING)

    async def close(self) -> None:
        """Drain what a signal has not drained, and let go of everything, in reverse, whatever fails on the way."""
        async with AsyncExitStack() as last_first:
            last_first.push_async_callback(self.tracing.close)
            last_first.callback(self.exposition.close)
            last_first.callback(self.upkeep.unlock)
            last_first.push_async_callback(self.database.close)
            last_first.push_async_callback(self.standing_database.close)
            if self.redis is not None:
                last_first.push_async_callback(self.redis.aclose)
            last_first.push_async_callback(self.blobs.close)
            last_first.push_async_callback(self.vectors.store.close)
            last_first.push_async_callback(self.embedding.aclose)
            for helper in (self.embedder, self.reranker):
                if helper is not None:
                    last_first.push_async_callback(helper.aclose)
            last_first.callback(self.passwords.close)
            last_first.push_async_callback(self.catalogue.aclose)
            last_first.push_async_callback(self.ollama_proxy.aclose)
            last_first.push_async_callback(self.upkeep.close)
            last_first.push_async_callback(self.mirrors.close)
            last_first.push_async_callback(self.following.close)
            last_first.push_async_callback(self.drain, 0)
            last_first.callback(self.watchdog.stop)


def build(settings: Settings) -> House:
    """Everything, unconnected; of disk and processor it takes only what the secret key costs."""
    database = Database(settings)
    passwords = Passwords(memory_kib=settings.password_memory_kib)
    tokens = Tokens(
        secret_key(settings),
        access_ttl=timedelta(minutes=settings.access_token_minutes),
        refresh_ttl=timedelta(days=settings.refresh_token_days),
    )
    providers = configured_providers(settings)
    catalogue = Catalogue(providers, settings.default_model)
    prices = Prices(officially_priced(settings) & providers.keys())
    metrics = Metrics(providers, __version__)
    metrics.database_connections.set_function(lambda: database.connections_in_use)
    redis = parts.redis_server(settings, metrics)
    streams = parts.shared_streams(redis)
    endings = Endings(database, metrics, streams)
    passage_endings = PassageEndings(database, metrics)
    standing = _standing_database(database, settings)
    lease = Lease(standing)
    checkpointer = Checkpointer(standing, settings.checkpoint_seconds, metrics)
    publisher = SharedPublisher(streams, lease) if streams else DirectPublisher(lease)
    slots = parts.slots(redis, metrics)
    engine = Engine(
        logs=MemoryLogs(),
        publisher=publisher,
        lease=lease,
        checkpointer=checkpointer,
        endings=endings,
        passages=passage_endings,
        price=prices.cost,
        limits=_engine_limits(settings),
        slots=slots,
        metrics=metrics,
    )
    mirrors = Mirrors(database, streams)
    signals = parts.signals(redis, {Signal.STOP: engine.halt})
    limits = RateLimits(settings, parts.counters(redis, metrics))
    generations = GenerationService(database, engine, mirrors, signals)
    service_keys = ServiceKeys(database, settings)
    blobs = parts.blobs(settings)
    vectors = parts.vectors(settings)
    embedder = configured_embedder(settings)
    reranker = configured_reranker(settings, metrics.rerank_missed)
    indexed = index_parts(database, vectors, embedder, metrics)
    closing = Closing(database, generations, blobs)
    reindexing = Reindexing(database)
    clearing = Clearing(database)
    expiry = Expiry(database, clearing, settings.conversation_days)
    conversations = ConversationService(database, engine, generations, clearing)
    asides = _aside_limits(settings)
    summary_model = SideModel(catalogue, "SUMMARY_MODEL", settings.summary_model)
    compactions = Compactions(database, summary_model, prices.cost, metrics, asides)
    titles = Titles(database, SideModel(catalogue, "TITLE_MODEL", settings.title_model), prices.cost, metrics, asides)
    files = FileService(database, blobs)
    orphans = Orphans(database, blobs, settings.max_upload_bytes)
    papers = document_parts(
        settings,
        database,
        blobs,
        parts.job_post(settings),
        metrics=metrics.documents,
        handed_over=indexed.indexing.wake,
    )
    retrieval = Retrieval(
        database,
        indexed.index,
        metrics,
        embedder=embedder,
        reranker=reranker,
        max_question_chars=settings.max_message_chars,
    )
    attachments = Attachments(database, blobs, papers.adding, PageImages(papers.scratch))
    rewriting = Rewriting(SideModel(catalogue, "REWRITE_MODEL", settings.rewrite_model), prices.cost)
    chat = ChatService(
        database=database,
        catalogue=catalogue,
        engine=engine,
        generations=generations,
        limits=limits,
        grounding=Grounding(database, retrieval, attachments, rewriting, compactions),
        titles=titles,
        max_message_chars=settings.max_message_chars,
    )
    uploads = Uploads(database, blobs, UploadLimits(settings.max_upload_bytes, settings.max_storage_bytes_per_user))
    doors = door_parts(
        settings,
        database,
        catalogue=catalogue,
        engine=engine,
        endings=passage_endings,
        generations=generations,
        chat=chat,
        uploads=uploads,
        embedder=embedder,
        limits=limits,
        price=prices.cost,
        metrics=metrics,
    )
    check = PasswordCheck(database, passwords, Attempts(limits))
    accounts = Accounts(database, passwords, check, closing, settings)
    return House(
        settings=settings,
        metrics=metrics,
        exposition=Exposition(metrics),
        tracing=tracing(settings, __version__),
        watchdog=Watchdog(settings.watchdog_seconds, on_lag=metrics.loop_lag.observe, on_stall=metrics.loop_stalls.inc),
        stream_limits=StreamLimits(ping=settings.ping_seconds, stuck=settings.reader_timeout),
        download_limits=DownloadLimits(stuck=settings.reader_timeout, whole=settings.export_timeout),
        database=database,
        standing_database=standing,
        passwords=passwords,
        tokens=tokens,
        catalogue=catalogue,
        prices=prices,
        mirrors=mirrors,
        publisher=publisher,
        engine=engine,
        redis=redis,
        blobs=blobs,
        vectors=vectors,
        embedder=embedder,
        reranker=reranker,
        limits=limits,
        authorization=Authorization(database, tokens, service_keys),
        api_keys=ApiKeyService(database),
        accounts=accounts,
        users=UserService(database, generations, closing),
        usage=UsageService(database, limits, engine),
        exports=ExportService(database, conversations, files),
        signin=SignIn(database, check, tokens),
        sessions=SessionService(database),
        tickets=Tickets(database),
        generations=generations,
        chat=chat,
        ui_chat=doors.ui_chat,
        passages=doors.passages,
        responses=doors.responses,
        token_counting=doors.token_counting,
        ollama_proxy=doors.ollama_proxy,
        embedding=doors.embedding,
        kept_embedding=doors.kept_embedding,
        door_bodies=doors.bodies,
        analysis=Analysis(database, chat, files, papers.adding, catalogue),
        compactions=compactions,
        titles=titles,
        conversations=conversations,
        forks=ForkService(database, reindexing.wake),
        feedback=FeedbackService(database),
        transfers=TransferService(database, conversations),
        imports=ImportService(
            database,
            catalogue,
            reindexing.wake,
            bounds=Bounds(message_chars=settings.max_message_chars, answer_bytes=settings.max_answer_bytes),
            most_bytes=settings.max_import_bytes,
        ),
        files=files,
        uploads=uploads,
        orphans=orphans,
        collections=papers.collections,
        documents=papers.documents,
        adding=papers.adding,
        jobs=papers.jobs,
        following=papers.following,
        runner=papers.runner,
        search=SearchService(database),
        index=indexed.index,
        indexing=indexed.indexing,
        retrieval=retrieval,
        reindexing=reindexing,
        models=ModelService(catalogue, settings.embedding_model),
        audit=AuditService(database),
        readiness=ReadinessService(database, engine, redis, indexed.index),
        clearing=clearing,
        expiry=expiry,
        upkeep=Upkeep(
            database=database,
            settings=settings,
            lease=lease,
            sweeper=Sweeper(standing, endings, lease, engine.lives),
            checkpointer=checkpointer,
            publisher=publisher,
            accounts=accounts,
            closing=closing,
            clearing=clearing,
            documents=papers.upkeep,
            expiry=expiry,
            passages=doors.passages,
            ollama_proxy=doors.ollama_proxy,
            reindexing=reindexing,
            index=indexed.index,
            indexing=indexed.indexing,
            orphans=orphans,
            service_keys=service_keys,
            slots=slots,
            signals=signals,
        ),
    )


def _standing_database(database: Database, settings: Settings) -> Database:
    """Two connections for leases and checkpoints, which a pool full of requests must not keep waiting until it is lost.

    A file has one writer, whom all must wait for in one place. Of a server they wait for each statement well within a
    lease's term, whatever the others may take.
    """
    if database.embedded:
        return database
    bounds = {
        "database_pool_size": 2,
        "database_statement_timeout": min(settings.database_statement_timeout, _STANDING_STATEMENT),
        "database_pool_timeout": min(settings.database_pool_timeout, _STANDING_WAIT),
    }
    return Database(settings.model_copy(update=bounds))


def _aside_limits(settings: Settings) -> AsideLimits:
    """Well within what an answer may take, which waits for its summary."""
    usual = AsideLimits()
    return AsideLimits(
        first=min(usual.first, settings.first_token_timeout / 2),
        gap=min(usual.gap, settings.chunk_timeout / 2),
        whole=min(usual.whole, settings.answer_timeout / 4),
    )


def _engine_limits(settings: Settings) -> EngineLimits:
    return EngineLimits(
        time=TimeLimits(first=settings.first_token_timeout, gap=settings.chunk_timeout, whole=settings.answer_timeout),
        max_answer_bytes=settings.max_answer_bytes,
        concurrent=settings.max_concurrent_generations,
        concurrent_per_user=settings.max_concurrent_generations_per_user,
        shared=settings.redis_url is not None,
    )
