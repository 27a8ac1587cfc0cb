"""Saves what the logs of all live runs gained, in a few statements a tick."""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from app.core.errors import DatabaseUnavailable
from app.core.metrics import Metrics
from app.database import Database, Transaction
from app.generation import codec
from app.generation.run import Interrupt, Run
from app.repositories.generations import Checkpoint

logger = logging.getLogger(__name__)

_DEAR_TICK = 0.2
_SLOWEST = 5.0
_AT_ONCE = 250
"""Runs that are saved in one transaction. One of 5,000 kept the event loop, and all streams, for half a second."""


class Checkpointer:
    """One task a process. A tick also learns which runs this instance has lost, and which somebody asked to stop."""

    def __init__(self, database: Database, seconds: float, metrics: Metrics) -> None:
        self._database = database
        self._metrics = metrics
        self._seconds = seconds
        self._runs: dict[str, Run] = {}
        self._ticking = asyncio.Lock()
        self._unsure = False

    def join(self, run: Run) -> None:
        self._runs[run.generation.id] = run

    async def leave(self, generation_id: str) -> None:
        """From when this returns no checkpoint of this generation is written any more."""
        self.forget(generation_id)
        async with self._ticking:
            return

    def forget(self, generation_id: str) -> None:
        """The next tick passes this generation over; one under way may still write it."""
        self._runs.pop(generation_id, None)

    async def run_forever(self) -> None:
        loop = asyncio.get_running_loop()
        pause, waits = self._seconds, False
        while True:
            await asyncio.sleep(pause)
            began = loop.time()
            try:
                await self.tick()
            except DatabaseUnavailable:
                if not waits:
                    logger.warning("checkpoint waits for the database")
                waits, pause = True, self._seconds
                continue
            waits = False
            cost = loop.time() - began
            pause = min(_SLOWEST, max(self._seconds, cost * 5)) if cost > _DEAR_TICK else self._seconds

    async def tick(self) -> None:
        """Save all that is new. Raises DatabaseUnavailable; what was not saved is part of the next tick."""
        async with self._ticking:
            runs = list(self._runs.values())
            if not runs:
                return
            unsure, self._unsure = self._unsure, True
            with self._metrics.checkpoint.time():
                for owner_id, theirs in _by_owner(runs).items():
                    for first in range(0, len(theirs), _AT_ONCE):
                        await self._save_some(owner_id, theirs[first : first + _AT_ONCE], unsure)
            self._unsure = False

    async def _save_some(self, owner_id: str, runs: Sequence[Run], unsure: bool) -> None:
        async with self._database.transaction(durable=False) as tx:
            saved = await self._save(tx, owner_id, runs, unsure)
        for run, seq in saved:
            run.saved_seq = seq

    async def _save(self, tx: Transaction, owner_id: str, runs: Sequence[Run], unsure: bool) -> list[tuple[Run, int]]:
        held = await tx.instances.hold(owner_id)
        owned = await tx.generations.owned([run.generation.id for run in runs], owner_id) if held else {}
        saved, rows = [], []
        for run in runs:
            generation_id = run.generation.id
            if generation_id not in owned:
                run.interrupt(Interrupt.LOST)
                continue
            if owned[generation_id]:
                run.interrupt(Interrupt.STOP)
            if unsure:
                tx.generations.drop_checkpoints(generation_id, from_seq=run.saved_seq + 1)
            if events := run.log.written(run.saved_seq):
                rows.append(Checkpoint(generation_id, events[0].seq, codec.pack(events)))
                saved.append((run, events[-1].seq))
        if rows:
            tx.generations.add_checkpoints(rows)
        return saved


def _by_owner(runs: Sequence[Run]) -> Mapping[str, Sequence[Run]]:
    owners = {run.generation.owner_id for run in runs}
    return {owner_id: [run for run in runs if run.generation.owner_id == owner_id] for owner_id in owners}
