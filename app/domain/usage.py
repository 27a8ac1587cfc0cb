"""What the ledger records, and what it adds up to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from app.domain.events import Usage


class Purpose(StrEnum):
    """What a model was asked for: the answer of a generation, something beside it, or vectors, of no generation."""

    ANSWER = "answer"
    SUMMARY = "summary"
    TITLE = "title"
    REWRITE = "rewrite"
    EMBEDDING = "embedding"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of an upstream: what it used, and how it ended (`complete`, `stopped` or a failure's code).

    `number` counts those of a generation for one `purpose`. `estimated` marks tokens that the vendor did not report;
    `cost` is in US dollars, None when the price is unknown.
    """

    number: int
    provider: str
    model: str
    usage: Usage
    estimated: bool
    cost: Decimal | None
    outcome: str
    purpose: Purpose = Purpose.ANSWER


@dataclass(frozen=True, slots=True)
class Booking:
    """An attempt as it stands in the ledger; of no generation where it made vectors."""

    id: str
    conversation_id: str | None
    generation_id: str | None
    attempt: Attempt
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Amount:
    """What some attempts used together.

    `cost` is of those whose price is known, None where that is none of them; `unpriced` counts the others, `estimated`
    those whose vendor did not report its tokens.
    """

    requests: int
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost: Decimal | None
    unpriced: int
    estimated: int

    @classmethod
    def sum(cls, amounts: "Sequence[Amount]") -> "Amount":
        """All of it; nothing at all costs nothing."""
        costs = [each.cost for each in amounts if each.cost is not None]
        return cls(
            requests=sum(each.requests for each in amounts),
            input_tokens=sum(each.input_tokens for each in amounts),
            output_tokens=sum(each.output_tokens for each in amounts),
            cached_input_tokens=sum(each.cached_input_tokens for each in amounts),
            cache_write_tokens=sum(each.cache_write_tokens for each in amounts),
            reasoning_tokens=sum(each.reasoning_tokens for each in amounts),
            cost=sum(costs, Decimal(0)) if costs or not amounts else None,
            unpriced=sum(each.unpriced for each in amounts),
            estimated=sum(each.estimated for each in amounts),
        )


@dataclass(frozen=True, slots=True)
class DailyUsage:
    """What one model (`provider/id`) did on one day of UTC."""

    day: date
    model: str
    amount: Amount


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of a limit: of `limit`, `remaining` until `resets_at`; None where it is given back, not renewed."""

    name: str
    limit: int
    remaining: int
    resets_at: datetime | None


@dataclass(frozen=True, slots=True)
class UsageReport:
    """From the first day to the last, both included, the newest day first."""

    first: date
    last: date
    items: Sequence[DailyUsage]
    totals: Amount
    quotas: Sequence[Quota]
