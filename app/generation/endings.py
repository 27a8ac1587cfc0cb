"""Ends a generation once: the ending is saved, then said."""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from app.core.errors import DatabaseUnavailable
from app.database import Database
from app.domain.chat import Bill, Failure, Generation, Status
from app.domain.events import Kind, LogEvent, Usage
from app.domain.failures import FailureCode
from app.domain.tokens import estimate
from app.domain.usage import Attempt
from app.generation import codec
from app.generation.log import EventLog

logger = logging.getLogger(__name__)

PATIENCE = 60.0
"""Seconds that readers wait for a database that is away before they are told that the ending could not be saved."""
_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
_BIG_LOG = 1000
"""Events from which a log is compressed in a thread: this many take a millisecond or two."""
_UNSAVED = Failure(FailureCode.INTERNAL, "The end of this answer could not be saved in time.", retryable=False)
_LOST = Failure(FailureCode.INSTANCE_LOST, "The server went down while it wrote this answer.", retryable=True)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended, what it used, and what its upstream calls are booked with."""

    status: Status
    failure: Failure | None = None
    bill: Bill | None = None
    attempts: Sequence[Attempt] = ()


class _Saved(Enum):
    YES = auto()
    TAKEN_OVER = auto()
    DELETED = auto()


class Endings:
    def __init__(self, database: Database, patience: float = PATIENCE) -> None:
        self._database = database
        self._patience = patience

    async def conclude(self, generation: Generation, log: EventLog, ending: Ending) -> None:
        """Save `ending` and publish it as the log's last events.

        A database that is away is waited for. When readers have waited long enough they are told that the ending is not
        saved, and saving goes on with just that ending, until the process goes.
        """
        try:
            async with asyncio.timeout(self._patience):
                saved, events = await self._save_patiently(generation, log, ending)
        except TimeoutError:
            ending = replace(ending, status=Status.FAILED, failure=_UNSAVED)
            _publish(log, _last_events(generation, log, ending))
            await self._save_patiently(generation, log, ending)
            return
        if saved is _Saved.TAKEN_OVER:
            events = _last_events(generation, log, Ending(Status.FAILED, _LOST))
        elif saved is _Saved.DELETED:
            events = _last_events(generation, log, Ending(Status.STOPPED))
        _publish(log, events)

    def give_up(self, generation: Generation, log: EventLog) -> None:
        """Tell the readers of a run whose ending cannot be saved at all."""
        _publish(log, _last_events(generation, log, Ending(Status.FAILED, _UNSAVED)))

    async def end_lost(self, generation: Generation) -> None:
        """End what a dead instance left, with the text that its checkpoints hold and an estimate of what it used."""
        async with self._database.snapshot() as tx:
            batches = await tx.generations.checkpoints(generation.id)
            history = await tx.messages.branch(generation.conversation_id, generation.message_id)
        events = codec.unpack(batches) or [LogEvent(1, Kind.START, start_payload(generation))]
        log = EventLog(events)
        provider, _, model = generation.model.partition("/")
        usage = Usage(sum(estimate(each.content) for each in history), estimate(codec.answer_text(events)))
        attempt = Attempt(1, provider, model, usage, estimated=True, cost=None, outcome=_LOST.code.value)
        ending = Ending(Status.FAILED, _LOST, attempts=[attempt])
        await self._save(generation, log, ending, _last_events(generation, log, ending))

    async def _save_patiently(
        self, generation: Generation, log: EventLog, ending: Ending
    ) -> tuple[_Saved, Sequence[LogEvent]]:
        events = () if log.ended else _last_events(generation, log, ending)
        tries = 0
        while True:
            try:
                return await self._save(generation, log, ending, events), events
            except DatabaseUnavailable:
                if tries == 0:
                    logger.warning("ending waits for the database", extra={"generation_id": generation.id})
                await asyncio.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
                tries += 1

    async def _save(
        self, generation: Generation, log: EventLog, ending: Ending, last_events: Sequence[LogEvent]
    ) -> _Saved:
        events = [*log.after(0), *last_events]
        packed = await asyncio.to_thread(codec.compress, events) if len(events) > _BIG_LOG else codec.compress(events)
        async with self._database.transaction() as tx:
            ended = await tx.generations.end(
                generation,
                status=ending.status,
                last_seq=len(events),
                failure_code=ending.failure.code if ending.failure else None,
                log=packed,
            )
            if ended:
                await tx.messages.finish(
                    generation.message_id,
                    content=codec.answer_text(events),
                    status=ending.status,
                    bill=ending.bill,
                    failure=ending.failure,
                )
            found = None if ended else await tx.generations.get(generation.id)
            await tx.usage.book(generation, ending.attempts)  # what was used is owed, whoever ended the run
        if ended:
            return _Saved.YES
        if found is None:
            return _Saved.DELETED
        # A commit whose answer was lost has ended it already, just so.
        ours = (found.status, found.last_seq) == (ending.status, len(events))
        return _Saved.YES if ours else _Saved.TAKEN_OVER


def _last_events(generation: Generation, log: EventLog, ending: Ending) -> Sequence[LogEvent]:
    payloads: list[tuple[Kind, dict[str, object]]] = []
    if ending.bill is not None:
        payloads.append((Kind.USAGE, _bill_fields(ending.bill)))
    if ending.failure is not None:
        failure = ending.failure
        fields: dict[str, object] = {
            "code": failure.code.value,
            "detail": failure.detail,
            "retryable": failure.retryable,
        }
        payloads.append((Kind.FAILURE, fields))
    done: dict[str, object] = {"done": True, "status": ending.status.value, "message_id": generation.message_id}
    payloads.append((Kind.DONE, done))
    first = log.last_seq + 1
    return [LogEvent(seq, kind, _encode(fields)) for seq, (kind, fields) in enumerate(payloads, first)]


def _bill_fields(bill: Bill) -> dict[str, object]:
    cost = None if bill.cost is None else format(bill.cost.normalize(), "f")
    return {"input_tokens": bill.input_tokens, "output_tokens": bill.output_tokens, "cost": cost}


def _publish(log: EventLog, events: Sequence[LogEvent]) -> None:
    log.extend(events)
    log.end()


def start_payload(generation: Generation) -> bytes:
    """The first event of every log: made of the row alone, so that it can be made again after a crash."""
    return _encode(
        {
            "conversation_id": generation.conversation_id,
            "message_id": generation.message_id,
            "generation_id": generation.id,
            "model": generation.model,
        }
    )


def _encode(fields: Mapping[str, object]) -> bytes:
    # ASCII, with the spaces that people know from examples; there are a few of these a generation.
    return json.dumps(fields).encode()
