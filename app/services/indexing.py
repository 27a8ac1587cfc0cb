"""The standing work on the index: what documents have become is learnt, and compared with the rows now and then."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress

from app.core.errors import DatabaseUnavailable, VectorsUnavailable
from app.core.metrics import Metrics
from app.database import Database
from app.domain.documents import IndexChange
from app.repositories.indexing import DutyTaken
from app.services.index import Index
from app.services.index_learning import Learning, Lesson, Outcome, Target
from app.services.index_sweeper import IndexSweeper
from app.services.spaces import Spaces

logger = logging.getLogger(__name__)

_LOOKED_EACH = 1.0
"""Seconds after which it is looked whether there is something to learn, without being woken."""
_TENDED_EACH = 2.0
_SWEPT_EACH = 600.0
_SETTLED_FOR = 10.0
"""Seconds on duty before the first sweep, and with a new space: no transaction takes as long."""
_AT_ONCE = 3
"""Documents that are learnt at once, two of one user's at most: a long one keeps nobody waiting."""
_OF_ONE_USER = 2
_SEEN = 500
"""Changes looked at for whose turn it is."""
_FAILURES = 5
_SHORTEST, _LONGEST = 1.0, 60.0
_WITHOUT_MEANING = 300.0
"""Seconds at most until an embedder that was away is tried again for a document."""

_Key = tuple[str, str]
"""A space and a document."""


class Indexing:
    def __init__(
        self,
        database: Database,
        index: Index,
        spaces: Spaces,
        learning: Learning,
        sweeper: IndexSweeper,
        metrics: Metrics,
        *,
        looked_each: float = _LOOKED_EACH,
        tended_each: float = _TENDED_EACH,
        settled_for: float = _SETTLED_FOR,
        seen: int = _SEEN,
    ) -> None:
        self._database = database
        self._index = index
        self._spaces = spaces
        self._learning = learning
        self._sweeper = sweeper
        self._metrics = metrics
        self._looked_each = looked_each
        self._tended_each = tended_each
        self._settled_for = settled_for
        self._seen = seen
        self._seen_to: dict[str, str] = {}
        """Of each space the last change of those that were looked at; the next part is looked at then."""
        self._targets: Sequence[Target] = ()
        self._woken = asyncio.Event()
        self._under_way: dict[_Key, asyncio.Task[None]] = {}
        self._users: Counter[str] = Counter()
        """Of whom how many documents are being learnt."""
        self._failures: Counter[_Key] = Counter()
        """In a row."""
        self._owing: Counter[_Key] = Counter()
        """How often in a row a document was learnt without its meaning."""
        self._not_before: dict[_Key, float] = {}
        self._rest_until = 0.0
        self._rest = 0.0

    def wake(self) -> None:
        """Say that something was noted, here."""
        self._woken.set()

    async def learn_forever(self) -> None:
        """Have the index learn what was noted, as long as this process is on duty."""
        try:
            while True:
                self._woken.clear()
                if self._index.on_duty:
                    await self._tried(self._look)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._looked_each):
                        await self._woken.wait()
        finally:
            under_way = list(self._under_way.values())
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def tend_forever(self) -> None:
        """See to the spaces, and compare them with the rows."""
        sweep_at = _now() + self._settled_for
        while True:
            await self._tried(self._count)
            before = self._targets
            tended = self._index.on_duty and await self._tried(self._tend)
            if self._targets != before:
                # Whoever was writing when a space was added did not know of it, and told only those that were there.
                sweep_at = min(sweep_at, _now() + self._settled_for)
            if tended and _now() >= sweep_at and await self._tried(self._sweep):
                sweep_at = _now() + _SWEPT_EACH
            await asyncio.sleep(self._tended_each)

    async def _tend(self) -> None:
        before = self._targets
        self._targets = await self._spaces.tend()
        if self._targets != before:
            self.wake()

    async def _count(self) -> None:
        """What waits, as the one process tells that is on duty, and most of all while the index is away."""
        on_duty, rows = self._index.on_duty, self._database.now
        self._metrics.index_changes.set(await rows.index.waiting() if on_duty else 0)
        self._metrics.documents.jobs_waiting.set(await rows.jobs.waiting_count() if on_duty else 0)

    async def _sweep(self) -> None:
        for target in self._targets:
            if target.filled:
                await self._sweeper.sweep(target.space)
        if self._targets:
            await self._sweeper.drop_strangers()
            self.wake()

    async def _tried(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Never fails for a part that is away."""
        try:
            await work()
        except VectorsUnavailable as error:
            logger.debug("the index waits for where it is kept", extra={"detail": error.detail})
        except DatabaseUnavailable:
            logger.debug("the index waits for the database")
        except DutyTaken:
            logger.info("another process keeps the index up")
        else:
            return True
        return False

    async def _look(self) -> None:
        """Begin what can be begun."""
        if _now() < self._rest_until:
            return
        for target in self._targets:
            await self._forget(target)
            await self._begin_some(target)

    async def _begin_some(self, target: Target) -> None:
        """Of a part of what waits; of the next part once there is nothing more to begin in this one: what has to wait,
        for its turn or for the embedder, keeps nothing behind it."""
        name = target.space.name
        changes = await self._database.now.index.next(name, after=self._seen_to.get(name, ""), limit=self._seen)
        for lesson in _lessons(changes):
            if self._may(target, lesson):
                self._begin(target, lesson)
        if len(self._under_way) < _AT_ONCE:
            self._seen_to[name] = changes[-1].id if len(changes) == self._seen else ""

    async def _forget(self, target: Target) -> None:
        """First what is quickly done, and was promised: that what is deleted is gone."""
        for change in await self._database.now.index.gone(target.space.name, limit=_SEEN):
            if change.document_id is None:
                await self._learning.forget_user(target.space, change.user_id, change.id)
                continue
            key = (target.space.name, change.document_id)
            if key not in self._under_way:
                await self._learning.forget(target.space, change.user_id, change.document_id, [change.id])
                self._failures.pop(key, None)
                self._owing.pop(key, None)
                self._not_before.pop(key, None)

    def _may(self, target: Target, lesson: Lesson) -> bool:
        key = (target.space.name, lesson.document_id)
        return (
            len(self._under_way) < _AT_ONCE
            and key not in self._under_way
            and self._users[lesson.user_id] < _OF_ONE_USER
            and self._not_before.get(key, 0.0) <= _now()
        )

    def _begin(self, target: Target, lesson: Lesson) -> None:
        key = (target.space.name, lesson.document_id)
        self._users[lesson.user_id] += 1
        task = asyncio.create_task(self._learn(key, target, lesson), name=f"index {lesson.document_id}")
        self._under_way[key] = task

        def ended(_: asyncio.Task[None]) -> None:
            del self._under_way[key]
            self._users[lesson.user_id] -= 1
            self._users += Counter()  # forgets those who have none
            self._woken.set()

        task.add_done_callback(ended)

    async def _learn(self, key: _Key, target: Target, lesson: Lesson) -> None:
        """The edge of a task that nobody waits for."""
        try:
            outcome = await self._learning.learn(target, lesson)
        except DatabaseUnavailable:
            self._rest_until = _now() + _SHORTEST
        except Exception as error:
            await self._failed(key, target, lesson, error)
        else:
            self._rest = 0.0
            self._failures.pop(key, None)
            if outcome is Outcome.WITHOUT_MEANING:
                self._later(self._owing, key, _WITHOUT_MEANING)
            else:
                self._owing.pop(key, None)
                self._not_before.pop(key, None)

    async def _failed(self, key: _Key, target: Target, lesson: Lesson, error: Exception) -> None:
        if isinstance(error, VectorsUnavailable) and not await self._index.answers():
            # Not this document's fault.
            self._rest = min(max(_SHORTEST, 2 * self._rest), _LONGEST / 2)
            self._rest_until = _now() + self._rest
            return
        self._spaces.doubt()
        logger.error("a document could not be indexed", extra={"document_id": lesson.document_id}, exc_info=error)
        self._later(self._failures, key, _LONGEST)
        if self._failures[key] >= _FAILURES:
            self._failures.pop(key)
            self._not_before.pop(key)
            with suppress(DatabaseUnavailable):
                await self._learning.give_up(target, lesson)

    def _later(self, tries: Counter[_Key], key: _Key, longest: float) -> None:
        tries[key] += 1
        self._not_before[key] = _now() + min(_SHORTEST * 2 ** (tries[key] - 1), longest)


def _lessons(changes: Sequence[IndexChange]) -> Iterator[Lesson]:
    """Of each document one; the oldest first. Users who are gone are no lesson."""
    by_document: dict[tuple[str, str], list[str]] = {}
    for change in changes:
        if change.document_id is not None:
            by_document.setdefault((change.user_id, change.document_id), []).append(change.id)
    for (user_id, document_id), change_ids in by_document.items():
        yield Lesson(user_id, document_id, change_ids)


def _now() -> float:
    return asyncio.get_running_loop().time()
