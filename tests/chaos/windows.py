"""When faults excuse what would otherwise be a violation: what may be lost, and for how long the clock stands still."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from tests.chaos.evidence import Evidence, StoredGeneration
from tests.chaos.history import FRONT, POSTGRESQL, REDIS, WORLD, Fault, FaultKind
from tests.chaos.world import DRAIN

HEALS = 3.0
"""Seconds after Redis answers again, or was emptied, until every owner has written its logs anew."""
LEASE = 15.0
"""Seconds for which a lease is good: an instance that is away for longer is judged dead."""
RENEWED = 5.0
"""Seconds between renewals: so a freeze of `LEASE - RENEWED` may be long enough to lose it."""
CHECKPOINT = 1.0
"""Seconds of text that may not be saved yet."""
LATE_CHECKPOINT = 5.0
"""The same while the database is slow, away, or has just come back."""
SLOW = 0.4
"""Seconds for a transaction by which the database, or the machine, counts as slow: twice what stretches the ticks."""
SLACK = 0.5
"""Seconds that a client on a busy machine may see an event after it was written, and a tick may come late."""
RECOVERY = 4.0
"""Seconds after PostgreSQL or an instance is there again in which all that waited for it goes on."""
SAVES = DRAIN + 5.0
"""Seconds from SIGTERM in which endings are saved: the drain, and its grace."""
GOING = SAVES + 2.0
"""Seconds from SIGTERM until nothing that ran there runs any more: the drain, and what it takes to say so."""
IN_TIME = 20.0
"""Seconds after which what has ended must be told, while somebody is there to tell it."""
_STEP = 0.1
_LONGEST = 600.0
_OUTAGE = {FaultKind.KILL, FaultKind.FREEZE, FaultKind.SLOW, FaultKind.TERM}


@dataclass(frozen=True, slots=True)
class Loss:
    """What a client saw of a generation from `since` on may be lost, for its owner went at `moment`."""

    moment: float
    since: float


class Windows:
    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._faults = evidence.history.faults

    @cached_property
    def instances(self) -> Sequence[str]:
        """Their names, as far as any of them called the vendor or was hit."""
        hit = {fault.target for fault in self._faults} - {REDIS, POSTGRESQL, FRONT, WORLD}
        return sorted(hit | {call.instance for call in self._evidence.history.calls if call.instance})

    def owners(self, generation: StoredGeneration) -> Sequence[str]:
        """The instances that may have written it: the one that called the vendor; any, if none did."""
        called = {call.instance for call in self._evidence.calls.get(generation.id, ()) if call.instance}
        return sorted(called) or self.instances

    def hits(self, target: str, began: float, ended: float, *kinds: FaultKind, after: float = 0.0) -> Iterator[Fault]:
        """The faults of a target that touch a time, or ended at most `after` seconds before it."""
        for fault in self._faults:
            if fault.target == target and fault.kind in kinds and fault.overlaps(began - after, ended):
                yield fault

    def departures(self, generation: StoredGeneration, *, freeze: float = LEASE - RENEWED) -> Sequence[Fault]:
        """The faults by which its owner was killed in its time, or frozen for so long that its lease may have ended."""
        end = self.end(generation)
        return [
            fault
            for owner in self.owners(generation)
            for fault in self.hits(owner, generation.began, end, FaultKind.KILL, FaultKind.FREEZE)
            if fault.kind is FaultKind.KILL or self.duration(fault) >= freeze
            if fault.began <= end and (fault.kind is FaultKind.FREEZE or fault.began >= generation.began - SLACK)
        ]

    def loss(self, generation: StoredGeneration) -> Loss | None:
        """What of a generation may be lost: nothing, unless its owner went while Redis was away, or had lost its log.

        It is the same where the log was lost between that and the takeover, and of an owner that had to go while no
        ending could be saved. What is lost begins at the last checkpoint.
        """
        if generation.failure_code != "instance_lost":
            return None
        moments = [*(fault.began for fault in self.departures(generation)), *self._unsaved(generation)]
        end = self.end(generation)
        lost = (
            moment for moment in moments if any(self.hits(REDIS, moment, end, *_OUTAGE, FaultKind.FLUSH, after=HEALS))
        )
        losses = [Loss(moment, self._last_checkpoint(moment)) for moment in lost]
        # Which of them it was is not known; the first that can have been.
        return min(losses, key=lambda loss: loss.since, default=None)

    def _unsaved(self, generation: StoredGeneration) -> Sequence[float]:
        """When PostgreSQL went, of an owner that was told to go and went before it was back."""
        return [
            outage.began
            for owner in self.owners(generation)
            for fault in self.hits(owner, generation.began, self.end(generation), FaultKind.TERM)
            if fault.began >= generation.began - SLACK
            for outage in self.hits(POSTGRESQL, fault.began, fault.began + GOING, *_OUTAGE)
            if outage.ended is None or fault.ended is None or self._gone(owner, fault) <= outage.ended + RECOVERY
        ]

    def _gone(self, owner: str, told: Fault) -> float:
        """When an owner that was told to go saved nothing any more: at the latest when its time for that was over, or
        when no call of its was open any more."""
        ends = [
            call.ended
            for call in self._evidence.history.calls
            if call.instance == owner and call.began <= told.began + SLACK  # later ones are of the process that follows
            if call.ended is not None and told.began <= call.ended <= told.began + GOING
        ]
        return min(max(ends, default=told.began), told.began + SAVES)

    def end(self, generation: StoredGeneration) -> float:
        return generation.ended if generation.ended is not None else self._over

    def duration(self, fault: Fault) -> float:
        return (fault.ended if fault.ended is not None else self._over) - fault.began

    def waited(self, began: float, ended: float) -> float:
        """Of a time the seconds in which PostgreSQL was there: nothing can be written without it."""
        return self._counted(began, ended, lambda moment: True)

    def waited_for_takeover(self, departed: float, ended: float) -> float:
        """The same since an owner went; behind its lease only those in which another had a steady one.

        After an outage, and from its own start on, an instance judges nobody before it has held its lease for a term.
        """
        return self._counted(departed, ended, lambda moment: moment < departed + LEASE or self._anybody_steady(moment))

    def waited_for(self, owners: Sequence[str], began: float, ended: float) -> float:
        """The same while the owner could write."""
        return self._counted(began, ended, lambda moment: any(self._up(each, moment) for each in owners))

    def database_away(self, began: float, ended: float) -> bool:
        """Whether PostgreSQL was away, or had just come back."""
        return any(True for _ in self.hits(POSTGRESQL, began, ended, *_OUTAGE, after=RECOVERY))

    def _last_checkpoint(self, moment: float) -> float:
        """When the last one was made at the latest, before an owner went."""
        trouble = [
            fault.began for fault in self.hits(POSTGRESQL, moment - LATE_CHECKPOINT, moment, *_OUTAGE, after=RECOVERY)
        ]
        if trouble:
            return min(*trouble, moment) - LATE_CHECKPOINT - SLACK
        slow = any(began < moment and ended > moment - LATE_CHECKPOINT for began, ended in self._slow)
        return moment - (LATE_CHECKPOINT if slow else CHECKPOINT) - SLACK

    def _counted(self, began: float, ended: float, counts: Callable[[float], bool]) -> float:
        steps = int((min(ended, began + _LONGEST) - began) / _STEP) + 1
        moments = (began + step * _STEP for step in range(steps))
        return sum(_STEP for moment in moments if not self._away(POSTGRESQL, moment) and counts(moment))

    def _up(self, instance: str, moment: float) -> bool:
        return not self._away(instance, moment)

    def _away(self, target: str, moment: float) -> bool:
        return any(
            fault.target == target and fault.kind in _OUTAGE and fault.lasts_at(moment, after=RECOVERY)
            for fault in self._faults
        )

    def _anybody_steady(self, moment: float) -> bool:
        return any(self._steady(instance, moment) for instance in self.instances)

    def _steady(self, instance: str, moment: float) -> bool:
        return not any(
            fault.target in (instance, POSTGRESQL) and fault.kind in _OUTAGE and fault.lasts_at(moment, after=LEASE)
            for fault in self._faults
        )

    @cached_property
    def _slow(self) -> Sequence[tuple[float, float]]:
        """When somebody waited so long for an acknowledgement, which is one transaction, that ticks are stretched."""
        opened = {each.number: each.opened for each in self._evidence.history.connections}
        tries = (each for post in self._evidence.history.posts for each in post.tries)
        waits = ((each.sent, opened[each.connection]) for each in tries if each.connection in opened)
        return [(sent, head) for sent, head in waits if head - sent >= SLOW]

    @cached_property
    def _over(self) -> float:
        """When the run was over; later than everything else."""
        return self._evidence.history.quiet or float("inf")
