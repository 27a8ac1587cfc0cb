"""The database as everybody else sees it: two kinds of transactions, one kind of trouble."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from app.core.config import StartRefused, StorageSettings
from app.core.errors import DatabaseUnavailable
from app.database.address import database_url
from app.database.server import ServerStore
from app.database.sqlite import SqliteStore
from app.database.store import Store
from app.database.trouble import TROUBLE, TooMuchAtOnce, is_away, is_too_much
from app.database.unit import Glance
from app.repositories.api_keys import ApiKeyRepository
from app.repositories.attachments import AttachmentRepository
from app.repositories.audit import AuditRepository
from app.repositories.base import Connection as Statements
from app.repositories.belongings import BelongingsRepository
from app.repositories.chunks import ChunkRepository
from app.repositories.collections import CollectionRepository
from app.repositories.compactions import CompactionRepository
from app.repositories.conversations import ConversationRepository
from app.repositories.documents import DocumentRepository
from app.repositories.feedback import FeedbackRepository
from app.repositories.files import FileRepository
from app.repositories.forks import ForkRepository
from app.repositories.generations import GenerationRepository
from app.repositories.idempotency import IdempotencyRepository
from app.repositories.imports import ImportRepository
from app.repositories.indexing import IndexRepository
from app.repositories.instances import InstanceRepository
from app.repositories.jobs import JobRepository
from app.repositories.kept_answers import KeptAnswerRepository
from app.repositories.messages import MessageRepository
from app.repositories.paths import PathRepository
from app.repositories.reindexing import ReindexingRepository
from app.repositories.search import SearchRepository
from app.repositories.sessions import SessionRepository
from app.repositories.tickets import TicketRepository
from app.repositories.ui_chats import UiChatRepository
from app.repositories.usage import UsageRepository
from app.repositories.users import UserRepository

T = TypeVar("T")


class Transaction:
    """The repositories on one connection; what they did is committed when the block ends, or nothing is.

    A write may wait for the next statement or the commit: what the database refuses is raised by then at the latest.
    """

    def __init__(self, connection: Statements) -> None:
        self._connection = connection

    @cached_property
    def users(self) -> UserRepository:
        return UserRepository(self._connection)

    @cached_property
    def sessions(self) -> SessionRepository:
        return SessionRepository(self._connection)

    @cached_property
    def api_keys(self) -> ApiKeyRepository:
        return ApiKeyRepository(self._connection)

    @cached_property
    def tickets(self) -> TicketRepository:
        return TicketRepository(self._connection)

    @cached_property
    def conversations(self) -> ConversationRepository:
        return ConversationRepository(self._connection)

    @cached_property
    def ui_chats(self) -> UiChatRepository:
        return UiChatRepository(self._connection)

    @cached_property
    def messages(self) -> MessageRepository:
        return MessageRepository(self._connection)

    @cached_property
    def paths(self) -> PathRepository:
        return PathRepository(self._connection)

    @cached_property
    def feedback(self) -> FeedbackRepository:
        return FeedbackRepository(self._connection)

    @cached_property
    def files(self) -> FileRepository:
        return FileRepository(self._connection)

    @cached_property
    def attachments(self) -> AttachmentRepository:
        return AttachmentRepository(self._connection)

    @cached_property
    def collections(self) -> CollectionRepository:
        return CollectionRepository(self._connection)

    @cached_property
    def documents(self) -> DocumentRepository:
        return DocumentRepository(self._connection)

    @cached_property
    def chunks(self) -> ChunkRepository:
        return ChunkRepository(self._connection)

    @cached_property
    def jobs(self) -> JobRepository:
        return JobRepository(self._connection)

    @cached_property
    def index(self) -> IndexRepository:
        return IndexRepository(self._connection)

    @cached_property
    def forks(self) -> ForkRepository:
        return ForkRepository(self._connection)

    @cached_property
    def imports(self) -> ImportRepository:
        return ImportRepository(self._connection)

    @cached_property
    def compactions(self) -> CompactionRepository:
        return CompactionRepository(self._connection)

    @cached_property
    def search(self) -> SearchRepository:
        return SearchRepository(self._connection)

    @cached_property
    def reindexing(self) -> ReindexingRepository:
        return ReindexingRepository(self._connection)

    @cached_property
    def generations(self) -> GenerationRepository:
        return GenerationRepository(self._connection)

    @cached_property
    def instances(self) -> InstanceRepository:
        return InstanceRepository(self._connection)

    @cached_property
    def idempotency(self) -> IdempotencyRepository:
        return IdempotencyRepository(self._connection)

    @cached_property
    def kept_answers(self) -> KeptAnswerRepository:
        return KeptAnswerRepository(self._connection)

    @cached_property
    def audit(self) -> AuditRepository:
        return AuditRepository(self._connection)

    @cached_property
    def belongings(self) -> BelongingsRepository:
        return BelongingsRepository(self._connection)

    @cached_property
    def usage(self) -> UsageRepository:
        return UsageRepository(self._connection)


class Database:
    """Transactions on connections that are shared. Waiting for one, and each statement, is bounded; what is away is
    DatabaseUnavailable. `store` is what DATABASE_URL names, unless another is given."""

    def __init__(self, settings: StorageSettings, store: Store | None = None) -> None:
        self.url = database_url(settings.database_url.get_secret_value())
        try:
            self._store: Store = store or _store(self.url, settings)
        except (ImportError, TypeError, ArgumentError) as error:
            raise StartRefused(f"DATABASE_URL: no driver for {self.url.drivername} as it is written") from error

    @property
    def embedded(self) -> bool:
        """Whether this is a file that belongs to one process."""
        return self._store.embedded

    @property
    def file(self) -> Path | None:
        return Path(self.url.database) if self.embedded and self.url.database else None

    @property
    def connections_in_use(self) -> int:
        return self._store.in_use

    def transaction(self, *, durable: bool = True) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that may write. What it wrote survives a crash of this process from its end on.

        It survives a loss of power, too; from `settle` on where it is not to be `durable` at once.
        """
        return self._unit(write=True, durable=durable)

    async def settle(self) -> None:
        """Wait until all that was committed survives a loss of power."""
        try:
            await self._store.settle()
        except TROUBLE as error:
            _rename(error)
            raise

    def snapshot(self) -> AbstractAsyncContextManager[Transaction]:
        """For several looks that belong together; with an embedded database all at one moment."""
        return self._unit(write=False, durable=False)

    @property
    def now(self) -> Transaction:
        """For a single look at how things are: each query by itself, which may be half the price of a snapshot."""
        return Transaction(Glance(self._glance))

    async def revision(self) -> str | None:
        """The migration that the schema is at; None for an empty database."""
        return await self._glance(_read_revision)

    async def close(self) -> None:
        await self._store.close()

    @asynccontextmanager
    async def _unit(self, *, write: bool, durable: bool) -> AsyncIterator[Transaction]:
        try:
            async with self._store.unit(write=write, durable=durable) as unit:
                yield Transaction(unit)
        except TROUBLE as error:
            _rename(error)
            raise

    async def _glance(self, look: Callable[[Connection], T]) -> T:
        try:
            return await self._store.glance(look)
        except TROUBLE as error:
            _rename(error)
            raise


def _store(url: URL, settings: StorageSettings) -> Store:
    kind = SqliteStore if url.get_backend_name() == "sqlite" else ServerStore
    return kind(url, settings)


def _rename(error: Exception) -> None:
    """Raise DatabaseUnavailable where that is the trouble; else the error is what it says."""
    if is_too_much(error):
        raise TooMuchAtOnce(retry_after=2) from error
    if is_away(error):
        raise DatabaseUnavailable(retry_after=2) from error


def _read_revision(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
