"""Starts, stops and drains runs: the one place that knows which live here."""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass

from app.core.errors import DatabaseUnavailable, Draining, TooManyGenerations
from app.core.metrics import Metrics
from app.domain.chat import Generation, Status
from app.generation.attempts import Price
from app.generation.checkpoints import Checkpointer
from app.generation.deadline import TimeLimits
from app.generation.endings import Ending, Endings
from app.generation.leases import Lease
from app.generation.log import EventLog, EventLogs
from app.generation.passages import AtOnce, PassageEndings, PassageRecorder, is_kept
from app.generation.publishing import Publisher
from app.generation.run import FAILURES, INTERNAL, Assignment, Interrupt, Run
from app.repositories.base import new_id
from app.stores.slots import Slots

logger = logging.getLogger(__name__)

_STOP_PATIENCE = 1.0
_HEEDING = 0.4
"""Of a drain's grace: who does not heed it by then is waited for no longer, and the rest is for the ending."""
_GLANCE = 0.02


@dataclass(frozen=True, slots=True)
class EngineLimits:
    time: TimeLimits
    max_answer_bytes: int
    concurrent: int | None
    """Here; the next is of all instances. None is no limit."""
    concurrent_per_user: int | None
    shared: bool = False
    """Whether other instances may go on with what this one cannot end."""
    grace: float = 5.0
    """Seconds behind a drain for the endings of what it cuts, and again for what is not booked by then."""


class Slot:
    """A place among the running generations. It is given back by `release`, or by the end of the run that took it."""

    __slots__ = ("_give_back", "id", "user_id")

    def __init__(self, user_id: str, give_back: Callable[["Slot"], None]) -> None:
        self.id = new_id()
        self.user_id = user_id
        self._give_back: Callable[[Slot], None] | None = give_back

    def release(self) -> None:
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back(self)


class Engine:
    def __init__(
        self,
        *,
        logs: EventLogs,
        publisher: Publisher,
        lease: Lease,
        checkpointer: Checkpointer,
        endings: Endings,
        passages: PassageEndings,
        price: Price,
        limits: EngineLimits,
        slots: Slots,
        metrics: Metrics,
    ) -> None:
        self._logs = logs
        self._publisher = publisher
        self._lease = lease
        self._checkpointer = checkpointer
        self._endings = endings
        self._passages = passages
        self._price = price
        self._limits = limits
        self._metrics = metrics
        self._runs: dict[str, Run] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._slots = slots
        self._taken = 0
        self.draining = False
        self._out_of_time = False
        lease.on_lost = self._abandon
        metrics.live_generations.set_function(lambda: len(self._runs))

    @property
    def instance_id(self) -> str:
        """The owner to write into a new generation's row."""
        return self._lease.instance_id

    @property
    def state(self) -> str:
        """`ok` when new generations may start here."""
        if self.draining:
            return "draining"
        return "ok" if self._lease.held else "waiting_for_database"

    async def admit(self, user_id: str) -> Slot:
        """A place for one more run of this user. Raises Draining, DatabaseUnavailable or TooManyGenerations."""
        if self.draining:
            raise Draining(retry_after=5)
        if not self._lease.held or self._lease.doubtful:
            raise DatabaseUnavailable(retry_after=2)
        here, everywhere = self._limits.concurrent, self._limits.concurrent_per_user
        if here is not None and self._taken >= here:
            raise TooManyGenerations(limit=here, retry_after=5)
        slot = Slot(user_id, self._give_back)
        self._taken += 1
        try:
            if everywhere is not None and not await self._slots.take(user_id, slot.id, everywhere):
                raise TooManyGenerations(limit=everywhere, retry_after=5)
        except BaseException:
            slot.release()
            raise
        return slot

    async def room(self, user_id: str) -> tuple[int, int] | None:
        """How many runs a user may have at once, and how many more at present; None without a limit."""
        limit = self._limits.concurrent_per_user
        return None if limit is None else (limit, max(0, limit - await self._slots.taken(user_id)))

    def start(self, assignment: Assignment, slot: Slot) -> EventLog:
        """Run a generation that is committed already, detached from whoever asked."""
        generation_id = assignment.generation.id
        log = self._logs.create(generation_id)
        limits = self._limits
        run = Run(assignment, log, self._publisher, limits.time, limits.max_answer_bytes, self._price, self._metrics)
        self._checkpointer.join(run)
        self._begin(run, self._supervise(run, slot))
        return log

    def pass_through(self, assignment: Assignment, slot: Slot) -> EventLog:
        """Run a generation of no conversation, for the one reader who waits for it; one that is kept is found by its
        `log`, too."""
        generation = assignment.generation
        log = self._logs.create(generation.id) if is_kept(generation) else EventLog()
        limits = self._limits
        run = Run(
            assignment,
            log,
            AtOnce(),
            limits.time,
            limits.max_answer_bytes,
            self._price,
            self._metrics,
            recorder=PassageRecorder,
        )
        self._begin(run, self._supervise_passage(run, slot))
        return log

    @property
    def passing(self) -> Collection[Generation]:
        """Those of `pass_through` that run."""
        return [run.generation for run in self._runs.values() if not run.generation.conversation_id]

    def log(self, generation_id: str) -> EventLog | None:
        """The log of a generation that runs here, or did a moment ago."""
        return self._logs.find(generation_id)

    async def stop(self, generation_id: str) -> bool:
        """Stop a run and wait a moment for its end; false when it does not run here."""
        if not self.halt(generation_id):
            return False
        await asyncio.wait({self._tasks[generation_id]}, timeout=_STOP_PATIENCE)
        return True

    def halt(self, generation_id: str) -> bool:
        """Have a run stopped soon; false when it does not run here."""
        run = self._runs.get(generation_id)
        if run is not None:
            run.interrupt(Interrupt.STOP)
        return run is not None

    async def drain(self, seconds: float) -> None:
        """Take nothing new, let what runs finish for so long, then end the rest with its text kept."""
        self.draining = True
        await self._wait_for_all(seconds)
        self._out_of_time = True
        for run in list(self._runs.values()):
            self._cut(run)
        grace = self._limits.grace
        await self._wait_for_all(grace * _HEEDING)
        for run in list(self._runs.values()):
            run.let_go()
        await self._wait_for_all(grace * (1 - _HEEDING))
        await self._give_up()

    async def _wait_for_all(self, seconds: float) -> None:
        """At most so long, also for a post that was admitted and has not begun its run yet."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (self._tasks or self._taken) and (left := until - loop.time()) > 0:
            if self._tasks:
                await asyncio.wait(set(self._tasks.values()), timeout=left)
            else:
                await asyncio.sleep(min(_GLANCE, left))

    async def settle(self, seconds: float) -> None:
        """Wait at most so long for what is not booked yet of answers that have ended and belong to no conversation."""
        await self._passages.settle(seconds)

    def lives(self, generation_id: str) -> bool:
        """Whether a run lives here."""
        return generation_id in self._runs

    async def stop_all_of(self, user_id: str) -> None:
        """Stop every run of a user that lives here."""
        for run in [run for run in self._runs.values() if run.generation.user_id == user_id]:
            await self.stop(run.generation.id)

    def _cut(self, run: Run) -> None:
        """End a run that has no more time; where others can show how it ends, its readers go there."""
        if self._limits.shared:
            run.log.part()
        run.interrupt(Interrupt.DRAIN)

    async def _give_up(self) -> None:
        """Tell the readers of runs whose ending could not be saved in time, and leave the rest to a later sweep."""
        tasks = list(self._tasks.values())
        for run in list(self._runs.values()):
            self._tasks[run.generation.id].cancel()
            run.publication.drop()
            endings = self._endings if run.generation.conversation_id else self._passages
            endings.give_up(run.generation, run.log, FAILURES[Interrupt.DRAIN])
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.settle(self._limits.grace)

    def _abandon(self, instance_id: str) -> None:
        """The lease of `instance_id` is lost: its runs are no longer ours to write."""
        for run in list(self._runs.values()):
            if run.generation.owner_id == instance_id:
                run.interrupt(Interrupt.LOST)

    def _begin(self, run: Run, supervised: Coroutine[None, None, None]) -> None:
        generation_id = run.generation.id
        self._runs[generation_id] = run
        self._tasks[generation_id] = asyncio.create_task(supervised, name=f"run {generation_id}")
        if self._out_of_time:
            self._cut(run)

    def _give_back(self, slot: Slot) -> None:
        self._taken -= 1
        self._slots.release(slot.user_id, slot.id)

    async def _supervise(self, run: Run, slot: Slot) -> None:
        generation = run.generation
        try:
            ending = await run.execute()
            await self._checkpointer.leave(generation.id)
            saved = await self._endings.conclude(generation, run.log, ending)
            run.publication.ended()
            _report(run, ending)
            if run.completed is not None and saved and ending.status is Status.COMPLETE:
                run.completed(run.log)
        except Exception:
            # The edge of a detached task: nobody else would see the error, and readers must not wait for ever.
            logger.exception("a run could not be ended", extra={"generation_id": generation.id})
            self._checkpointer.forget(generation.id)  # what is said now is not in the database
            run.publication.drop()
            self._endings.give_up(generation, run.log)
        finally:
            self._checkpointer.forget(generation.id)
            slot.release()
            del self._runs[generation.id], self._tasks[generation.id]
            if run.log.sealed:
                self._logs.forget(generation.id)
            else:
                self._logs.retire(generation.id)

    async def _supervise_passage(self, run: Run, slot: Slot) -> None:
        generation = run.generation
        try:
            ending = await run.execute()
            await self._passages.conclude(generation, run.log, ending)
            _report(run, ending)
        except Exception:
            logger.exception("a run could not be ended", extra={"generation_id": generation.id})
            self._passages.give_up(generation, run.log, INTERNAL)
        finally:
            slot.release()
            del self._runs[generation.id], self._tasks[generation.id]
            if is_kept(generation):
                self._logs.retire(generation.id)


def _report(run: Run, ending: Ending) -> None:
    generation = run.generation
    fields = {"generation_id": generation.id, "model": generation.model, "status": ending.status.value}
    if ending.failure is not None:
        fields["code"] = ending.failure.code.value
    # Each answer has its line as a request already; the metrics count endings.
    logger.log(logging.INFO if ending.failure else logging.DEBUG, "generation ended", extra=fields)
