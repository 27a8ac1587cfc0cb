"""What calls of an embedder used, for the ledger."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import uuid4

from app.domain import tokens
from app.domain.cards import ModelCard
from app.domain.embedding import Bill
from app.domain.events import Usage
from app.domain.usage import Attempt, Purpose

_MOST_TOKENS = 2**31 - 1
"""Of one answer; a server that reports more, or fewer than none, reports nonsense."""


@dataclass(slots=True)
class Tally:
    """Of one call of an embedder: its answered requests, and how often a text had to be shortened."""

    tokens: int = 0
    estimated: bool = False
    shortened: int = 0

    def add(self, texts: Sequence[str | Sequence[int]], reported: int | None) -> None:
        """Of one request; texts may be cut into tokens already."""
        if reported is None or not 0 <= reported <= _MOST_TOKENS:
            reported = sum(tokens.estimate(each) if isinstance(each, str) else len(each) for each in texts)
            self.estimated = True
        self.tokens += reported


@dataclass(frozen=True, slots=True)
class Biller:
    """`card` is what is booked; without it the model is this machine's own, and nothing is. `price` may take its time,
    as the list of prices is read when it is first needed."""

    card: ModelCard | None
    price: Callable[[ModelCard, Usage], Decimal | None]

    async def bill(self, tally: Tally, outcome: str = "complete") -> Bill:
        reference = str(uuid4())
        if self.card is None or not tally.tokens:
            return Bill(reference)
        usage = Usage(tally.tokens, 0)
        cost = await asyncio.to_thread(self.price, self.card, usage)
        attempt = Attempt(1, self.card.provider, self.card.id, usage, tally.estimated, cost, outcome, Purpose.EMBEDDING)
        return Bill(reference, attempt)
