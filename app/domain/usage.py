"""What the ledger records."""

from dataclasses import dataclass
from decimal import Decimal

from app.domain.events import Usage


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of an upstream: what it used, and how it ended (`complete`, `stopped` or a failure's code).

    `estimated` marks tokens that the vendor did not report; `cost` is in US dollars, None when the price is unknown.
    """

    number: int
    provider: str
    model: str
    usage: Usage
    estimated: bool
    cost: Decimal | None
    outcome: str
