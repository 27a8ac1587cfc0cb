"""What a run of chaos leaves for the checker: what the clients did and saw, the faults, the vendor's ledger.

All times are `time.monotonic()`, which on one machine every process shares. A long run has tens of thousands of turns:
of an event only its number, kind, moment and a digest are kept, of a stream the text beside them.
"""

import hashlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NamedTuple

from tests.chaos.plans import Plan

# --- faults ---


class FaultKind(StrEnum):
    KILL = "kill"
    """SIGKILL, until the target serves again."""
    TERM = "term"
    """SIGTERM or SIGINT, until the target serves again."""
    FREEZE = "freeze"
    """SIGSTOP until SIGCONT."""
    FLUSH = "flush"
    """Redis loses all that it holds: FLUSHALL, or a restart with nothing; a moment."""
    RESETS = "resets"
    """The front resets all its connections, a moment."""
    SLOW = "slow"
    """The target answers late."""
    STALL = "stall"
    """The process of the clients and the vendor did not run: nobody's fault, but time in which they said nothing."""


REDIS = "redis"
POSTGRESQL = "postgresql"
FRONT = "front"
WORLD = "world"
"""Targets beside the instances; those go by their names, as in `VendorCall.instance`."""


@dataclass(slots=True, eq=False)
class Fault:
    """`ended` is None while it lasts. A KILL of Redis that restarts empty is followed by a FLUSH at its `ended`."""

    kind: FaultKind
    target: str
    began: float
    ended: float | None = None

    def lasts_at(self, moment: float, *, after: float = 0.0) -> bool:
        """Whether it lasts at this moment, or ended at most `after` seconds before."""
        return self.began <= moment and (self.ended is None or moment <= self.ended + after)

    def overlaps(self, began: float, ended: float) -> bool:
        return self.began <= ended and (self.ended is None or self.ended >= began)


# --- the vendor's ledger ---


class VendorEnd(StrEnum):
    COMPLETE = "complete"
    """All was sent, to the last event."""
    FAULT = "fault"
    """It ended as the plan's trouble says."""
    LEFT = "left"
    """The app closed or reset the connection first."""


@dataclass(slots=True, eq=False)
class VendorCall:
    """One call of the vendor. The vendor fills it while it answers; `ended` is None until then.

    `prompt` are the messages that it was given, as (role, text), oldest first, the question last and without a system
    prompt, which is `system`. `attempt` counts the calls with this nonce in their question, from 1; `instance` is which
    instance called, if the vendor can tell (by the address that the instance was configured with).
    """

    nonce: str
    attempt: int
    plan: Plan
    prompt: Sequence[tuple[str, str]]
    began: float
    system: str | None = None
    instance: str | None = None
    sent: int = 0
    """Chunks that were written to the connection; their text is `plan.text(attempt, sent)`."""
    finish_sent: float | None = None
    """When the finish marker was written to the connection."""
    usage: tuple[int, int] | None = None
    """Tokens of input and output, once a report of them was written to the connection."""
    usage_sent: float | None = None
    refused: int | None = None
    """The status of a refusal."""
    ended: float | None = None
    how: VendorEnd | None = None


# --- what clients did and saw ---


class EventKind(IntEnum):
    START = 1
    TEXT = 2
    USAGE = 3
    FAILURE = 4
    DONE = 5
    OTHER = 6
    """sources, reasoning, tool_call, tool_result."""


class Seen(NamedTuple):
    """`chars` is the length of a text event's text."""

    seq: int
    kind: EventKind
    digest: int
    at: float
    chars: int = 0


def digest(data: bytes) -> int:
    """64 bits of an event's data."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest())


class Trace:
    """The numbered events of one connection in order of arrival, 23 bytes each."""

    __slots__ = ("_at", "_chars", "_digests", "_kinds", "_seqs")

    def __init__(self) -> None:
        self._seqs = array("I")
        self._kinds = array("B")
        self._digests = array("Q")
        self._at = array("d")
        self._chars = array("H")

    def add(self, seen: Seen) -> None:
        seq, kind, data_digest, at, chars = seen
        self._seqs.append(seq)
        self._kinds.append(kind)
        self._digests.append(data_digest)
        self._at.append(at)
        self._chars.append(chars)

    def __len__(self) -> int:
        return len(self._seqs)

    def __iter__(self) -> Iterator[Seen]:
        columns = (self._seqs, self._kinds, self._digests, self._at, self._chars)
        for seq, kind, each, at, chars in zip(*columns, strict=True):
            yield Seen(seq, EventKind(kind), each, at, chars)

    @property
    def last_seq(self) -> int:
        return self._seqs[-1] if self._seqs else 0


class Route(StrEnum):
    STREAM = "POST /ai/chat/stream"
    GET = "GET /ai/chat/stream"
    JSON = "POST /ai/chat"
    RESUME = "GET /ai/generations/{id}/events"
    REGENERATE = "POST …/regenerate"
    EDIT = "POST …/edit"


class Ending(StrEnum):
    """How a connection ended, as its client saw it."""

    DONE = "done"
    GOODBYE = "goodbye"
    EMPTY = "204"
    REFUSED = "refused"
    """A status other than 200 and 204."""
    CUT = "cut"
    """It broke, or HTTP ended, without `done` or `goodbye`."""
    LEFT = "left"
    """The client dropped it."""
    SILENT = "silent"
    """Nothing came for longer than any server may be silent; the client gave up."""


@dataclass(slots=True, eq=False)
class Connection:
    """One response that was read: a stream, in whatever way it was asked for. `text` are its text events joined."""

    number: int
    user: int
    client: int
    route: Route
    opened: float
    after: int = 0
    """The last number that the client said it had; 0 for all."""
    reading: int = 0
    """Which reading of the generation this belongs to: one client may read it twice, each without gap or repetition."""
    generation_id: str | None = None
    status: int | None = None
    code: str | None = None
    """Of the problem, where the status is one."""
    trace: Trace = field(default_factory=Trace)
    text: str = ""
    done_status: str | None = None
    """`complete`, `stopped` or `failed`, if `done` was seen."""
    failure_code: str | None = None
    conversation_id: str | None = None
    message_id: str | None = None
    ended: float | None = None
    how: Ending | None = None


@dataclass(slots=True, eq=False)
class Try:
    """One sending of a post. It is acknowledged when the head of a stream or the JSON of an answer has come."""

    sent: float
    ended: float | None = None
    status: int | None = None
    """None: no head came."""
    code: str | None = None
    conversation_id: str | None = None
    generation_id: str | None = None
    message_id: str | None = None
    connection: int | None = None
    """The number of the connection, where it is a stream."""
    reply: str | None = None
    reply_status: str | None = None
    """Of `POST /ai/chat`."""
    aborted: bool = False
    """The client left before the head came."""

    @property
    def acknowledged(self) -> bool:
        return self.status == 200 and self.generation_id is not None


@dataclass(slots=True, eq=False)
class Post:
    """A message that a user wanted to say, in one or more tries: more than one only with a `key` (or one ticket), for
    whoever says it again without one says it with another nonce.

    `conversation_id` is the one that it named; None for a new one, `parent_id` likewise. `target_id` is the message
    that is regenerated or edited. A regeneration says nothing new: its `text` is empty, its nonce is of the question.
    """

    number: int
    user: int
    client: int
    route: Route
    plan: Plan
    text: str
    key: str | None
    conversation_id: str | None = None
    parent_id: str | None = None
    target_id: str | None = None
    tries: list[Try] = field(default_factory=list)

    @property
    def nonce(self) -> str:
        return self.plan.nonce

    @property
    def acknowledged(self) -> bool:
        return any(each.acknowledged for each in self.tries)


@dataclass(slots=True, eq=False)
class Stop:
    user: int
    generation_id: str
    sent: float
    ended: float | None = None
    status: int | None = None
    reported: str | None = None


class Glimpse(NamedTuple):
    """What `GET /conversations/{id}/messages` showed of an answer."""

    at: float
    user: int
    message_id: str
    status: str
    text: str


class Oddity(NamedTuple):
    """Something that no client may ever see, whatever is broken: another's nonce, a 500, a malformed block."""

    at: float
    user: int
    what: str
    detail: str
    generation_id: str | None = None
    foreign: bool = False
    """Another user's nonce, invariant 7."""


@dataclass(slots=True)
class History:
    """All that one run recorded. Everybody appends to it in one event loop; the checker reads it afterwards."""

    seed: int
    began: float
    wall: float
    """`time.time()` at `began`: the database tells times by that clock."""
    posts: list[Post] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    glimpses: list[Glimpse] = field(default_factory=list)
    oddities: list[Oddity] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    calls: list[VendorCall] = field(default_factory=list)
    """The vendor's ledger, in the order in which the calls began."""
    quiet: float | None = None
    """When all faults were over and all clients had left."""


# --- what invariant 9 compares ---


@dataclass(frozen=True, slots=True)
class Footprint:
    """What one instance holds at rest. `began` is when this process began to serve: each has a first and a last."""

    instance: str
    began: float
    at: float
    sockets: int
    tasks: int | None
    pool_connections: int | None
    rss_bytes: int
