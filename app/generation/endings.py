"""Ends a generation once: the ending is saved, then said."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import islice

from app.core.errors import DatabaseUnavailable
from app.core.metrics import Metrics
from app.database import Database, Transaction
from app.domain.chat import Bill, Failure, Generation, Status
from app.domain.events import Finish, Kind, LogEvent, Usage
from app.domain.failures import FailureCode
from app.domain.paths import Path
from app.domain.prompts import Reasoning
from app.domain.tokens import estimate
from app.domain.usage import Attempt
from app.generation import codec
from app.generation.following import end_as_stored, read_whole
from app.generation.indexing import entries_aside
from app.generation.log import EventLog
from app.generation.payloads import last_events, start_payload
from app.repositories.generations import NotRunning
from app.stores.breaker import Away
from app.stores.streams import Batch, Streams

logger = logging.getLogger(__name__)

PATIENCE = 60.0
"""Seconds that readers wait for a database that is away before they are told that the ending could not be saved."""
_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
_FIRST_EVENTS = 3
"""Among which sources are told, if they are."""
_SEIZING_TRIES = 20
"""After which a stream is left alone that cannot be taken over although Redis is there."""
_READ_AGAIN = 4_000_000
"""Characters of a prompt, at most, that are read to estimate what a lost answer used."""
_UNSAVED = Failure(FailureCode.INTERNAL, "The end of this answer could not be saved in time.", retryable=False)
LOST = Failure(FailureCode.INSTANCE_LOST, "The server went down while it wrote this answer.", retryable=True)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended, what it used, and what its upstream calls are booked with."""

    status: Status
    failure: Failure | None = None
    bill: Bill | None = None
    attempts: Sequence[Attempt] = ()
    reasoning: Sequence[Reasoning] = ()
    finish: Finish | None = None


class _Saved(Enum):
    YES = auto()
    TAKEN_OVER = auto()
    DELETED = auto()


class Endings:
    def __init__(
        self, database: Database, metrics: Metrics, streams: Streams | None = None, patience: float = PATIENCE
    ) -> None:
        self._database = database
        self._metrics = metrics
        self._streams = streams
        self._patience = patience

    async def conclude(self, generation: Generation, log: EventLog, ending: Ending) -> bool:
        """Save `ending` and publish it as the log's last events; answers whether it is what was saved.

        A database that is away is waited for. When readers have waited long enough they are told that the ending is not
        saved, and saving goes on with just that ending, until the process goes.
        """
        events = _last_events(generation, log.written_seq, ending)
        saved = await self._save_patiently(generation, [*log.written(), *events], ending, patience=self._patience)
        if saved is None:
            unsaved = replace(ending, status=Status.FAILED, failure=_UNSAVED)
            # Of a log that others may have taken over nothing more is shown.
            (self._cut_off if log.sealed else self._say)(generation, log, unsaved)
            await self._save_patiently(generation, log.written(), unsaved, patience=None)
            return False
        if saved is _Saved.TAKEN_OVER:
            end_as_stored(log, generation, await self._stored(generation))  # counted by who ended it
        elif saved is _Saved.DELETED:
            self._say(generation, log, Ending(Status.STOPPED, attempts=ending.attempts))
        else:
            self._say(generation, log, ending)
        return saved is _Saved.YES

    def give_up(self, generation: Generation, log: EventLog, failure: Failure = _UNSAVED) -> None:
        """Tell the readers of a run whose ending cannot be saved; what is in the database is ended as lost, later."""
        self._cut_off(generation, log, Ending(Status.FAILED, failure))

    async def end_lost(self, generation: Generation) -> None:
        """End what a dead instance left, with the text that is left of it and an estimate of what it used."""
        shared = await self._seized(generation)
        async with self._database.snapshot() as tx:
            batches = await tx.generations.checkpoints(generation.id)
            path = await tx.paths.find(generation.conversation_id, generation.message_id)
            prompt = await _prompt(tx, generation.conversation_id, path) if path is not None else ()
        # One is the beginning of the other, whichever is behind.
        events = max(shared, codec.unpack(batches), key=len) or [LogEvent(1, Kind.START, start_payload(generation))]
        provider, _, model = generation.model.partition("/")
        usage = Usage(sum(map(estimate, prompt)), estimate(codec.answer_text(events)))
        attempt = Attempt(1, provider, model, usage, estimated=True, cost=None, outcome=LOST.code.value)
        thought = codec.reasoning_text(events)
        ending = Ending(Status.FAILED, LOST, attempts=[attempt], reasoning=[Reasoning(thought)] if thought else ())
        events = [*events, *_last_events(generation, len(events), ending)]
        if await self._save(generation, events, ending, estimated=True) is _Saved.YES:
            self._count(generation, ending)
            await self._tell_others(generation, events[len(shared) :], len(events))

    async def _seized(self, generation: Generation) -> list[LogEvent]:
        """What its owner has shared, which may be more than it has checkpointed; from now on it shares no more.

        Nothing while that is away: the end is not to wait for it.
        """
        if self._streams is None:
            return []
        for _ in range(_SEIZING_TRIES):
            try:
                await self._streams.seize(generation.id, generation.fence + 1)
                return await read_whole(self._streams, generation.id)
            except Away:
                # A call that failed may be but one; when it is really away that is known within a second or two.
                if self._streams.away:
                    break
                await asyncio.sleep(_PAUSES[0])
        return []

    async def _tell_others(self, generation: Generation, events: Sequence[LogEvent], last_seq: int) -> None:
        """They would find it in the database, too, but a moment later."""
        if self._streams is None:
            return
        last = Batch(
            generation.id, generation.fence + 1, after=0, last_seq=last_seq, events=codec.pack(events), ending=True
        )
        with suppress(Away):
            await self._streams.append([last])

    async def _stored(self, generation: Generation) -> Sequence[LogEvent]:
        """What another has stored as its log, for which readers wait just as for an ending."""
        loop = asyncio.get_running_loop()
        latest = loop.time() + self._patience
        while True:
            try:
                async with self._database.snapshot() as tx:
                    packed = await tx.generations.log(generation.id)
            except DatabaseUnavailable:
                if loop.time() >= latest:
                    return ()
                await asyncio.sleep(_PAUSES[2])
            else:
                return await codec.decompress_aside(packed) if packed is not None else ()

    def _say(self, generation: Generation, log: EventLog, ending: Ending) -> None:
        """Publish an ending behind all that was written, and count it, once."""
        if not log.ended:
            log.extend(_last_events(generation, log.written_seq, ending))
            log.end()
            self._count(generation, ending)

    def _cut_off(self, generation: Generation, log: EventLog, ending: Ending) -> None:
        """Publish an ending behind what readers have seen, and count it, once."""
        if not log.ended:
            log.end_as([*log.after(0), *_last_events(generation, log.last_seq, ending)])
            self._count(generation, ending)

    def _count(self, generation: Generation, ending: Ending) -> None:
        provider = generation.model.partition("/")[0]
        self._metrics.ended(provider, ending.status.value, ending.failure.code.value if ending.failure else None)
        for attempt in ending.attempts:
            used = attempt.usage
            self._metrics.attempt(
                attempt.provider, attempt.outcome, input_tokens=used.input_tokens, output_tokens=used.output_tokens
            )

    async def _save_patiently(
        self, generation: Generation, events: Sequence[LogEvent], ending: Ending, *, patience: float | None
    ) -> _Saved | None:
        """How saving went; None when patience ran out. Without patience the ending replaces one that we saved before.

        A try is not cut short by patience: what is under way may be committed.
        """
        loop = asyncio.get_running_loop()
        began, tries = loop.time(), 0
        while patience is None or loop.time() - began < patience:
            try:
                return await self._save(generation, events, ending, revised=patience is None)
            except DatabaseUnavailable:
                if tries == 0:
                    logger.warning("ending waits for the database", extra={"generation_id": generation.id})
                await asyncio.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
                tries += 1
        return None

    async def _save(
        self,
        generation: Generation,
        events: Sequence[LogEvent],
        ending: Ending,
        *,
        revised: bool = False,
        estimated: bool = False,
    ) -> _Saved:
        packed, content = await codec.compress_aside(events)
        found_by = await entries_aside(generation.user_id, content)
        failure_code = ending.failure.code if ending.failure else None
        try:
            async with self._database.transaction() as tx:
                # First: it waits for one who deletes the conversation, and may hold nothing then that is to go with it.
                if not found_by:
                    await tx.conversations.hold(generation.conversation_id)
                add = tx.search.replace if revised else tx.search.add
                add(generation.conversation_id, {generation.message_id: found_by}, conflict=NotRunning)
                tx.generations.end(
                    generation,
                    status=ending.status,
                    last_seq=len(events),
                    failure_code=failure_code,
                    log=packed,
                    revised=revised,
                )
                tx.messages.finish(
                    generation.message_id,
                    content=content,
                    status=ending.status,
                    bill=ending.bill,
                    failure=ending.failure,
                    reasoning=ending.reasoning,
                    sources=codec.sources(islice(events, _FIRST_EVENTS)),
                )
                tx.usage.book(generation, ending.attempts, again=revised)
        except NotRunning:
            found = await self._book_late(generation, () if estimated else ending.attempts)
        else:
            return _Saved.YES
        if found is None:
            return _Saved.DELETED
        # A commit whose answer was lost has ended it already, just so. But that it was lost is what others say of it.
        if failure_code is FailureCode.INSTANCE_LOST:
            return _Saved.TAKEN_OVER
        ours = (found.status, found.failure_code, found.last_seq) == (ending.status, failure_code, len(events))
        return _Saved.YES if ours else _Saved.TAKEN_OVER

    async def _book_late(self, generation: Generation, attempts: Sequence[Attempt]) -> Generation | None:
        """The generation as it was ended by another, or by us before; None when it is deleted.

        What was used is owed, whoever ended the run; but of a user who is gone nothing is kept.
        """
        async with self._database.transaction() as tx:
            # Held, for the ledger refers to nobody by key: one who goes at this moment would leave it behind.
            there = await tx.users.hold(generation.user_id)
            found = await tx.generations.get(generation.id)
            if attempts and there:
                tx.usage.book(generation, attempts, again=True)
        return found


async def _prompt(tx: Transaction, conversation_id: str, path: Path) -> Sequence[str]:
    """About what a run was given that was to answer at the end of a path: all since the last cut through it."""
    cuts = await tx.compactions.newest(conversation_id, path)
    position, summary = (cuts[-1].position, cuts[-1].summary or "") if cuts else (0, "")
    history = await tx.paths.history(path, characters=_READ_AGAIN, after=position)
    return [summary, *(each.content for each in history)]


def _last_events(generation: Generation, seq: int, ending: Ending) -> Sequence[LogEvent]:
    return last_events(generation, seq, ending.status, failure=ending.failure, bill=ending.bill, finish=ending.finish)
