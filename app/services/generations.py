"""Following and stopping generations, whoever started them and wherever they run; each is its owner's alone."""

import asyncio

from app.core.errors import Draining, Gone, InvalidEventId, NotFound, Unavailable
from app.database import Database
from app.domain.chat import Generation, Status
from app.domain.failures import FailureCode
from app.domain.identity import Principal
from app.generation.engine import Engine
from app.generation.log import EventLog
from app.generation.mirror import Mirrors
from app.services.tickets import check_ticket
from app.stores.signals import Signal, Signals

_FAILURE_AND_DONE = 2
_CATCH_UP = 25.0
"""Seconds in which a mirror reaches what a reader saw, or the sweep has ended what a dead instance left."""


class GenerationService:
    def __init__(self, database: Database, engine: Engine, mirrors: Mirrors, signals: Signals) -> None:
        self._database = database
        self._engine = engine
        self._mirrors = mirrors
        self._signals = signals

    async def open(self, user_id: str, generation_id: str) -> tuple[Generation, EventLog]:
        """A generation of this user and its log, live or whole. Raises NotFound or Gone."""
        generation = await self._own(user_id, generation_id)
        log = self._engine.log(generation_id)
        if log is None and generation.status is Status.STREAMING:
            log = await self._mirrors.live(generation)
        if log is None:
            log = await self._mirrors.ended(generation)
        if log is None:
            raise Gone
        return generation, log

    async def resume(
        self, principal: Principal, generation_id: str, after: int
    ) -> tuple[Generation, EventLog, int] | None:
        """The log, and the number to go on from; None when it has ended and all of it was read.

        A fresh ticket is spent on this generation by that. Raises Unauthenticated (a ticket for another), NotFound,
        Gone, or InvalidEventId for a number that nobody can have seen. Numbers that a crash took back are not invalid:
        their reader gets the failure and the ending.
        """
        check_ticket(principal, generation_id)
        found = await self._resume(principal.user.id, generation_id, after)
        if principal.ticket is not None and principal.ticket_for is None:
            async with self._database.transaction() as tx:
                tx.tickets.bind(principal.ticket, generation_id)
        return found

    async def stop(self, user_id: str, generation_id: str) -> Status:
        """Stop a run, upstream too; answers the status after a moment's wait. Harmless when it has ended."""
        generation = await self._own(user_id, generation_id)
        if generation.status is not Status.STREAMING:
            return generation.status
        await self._stop(generation_id)
        return (await self._own(user_id, generation_id)).status

    async def stop_all_of(self, user_id: str) -> None:
        """Stop every run of a user, before the account goes."""
        await self._engine.stop_all_of(user_id)
        async with self._database.snapshot() as tx:
            live = await tx.generations.live_of(user_id)
        for generation_id in live:
            await self._stop(generation_id)

    async def stop_in(self, conversation_id: str) -> None:
        """Stop the run that lives in a conversation, before the conversation goes."""
        async with self._database.snapshot() as tx:
            generation_id = await tx.generations.live_in(conversation_id)
        if generation_id is not None:
            await self._stop(generation_id)

    async def _resume(self, user_id: str, generation_id: str, after: int) -> tuple[Generation, EventLog, int] | None:
        generation, log = await self.open(user_id, generation_id)
        elsewhere = self._engine.log(generation_id) is None
        if not log.ended and after > log.last_seq and (elsewhere or after <= log.written_seq):
            await self._catch_up(log, after)
        if log.ended and generation.status is Status.STREAMING:
            generation = await self._own(user_id, generation_id)  # it ended in between
        if after == log.last_seq and log.ended:
            return None
        if log.ended and generation.failure_code is FailureCode.INSTANCE_LOST:
            return generation, log, min(after, log.last_seq - _FAILURE_AND_DONE)
        if after > log.last_seq:
            raise InvalidEventId
        return generation, log, after

    async def _catch_up(self, log: EventLog, after: int) -> None:
        """This instance lags behind what the reader saw on another; going on from here would say things twice."""
        try:
            async with asyncio.timeout(_CATCH_UP):
                await log.wait_for(after)
        except TimeoutError as error:
            raise Unavailable("What you have read is not here yet.", retry_after=2) from error
        if log.parted and not log.ended and log.last_seq < after:
            raise Draining(retry_after=1)

    async def _stop(self, generation_id: str) -> None:
        if not await self._engine.stop(generation_id):
            async with self._database.transaction() as tx:
                await tx.generations.request_stop(generation_id)
            await self._signals.send(Signal.STOP, generation_id)

    async def _own(self, user_id: str, generation_id: str) -> Generation:
        async with self._database.snapshot() as tx:
            generation = await tx.generations.get(generation_id)
        if generation is None or generation.user_id != user_id:
            raise NotFound("There is no such generation.")
        return generation
