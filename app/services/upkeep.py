"""The standing work of a process: its place in the database, and what is done each second, minute and hour."""

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine

from filelock import FileLock, Timeout

from app import migrations
from app.core.config import Settings, StartRefused
from app.core.errors import DatabaseUnavailable
from app.core.logging import describe
from app.core.tasks import end
from app.database import Database
from app.generation.checkpoints import Checkpointer
from app.generation.leases import Lease
from app.generation.publishing import Publisher
from app.generation.sweeper import Sweeper
from app.services.accounts import Accounts, FirstAdmin
from app.services.clearing import Clearing
from app.services.closing import Closing
from app.services.document_upkeep import DocumentUpkeep
from app.services.expiry import Expiry
from app.services.index import Index
from app.services.indexing import Indexing
from app.services.ollama_proxy import OllamaProxy
from app.services.orphans import Orphans
from app.services.passages import PassageService
from app.services.reindexing import Reindexing
from app.services.service_keys import ServiceKeys
from app.stores.signals import Signals
from app.stores.slots import Slots

logger = logging.getLogger(__name__)

_LOCK_PATIENCE = 10.0
_TIDIED_EACH = 600.0
_EXPIRED_EACH = 3600.0
_SETTLED_FOR = 5.0
"""Seconds after the start in which users that come back come first, before what was deleted is cleared."""


class SecondInstance(StartRefused):
    """Another process lives on the same embedded database."""

    def __init__(self) -> None:
        super().__init__(
            "Another process already serves this SQLite database, which belongs to one. "
            "For several instances set DATABASE_URL to a PostgreSQL server."
        )


class Upkeep:
    def __init__(
        self,
        *,
        database: Database,
        settings: Settings,
        lease: Lease,
        sweeper: Sweeper,
        checkpointer: Checkpointer,
        publisher: Publisher,
        accounts: Accounts,
        closing: Closing,
        clearing: Clearing,
        documents: DocumentUpkeep,
        expiry: Expiry,
        passages: PassageService,
        ollama_proxy: OllamaProxy,
        reindexing: Reindexing,
        index: Index,
        indexing: Indexing,
        orphans: Orphans,
        service_keys: ServiceKeys,
        slots: Slots,
        signals: Signals,
    ) -> None:
        self._database = database
        self._settings = settings
        self._lease = lease
        self._sweeper = sweeper
        self._checkpointer = checkpointer
        self._publisher = publisher
        self._accounts = accounts
        self._closing = closing
        self._clearing = clearing
        self._documents = documents
        self._expiry = expiry
        self._passages = passages
        self._ollama_proxy = ollama_proxy
        self._reindexing = reindexing
        self._index = index
        self._indexing = indexing
        self._orphans = orphans
        self._service_keys = service_keys
        self._slots = slots
        self._signals = signals
        self._lock: FileLock | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._settled = asyncio.Event()

    def claim(self) -> None:
        """Lock an embedded database; harmless when it is ours already. Waits for a process that is about to go.

        Raises SecondInstance, or StartRefused where there is no place for a file.
        """
        file = self._database.file
        if file is None or self._lock is not None:
            return
        # Held by the process, not by a thread: the kernel lets go of it when the process dies, however it dies.
        lock = FileLock(f"{file}.lock", thread_local=False)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=_LOCK_PATIENCE)
        except Timeout as error:
            raise SecondInstance from error
        except OSError as error:
            raise StartRefused(f"DATABASE_URL: {file} cannot be used ({error.strerror})") from error
        self._lock = lock

    async def open(self) -> None:
        """Take this process's place. Raises SecondInstance.

        An embedded database is locked, migrated and swept before the first request. A server may be away, or behind
        until its release has migrated it: that is waited for in the background, and `/ready` says so.
        """
        if self._database.embedded:
            await asyncio.to_thread(self.claim)
            try:
                await migrations.migrate(self._database.url)
            except migrations.SchemaAhead:
                logger.warning("the schema is of a newer version, and stays as it is")
        try:
            await self._settle()
        except DatabaseUnavailable:
            if self._database.embedded:
                raise
            self._begin(self._settle_patiently)
        for standing in (
            self._lease.renew_forever,
            self._sweeper.run_forever,
            self._checkpointer.run_forever,
            self._publisher.run_forever,
            self._tidy_forever,
            self._clear_forever,
            self._expire_forever,
            self._passages.watch_forever,
            self._ollama_proxy.watch_forever,
            self._reindex_forever,
            self._sweep_files_forever,
            self._keep_index_forever,
            self._indexing.learn_forever,
            self._indexing.tend_forever,
            self._read_documents_forever,
            self._slots.keep_forever,
            self._signals.listen_forever,
        ):
            self._begin(standing)

    async def close(self) -> None:
        await end(self._tasks)
        await self._closing.stop()
        await self._clearing.stop()
        await self._index.lay_down()
        await self._documents.stop()
        await self._slots.aclose()
        try:
            await self._lease.release()
        except DatabaseUnavailable:
            logger.warning("the lease was not given up; it runs out by itself")

    def unlock(self) -> None:
        """Let another process have an embedded database, once ours is closed."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    async def _settle(self) -> None:
        if migrations.shipped().behind(await self._database.revision()):
            raise DatabaseUnavailable("The schema of the database is not the one that this version needs.")
        if not self._lease.held:
            await self._lease.acquire()
        if self._database.embedded:
            await self._sweeper.end_orphans()
        if (admin := await self._accounts.ensure_first_admin(self._settings)) is not None:
            _announce(admin)
        await self._service_keys.ensure_account()
        self._settled.set()

    async def _settle_patiently(self) -> None:
        said = ""
        while True:
            try:
                await self._settle()
            except DatabaseUnavailable as error:
                if error.detail != said:
                    causes = describe(error).get("causes")
                    logger.warning("waiting for the database", extra={"reason": error.detail, "causes": causes})
                said = error.detail
                await asyncio.sleep(1.0)
            else:
                logger.info("the database is there")
                return

    async def _tidy_forever(self) -> None:
        while True:
            await asyncio.sleep(_TIDIED_EACH)
            try:
                async with self._database.transaction() as tx:
                    await tx.generations.forget_expired_logs()
                    await tx.idempotency.forget_expired()
                    await tx.kept_answers.forget_expired()
                    await tx.sessions.forget_expired()
                    await tx.tickets.forget_expired()
            except DatabaseUnavailable:
                logger.warning("tidying waits for the database")

    async def _clear_forever(self) -> None:
        """By itself, so that closed accounts are cleared whatever becomes of the tidying."""
        await self._settled.wait()
        await asyncio.sleep(_SETTLED_FOR)
        while True:
            try:
                await self._closing.finish()
            except DatabaseUnavailable:
                logger.warning("closed accounts wait for the database")
            await asyncio.sleep(_TIDIED_EACH)

    async def _expire_forever(self) -> None:
        await self._settled.wait()
        await asyncio.sleep(_SETTLED_FOR)
        while True:
            try:
                await self._clearing.finish()
                await self._documents.clear()
                await self._expiry.sweep()
            except DatabaseUnavailable:
                logger.warning("unused conversations wait for the database")
            await asyncio.sleep(_EXPIRED_EACH)

    async def _sweep_files_forever(self) -> None:
        await self._settled.wait()
        await asyncio.sleep(_SETTLED_FOR)
        while True:
            await self._orphans.sweep()
            await self._documents.tidy()
            await asyncio.sleep(_EXPIRED_EACH)

    async def _read_documents_forever(self) -> None:
        await self._settled.wait()
        await self._documents.run_forever(alone=self._database.embedded)

    async def _keep_index_forever(self) -> None:
        await self._settled.wait()
        await self._index.keep_forever()

    async def _reindex_forever(self) -> None:
        await self._settled.wait()
        await self._reindexing.run_forever()

    def _begin(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        self._tasks.append(asyncio.create_task(kept_alive(work), name=getattr(work, "__qualname__", None)))


async def kept_alive(work: Callable[[], Coroutine[None, None, None]]) -> None:
    """The edge of a standing task: what nobody expected is logged, and the work goes on."""
    while True:
        try:
            await work()
        except Exception:
            logger.exception("standing work failed")
            await asyncio.sleep(1.0)
        else:
            return


def _announce(admin: FirstAdmin) -> None:
    """Not in the log, which may be collected: on the terminal, once."""
    lines = ["", "  The first administrator was made. This is shown once:", f"    e-mail    {admin.email}"]
    lines.append(f"    password  {admin.password or '(the one in FIRST_ADMIN_PASSWORD)'}")
    sys.stdout.write("\n".join([*lines, ""]) + "\n")
    sys.stdout.flush()
