"""What a user has used, and what is left of the limits."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from app.core.errors import Invalid
from app.database import Database
from app.domain.identity import Principal
from app.domain.usage import Amount, Quota, UsageReport
from app.generation.engine import Engine
from app.services.limits import Limited, RateLimits

LONGEST = 366
_DAYS = 30
_NAMES = {"ai_requests": Limited.AI, "requests": Limited.DEFAULT}


class UsageService:
    def __init__(self, database: Database, limits: RateLimits, engine: Engine) -> None:
        self._database = database
        self._limits = limits
        self._engine = engine

    async def report(self, principal: Principal, first: date | None, last: date | None) -> UsageReport:
        """From the first day to the last, in UTC; without them the last 30 days. Raises Invalid for more than 366."""
        first, last = _span(first, last)
        async with self._database.snapshot() as tx:
            items = await tx.usage.daily(principal.user.id, first, last)
        totals = Amount.sum([each.amount for each in items])
        return UsageReport(first, last, items, totals, await self._quotas(principal))

    async def _quotas(self, principal: Principal) -> Sequence[Quota]:
        moment = datetime.now(UTC)
        quotas = []
        for name, what in _NAMES.items():
            standing = await self._limits.standing(what, principal.limit_key)
            if standing is not None:
                resets_at = (moment + timedelta(seconds=standing.resets_in)).replace(microsecond=0)
                quotas.append(Quota(name, standing.limit, standing.remaining, resets_at))
        if room := await self._engine.room(principal.user.id):
            limit, remaining = room
            quotas.append(Quota("concurrent_answers", limit, remaining, None))
        return quotas


def _span(first: date | None, last: date | None) -> tuple[date, date]:
    last = last or max(datetime.now(UTC).date(), first or date.min)
    first = first or date.fromordinal(max(1, last.toordinal() - _DAYS + 1))
    if first > last:
        raise Invalid("The first day is after the last.")
    if (last - first).days >= LONGEST:
        raise Invalid(f"At most {LONGEST} days can be reported at once.")
    return first, last
