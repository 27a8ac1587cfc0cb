"""What the clients of one user know together: their conversations, and the answers that they have seen begin."""

import random
from collections import deque
from dataclasses import dataclass, field

from tests.chaos.account import Account

_TURNS = 10
"""Of a conversation; so that all of it fits into every prompt."""
_REMEMBERED = 200


@dataclass(slots=True, eq=False)
class Talk:
    conversation_id: str
    turns: int = 0
    busy: int = 0
    """How many of us wait for an answer in it."""


@dataclass(slots=True, eq=False)
class Heard:
    """An answer that somebody in the house has seen begin. `last_seq` is the highest number that anybody has."""

    generation_id: str
    last_seq: int = 0
    ended: bool = False


@dataclass(slots=True)
class Household:
    account: Account
    talks: dict[str, Talk] = field(default_factory=dict)
    heard: deque[Heard] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    serial: int = 0

    def next_serial(self) -> int:
        self.serial += 1
        return self.serial

    def talk(self, conversation_id: str) -> Talk:
        return self.talks.setdefault(conversation_id, Talk(conversation_id))

    def idle_talk(self, rng: random.Random) -> Talk | None:
        """A conversation to go on with; those that have gone on for long are left alone."""
        free = [each for each in self.talks.values() if not each.busy and each.turns < _TURNS]
        return rng.choice(free[-8:]) if free else None

    def busy_talk(self, rng: random.Random) -> Talk | None:
        busy = [each for each in self.talks.values() if each.busy and each.turns < _TURNS]
        return rng.choice(busy) if busy else None

    def old_answer(self, rng: random.Random) -> Heard | None:
        ended = [each for each in self.heard if each.ended]
        return rng.choice(ended) if ended else None
