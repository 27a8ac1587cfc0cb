"""A small run that never was, all in order: what the checker's own tests spoil."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.chaos.evidence import Booked, Evidence, StoredGeneration, StoredMessage, Total
from tests.chaos.history import (
    Connection,
    Ending,
    EventKind,
    Fault,
    FaultKind,
    Footprint,
    History,
    Post,
    Route,
    Seen,
    Trace,
    Try,
    VendorCall,
    VendorEnd,
    digest,
)
from tests.chaos.nonces import nonce_of
from tests.chaos.plans import Plan

PACE = 0.5
"""Seconds between two events."""
OVER = 500.0


@dataclass(slots=True)
class Turn:
    """What one turn left in the run; its stored parts are in `MadeUp` by these ids."""

    plan: Plan
    question_id: str
    answer_id: str
    generation_id: str
    post: Post
    connection: Connection
    final: Connection
    call: VendorCall


@dataclass(slots=True)
class MadeUp:
    """`turn` adds one that went well, or as it is told; each is a dozen seconds after the one before."""

    history: History = field(default_factory=lambda: History(seed=0, began=0.0, wall=0.0, quiet=OVER))
    messages: dict[str, StoredMessage] = field(default_factory=dict)
    generations: dict[str, StoredGeneration] = field(default_factory=dict)
    booked: list[Booked] = field(default_factory=list)
    totals: dict[int, Total] = field(default_factory=dict)
    finals: dict[str, Connection] = field(default_factory=dict)
    footprints: list[Footprint] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)

    @property
    def evidence(self) -> Evidence:
        """As the checker gets it; what users are told adds up, unless `totals` says something else."""
        return Evidence(
            self.history,
            self.messages,
            self.generations,
            self.booked,
            {**self._totals(), **self.totals},
            self.finals,
            self.footprints,
        )

    def turn(
        self,
        *,
        user: int = 1,
        conversation_id: str = "talk-1",
        chunks: int = 6,
        seen: int | None = None,
        stored: int | None = None,
        failure: str | None = None,
        finished: bool = True,
        lasts: float = 5.0,
        instance: str = "a",
    ) -> Turn:
        """One turn of `chunks`, of which a client saw `seen` and `stored` are kept; `failure` is how it ended."""
        number = len(self.turns) + 1
        at = 12.0 * number
        plan = Plan(nonce_of(user, number), chunks=chunks)
        kept = chunks if stored is None else stored
        text = plan.text(1, kept)
        parent = next((each.answer_id for each in reversed(self.turns) if self._in(each, conversation_id)), None)
        question = f"Tell me. {plan}"
        ids = f"question-{number}", f"answer-{number}", f"generation-{number}"
        place = 2 * number
        self.messages[ids[0]] = StoredMessage(
            ids[0], user, conversation_id, place, "user", question, "complete", parent, None
        )
        status = "failed" if failure else "complete"
        self.messages[ids[1]] = StoredMessage(
            ids[1], user, conversation_id, place + 1, "assistant", text, status, ids[0], ids[2], failure
        )
        final = self._stream(ids[2], user, plan, at, kept, failure)
        final.how = Ending.DONE
        self.finals[ids[2]] = final
        self.generations[ids[2]] = StoredGeneration(
            ids[2], user, conversation_id, ids[1], status, failure, final.trace.last_seq, at, at + lasts
        )
        connection = self._stream(ids[2], user, plan, at, chunks if seen is None else seen, failure)
        if seen is not None:
            connection = cut(connection, seen + 1)
        connection.number = connection.reading = number
        self.history.connections.append(connection)
        tried = Try(at, at + 0.1, 200, None, conversation_id, ids[2], ids[1], connection=number)
        post = Post(number, user, 1, Route.STREAM, plan, question, f"key-{number}", conversation_id, tries=[tried])
        self.history.posts.append(post)
        call = self._call(plan, ids[1], at, lasts, instance, finished=finished)
        self.history.calls.append(call)
        tokens = call.usage or (7, 7)
        self.booked.append(
            Booked(ids[2], user, 1, *tokens, estimated=call.usage is None, outcome=failure or "complete")
        )
        turn = Turn(plan, *ids, post, connection, final, call)
        self.turns.append(turn)
        return turn

    def fault(self, kind: FaultKind, target: str, began: float, ended: float) -> None:
        self.history.faults.append(Fault(kind, target, began, ended))

    def _in(self, turn: Turn, conversation_id: str) -> bool:
        return self.messages[turn.answer_id].conversation_id == conversation_id

    def _call(
        self, plan: Plan, answer_id: str, at: float, lasts: float, instance: str, *, finished: bool
    ) -> VendorCall:
        said: list[tuple[str, str]] = []
        message: StoredMessage | None = self.messages[answer_id]
        while message is not None and message.parent_id is not None:
            message = self.messages[message.parent_id]
            said.append((message.role, message.content))
        call = VendorCall(plan.nonce, 1, plan, said[::-1], at + 0.1, None, instance, plan.chunks)
        call.ended, call.how = at + lasts - 0.1, VendorEnd.LEFT
        if finished:
            call.finish_sent = call.usage_sent = call.ended
            call.usage, call.how = (100, 20), VendorEnd.COMPLETE
        return call

    def _stream(
        self, generation_id: str, user: int, plan: Plan, at: float, chunks: int, failure: str | None
    ) -> Connection:
        connection = Connection(0, user, 1, Route.STREAM, at, generation_id=generation_id, status=200)
        texts = [(EventKind.TEXT, plan.text(1, n + 1)[len(plan.text(1, n)) :]) for n in range(chunks)]
        last = (EventKind.FAILURE, str(failure)) if failure else (EventKind.USAGE, "100+20")
        connection.done_status = "failed" if failure else "complete"
        connection.failure_code = failure
        events = [(EventKind.START, generation_id), *texts, last, (EventKind.DONE, connection.done_status)]
        for seq, (kind, data) in enumerate(events, start=1):
            chars = len(data) if kind is EventKind.TEXT else 0
            connection.trace.add(Seen(seq, kind, digest(f"{seq}{data}".encode()), at + PACE * seq, chars))
        connection.text = "".join(text for _, text in texts)
        connection.how, connection.ended = Ending.DONE, at + PACE * len(events)
        return connection

    def _totals(self) -> dict[int, Total]:
        users = {each.user for each in self.messages.values()}
        return {user: _total([row for row in self.booked if row.user == user]) for user in users}


def cut(connection: Connection, upto: int) -> Connection:
    """The same as far as its event of this number, and then broken."""
    events = [each for each in connection.trace if each.seq <= upto]
    chars = sum(each.chars for each in events)
    connection.trace, connection.text = Trace(), connection.text[:chars]
    for each in events:
        connection.trace.add(each)
    connection.how, connection.done_status, connection.failure_code = Ending.CUT, None, None
    return connection


def again(connection: Connection, events: Sequence[Seen]) -> None:
    """Let it have seen these events instead."""
    connection.trace = Trace()
    for each in events:
        connection.trace.add(each)


def _total(rows: Sequence[Booked]) -> Total:
    return Total(
        len(rows),
        sum(row.input_tokens for row in rows),
        sum(row.output_tokens for row in rows),
        sum(row.estimated for row in rows),
    )
