"""All that the invariants are judged by: the history of a run, and what the API and the database say after it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from tests.chaos.history import Connection, Footprint, History, Post, VendorCall
from tests.chaos.plans import Plan

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """As `GET /conversations/{id}/messages` tells it; `place` counts the messages of a conversation by creation."""

    id: str
    user: int
    conversation_id: str
    place: int
    role: str
    content: str
    status: str
    parent_id: str | None
    generation_id: str | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class StoredGeneration:
    """As its row tells it; times are of `time.monotonic()`, by the instances' clocks."""

    id: str
    user: int
    conversation_id: str
    message_id: str
    status: str
    failure_code: str | None
    last_seq: int
    began: float
    ended: float | None


@dataclass(frozen=True, slots=True)
class Booked:
    """A row of the ledger of usage, for an answer."""

    generation_id: str
    user: int
    attempt: int
    input_tokens: int
    output_tokens: int
    estimated: bool
    outcome: str


@dataclass(frozen=True, slots=True)
class Total:
    """What `GET /users/me/usage` tells one user."""

    requests: int
    input_tokens: int
    output_tokens: int
    estimated: int


@dataclass(frozen=True, slots=True)
class Violation:
    """One invariant that does not hold; number 0 is what no fault explains. The ids say what the history is to show."""

    invariant: int
    sentence: str
    generation_id: str | None = None
    nonce: str | None = None
    user: int | None = None
    at: float | None = None


@dataclass(eq=False)
class Evidence:
    """`finals` are readings of whole logs after the run, by generation."""

    history: History
    messages: Mapping[str, StoredMessage]
    generations: Mapping[str, StoredGeneration]
    booked: Sequence[Booked]
    totals: Mapping[int, Total]
    finals: Mapping[str, Connection]
    footprints: Sequence[Footprint] = field(default_factory=tuple)

    @cached_property
    def questions(self) -> Mapping[str, Sequence[StoredMessage]]:
        """The stored users' messages by the nonce that they hold."""
        found: dict[str, list[StoredMessage]] = defaultdict(list)
        for message in self.messages.values():
            plan = Plan.of(message.content) if message.role == "user" else None
            if plan is not None:
                found[plan.nonce].append(message)
        return found

    @cached_property
    def posts(self) -> Mapping[str, Sequence[Post]]:
        """By nonce: one that says it, and any that have it answered once more."""
        return _by(self.history.posts, lambda post: post.nonce)

    @cached_property
    def connections(self) -> Mapping[str, Sequence[Connection]]:
        """Of the clients, by generation, in the order in which they were opened; those without one are left out."""
        found = _by(self.history.connections, lambda each: each.generation_id or "")
        return {name: sorted(each, key=lambda one: one.opened) for name, each in found.items() if name}

    @cached_property
    def answers(self) -> Mapping[str, Sequence[StoredGeneration]]:
        """The generations that answer a question, by the id of its message, in the order in which they began."""
        found: dict[str, list[StoredGeneration]] = defaultdict(list)
        for generation in self.generations.values():
            message = self.messages.get(generation.message_id)
            if message is not None and message.parent_id is not None:
                found[message.parent_id].append(generation)
        return {name: sorted(each, key=lambda one: one.began) for name, each in found.items()}

    @cached_property
    def calls(self) -> Mapping[str, Sequence[VendorCall]]:
        """The vendor's calls by generation, in order: each belongs to the newest that its question had at that time."""
        found: dict[str, list[VendorCall]] = defaultdict(list)
        for call in self.history.calls:
            generation = self._answered_by(call)
            if generation is not None:
                found[generation.id].append(call)
        return found

    @cached_property
    def unclaimed(self) -> Sequence[VendorCall]:
        """Calls for which no generation is stored."""
        return [call for call in self.history.calls if self._answered_by(call) is None]

    def plan(self, generation: StoredGeneration) -> Plan | None:
        """What its question asks for."""
        message = self.messages.get(generation.message_id)
        question = self.messages.get(message.parent_id or "") if message is not None else None
        return Plan.of(question.content) if question is not None else None

    def _answered_by(self, call: VendorCall) -> StoredGeneration | None:
        """A call without any generation before it, by a hair of the clocks, is the first one's."""
        all_answers = sorted(
            (one for question in self.questions.get(call.nonce, ()) for one in self.answers.get(question.id, ())),
            key=lambda one: one.began,
        )
        before = [each for each in all_answers if each.began <= call.began]
        return before[-1] if before else next(iter(all_answers), None)


def _by(things: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = defaultdict(list)
    for each in things:
        found[key(each)].append(each)
    return found
