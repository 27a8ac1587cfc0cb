"""The bodies of what was used."""

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field

from app.domain.usage import Booking, DailyUsage, Purpose, UsageReport
from app.schemas.base import Answer

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _day(given: object) -> object:
    """pydantic would also take a number of seconds; an empty value is one that a form left out."""
    if given == "":
        return None
    if isinstance(given, str) and not _DAY.fullmatch(given):
        raise ValueError("must be a day as YYYY-MM-DD")
    return given


def _spelled(cost: Decimal | None) -> str | None:
    return None if cost is None else format(cost.normalize(), "f")


OptionalDay = Annotated[date | None, BeforeValidator(_day)]
Cost = Annotated[
    str | None,
    BeforeValidator(lambda cost: _spelled(cost) if isinstance(cost, Decimal) else cost),
    Field(description="US dollars as a decimal string; null when no price is known."),
]


class AmountAnswer(Answer):
    requests: int = Field(description="Calls of a model's server.")
    input_tokens: int = Field(description="All that the models have read.")
    output_tokens: int = Field(description="All that they have written.")
    cached_input_tokens: int = Field(description="Of `input_tokens` those that a vendor had kept from before.")
    cache_write_tokens: int = Field(description="Of `input_tokens` those that a vendor has kept for later.")
    reasoning_tokens: int = Field(description="Of `output_tokens` those of reasoning.")
    cost: Cost
    unpriced: int = Field(description="Requests whose price is not known; they are not in `cost`.")
    estimated: int = Field(description="Requests whose tokens were estimated, for their vendor did not report them.")


class _DayAnswer(Answer):
    day: date = Field(description="In UTC.")
    model: str = Field(description="`provider/id`")


class DailyUsageAnswer(AmountAnswer, _DayAnswer):
    @classmethod
    def of(cls, daily: DailyUsage) -> Self:
        return cls(day=daily.day, model=daily.model, **AmountAnswer.model_validate(daily.amount).model_dump())


class QuotaAnswer(Answer):
    name: Literal["ai_requests", "requests", "concurrent_answers"] = Field(
        description="Requests of a model, requests of any kind, or answers that are written at once."
    )
    limit: int = Field(description="How many there may be.")
    remaining: int = Field(description="How many are left.")
    resets_at: datetime | None = Field(description="Null where it is given back, not renewed.")


class UsageReportAnswer(Answer):
    """Days are in UTC; both the first and the last are included."""

    from_: date = Field(serialization_alias="from", description="The first day.")
    to: date = Field(description="The last day.")
    items: list[DailyUsageAnswer] = Field(description="By day and model, the newest day first.")
    totals: AmountAnswer = Field(description="All of it together.")
    quotas: list[QuotaAnswer] = Field(description="What is left of each limit that is on.")

    @classmethod
    def of(cls, report: UsageReport) -> Self:
        return cls(
            from_=report.first,
            to=report.last,
            items=[DailyUsageAnswer.of(each) for each in report.items],
            totals=AmountAnswer.model_validate(report.totals),
            quotas=[QuotaAnswer.model_validate(each) for each in report.quotas],
        )


class BookingAnswer(Answer):
    """A row of the ledger: one call of a model's server."""

    id: str
    created_at: datetime
    conversation_id: str | None
    generation_id: str | None
    purpose: Purpose
    attempt: int
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost: Cost
    outcome: str
    estimated: bool

    @classmethod
    def of(cls, booking: Booking) -> Self:
        attempt = booking.attempt
        return cls(
            id=booking.id,
            created_at=booking.created_at,
            conversation_id=booking.conversation_id,
            generation_id=booking.generation_id,
            purpose=attempt.purpose,
            attempt=attempt.number,
            provider=attempt.provider,
            model=attempt.model,
            input_tokens=attempt.usage.input_tokens,
            output_tokens=attempt.usage.output_tokens,
            cached_input_tokens=attempt.usage.cached_input_tokens,
            cache_write_tokens=attempt.usage.cache_write_tokens,
            reasoning_tokens=attempt.usage.reasoning_tokens,
            cost=_spelled(attempt.cost),
            outcome=attempt.outcome,
            estimated=attempt.estimated,
        )
