"""One run of a model for one assistant message, from its first upstream call to its single ending."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from typing import Protocol

from app.core.metrics import Metrics
from app.domain.cards import ModelCard
from app.domain.chat import Bill, Failure, Generation, Status
from app.domain.events import Kind
from app.domain.failures import FailureCode, GenerationFailure
from app.domain.prompts import ModelRequest
from app.domain.providers import Provider
from app.domain.usage import Attempt
from app.generation.attempts import Attempts, Price
from app.generation.deadline import Deadline, TimeLimits
from app.generation.endings import Ending
from app.generation.log import EventLog
from app.generation.payloads import start_payload
from app.generation.publishing import Opener
from app.generation.recorder import Recorder

logger = logging.getLogger(__name__)


class Interrupt(Enum):
    """Why a run ends from outside. The first one counts."""

    STOP = auto()
    TIMEOUT = auto()
    DRAIN = auto()
    LOST = auto()


FAILURES = {
    Interrupt.TIMEOUT: Failure(FailureCode.UPSTREAM_TIMEOUT, "The model did not answer in time.", retryable=True),
    Interrupt.DRAIN: Failure(
        FailureCode.INSTANCE_DRAINING, "The server is restarting; what was written is kept.", retryable=True
    ),
    Interrupt.LOST: Failure(
        FailureCode.INSTANCE_LOST, "The server that wrote this answer lost its place.", retryable=True
    ),
}
INTERNAL = Failure(FailureCode.INTERNAL, "Something went wrong on our side.", retryable=True)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What came of a preparation: a request, or with None what is said without asking any model, `text`.

    `sources` is the payload of an event that is told first. An answer from them is checked on its way: marks may name
    `cited` of them, or with None are the model's own; without any, it is told as it comes.
    """

    request: ModelRequest | None
    text: str = ""
    sources: bytes | None = None
    cited: int | None = None


class Preparation(Protocol):
    """A request that has to be made first, which may take calls of a model."""

    @property
    def attempts(self) -> Sequence[Attempt]:
        """Such calls, as far as they are not booked yet."""
        ...

    async def prepare(self) -> Prepared:
        """What is to be said or asked. It keeps its own time, and raises nothing that is expected."""
        ...

    def close(self) -> None:
        """The run is over: what was made ready for it may go."""
        ...


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a run is to do: the model asked, the request, and the row that it answers for.

    `completed` is told the log of an answer that is whole and saved; it must not block or raise.
    """

    generation: Generation
    card: ModelCard
    provider: Provider
    request: ModelRequest | Preparation
    completed: Callable[[EventLog], None] | None = None


class Run:
    """Lives apart from any connection, in a detached task."""

    def __init__(
        self,
        assignment: Assignment,
        log: EventLog,
        publisher: Opener,
        limits: TimeLimits,
        max_bytes: int,
        price: Price,
        metrics: Metrics,
        recorder: type[Recorder] = Recorder,
    ) -> None:
        self.generation = assignment.generation
        self.log = log
        self.saved_seq = 0
        """Up to where the database has this log; the checkpointer's note."""
        self._limits = limits
        self._price = price
        # Readers may see it at once: it is made of the row, and so whatever becomes of this process.
        log.append(Kind.START, start_payload(self.generation))
        log.publish()
        self.publication = publisher.open(self.generation, log, lambda: self.interrupt(Interrupt.LOST))
        self._recorder = recorder(log, self.publication, max_bytes)
        self._request = assignment.request
        self._attempts = Attempts(assignment.provider, assignment.card, self._recorder, log, metrics)
        self.completed = assignment.completed
        self._interrupted: Interrupt | None = None
        self._relay: asyncio.Task[None] | None = None
        self._relayed: asyncio.Future[None] | None = None

    def interrupt(self, reason: Interrupt) -> None:
        """End this run soon; harmless when it has ended, and the upstream is closed at once."""
        if reason is Interrupt.LOST:
            self.log.seal()
        if self._interrupted is None:
            self._interrupted = reason
        if self._relay is not None:
            self._relay.cancel()

    def let_go(self) -> None:
        """Wait no longer for an upstream that does not heed an interrupt; harmless when it has."""
        if self._relayed is not None and not self._relayed.done():
            logger.error("an interrupted call does not end", extra={"generation_id": self.generation.id})
            self._relayed.set_result(None)

    async def execute(self) -> Ending:
        """Relay the answer into the log; answers how it ended, which is to be saved and said."""
        deadline = Deadline(self._limits, lambda: self.interrupt(Interrupt.TIMEOUT))
        request = self._request
        if isinstance(request, ModelRequest):
            self._relay = asyncio.create_task(self._attempts.run(request, deadline))
        else:
            self._relay = asyncio.create_task(self._prepare_and_run(request, deadline))
        try:
            if self._interrupted is not None:
                self._relay.cancel()
            self._relayed = _end_of(self._relay)
            await self._relayed
        finally:
            deadline.close()
            self._relay.cancel()
        ending = self._ending(self._relay)
        if not isinstance(request, ModelRequest):
            request.close()
        return ending

    async def _prepare_and_run(self, preparation: Preparation, deadline: Deadline) -> None:
        deadline.suspend()
        prepared = await preparation.prepare()
        deadline.restart()
        if prepared.sources is not None:
            self._recorder.note(Kind.SOURCES, prepared.sources)
        if prepared.request is None:
            self._recorder.say(prepared.text)
        elif prepared.sources is None:
            await self._attempts.run(prepared.request, deadline)
        else:
            await self._attempts.run_checked(prepared.request, deadline, prepared.cited)

    def _ending(self, relay: "asyncio.Task[None]") -> Ending:
        status, failure = self._outcome(relay)
        self._attempts.abandon(failure.code.value if failure else status.value)
        attempts = self._attempts.attempts(self._price)
        last = attempts[-1] if attempts else None
        bill = Bill(last.usage.input_tokens, last.usage.output_tokens, last.cost) if last and self._billed() else None
        if not attempts and self._recorder.finish is not None:
            bill = Bill(0, 0, Decimal(0))  # nobody was asked
        beside = () if isinstance(self._request, ModelRequest) else self._request.attempts
        finish = self._recorder.finish if status is Status.COMPLETE else None
        return Ending(status, failure, bill, [*beside, *attempts], self._recorder.reasoning, finish)

    def _billed(self) -> bool:
        return self._recorder.visible or self._recorder.usage is not None or self._recorder.finish is not None

    def _outcome(self, relay: "asyncio.Task[None]") -> tuple[Status, Failure | None]:
        if relay.done() and not relay.cancelled():
            error = relay.exception()
            if error is None:
                return Status.COMPLETE, None
            if isinstance(error, GenerationFailure):
                if error.answered and self._recorder.declined(error):
                    return Status.COMPLETE, None
                return Status.FAILED, _failure(error)
            logger.error("run failed", exc_info=error, extra={"generation_id": self.generation.id})
            return Status.FAILED, INTERNAL
        if self._recorder.finish is not None:
            return Status.COMPLETE, None  # the text was whole, and only the usage report was waited for
        if self._interrupted is Interrupt.STOP:
            return Status.STOPPED, None
        return Status.FAILED, FAILURES[self._interrupted] if self._interrupted else INTERNAL


def _failure(error: GenerationFailure) -> Failure:
    return Failure(error.code, error.detail, error.retryable, error.rejected, error.unknown_model, error.answered)


def _end_of(task: "asyncio.Task[None]") -> "asyncio.Future[None]":
    """Done when `task` is, however it ends. `asyncio.wait` does the same in 1 KB more, for as long as it takes."""
    end = asyncio.get_running_loop().create_future()
    task.add_done_callback(lambda _: None if end.done() else end.set_result(None))
    return end
