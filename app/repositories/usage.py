"""The ledger of upstream attempts."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time

from sqlalchemy import RowMapping, bindparam, case, delete, func, insert, or_, select

from app.domain.chat import Generation, Page
from app.domain.embedding import Bill
from app.domain.events import Usage
from app.domain.usage import Amount, Attempt, Booking, DailyUsage, Purpose
from app.models.base import UtcDay
from app.models.usage import usage_records
from app.repositories.base import Repository, decode_cursor, encode_cursor, new_id, now

_C = usage_records.c
_ADD = insert(usage_records)
_DROP = delete(usage_records).where(_C.generation_id == bindparam("generation"), _C.purpose == bindparam("of_purpose"))
_OWN = _C.user_id == bindparam("user")
_DAY = UtcDay(_C.created_at)
_DAILY = (
    select(
        _DAY.label("day"),
        _C.provider,
        _C.model,
        func.count().label("requests"),
        func.sum(_C.input_tokens).label("input_tokens"),
        func.sum(_C.output_tokens).label("output_tokens"),
        func.sum(_C.cached_input_tokens).label("cached_input_tokens"),
        func.sum(_C.cache_write_tokens).label("cache_write_tokens"),
        func.sum(_C.reasoning_tokens).label("reasoning_tokens"),
        func.sum(_C.cost).label("cost"),
        func.count(_C.cost).label("priced"),
        func.sum(case((_C.estimated, 1), else_=0)).label("estimated"),
    )
    .where(_OWN, _C.created_at >= bindparam("begin"), _C.created_at <= bindparam("end"))
    .group_by(_DAY, _C.provider, _C.model)
    .order_by(_DAY.desc(), _C.provider, _C.model)
)
_OLDEST_FIRST = select(usage_records).where(_OWN).order_by(_C.created_at, _C.id).limit(bindparam("at_most"))
# The first of the two is what an index can begin at.
_AFTER = _OLDEST_FIRST.where(
    _C.created_at >= bindparam("moment"), or_(_C.created_at > bindparam("moment"), _C.id > bindparam("id"))
)


class UsageRepository(Repository):
    def book(self, generation: Generation, attempts: Sequence[Attempt], *, again: bool) -> None:
        """Book upstream calls for a run; `again`, in place of what may be booked for the same purposes already.

        A commit whose answer was lost is repeated, and an owner that was thought dead knows better than the estimate of
        the instance that took over: neither may count twice. What was asked beside an answer is booked when it has
        come, or with the answer if that failed: always as if again.
        """
        beside = {attempt.purpose for attempt in attempts} - {Purpose.ANSWER}
        for purpose in [Purpose.ANSWER, *beside] if again else beside:
            self._connection.later(_DROP, {"generation": generation.id, "of_purpose": purpose.value})
        rows = [_row(generation.user_id, generation.conversation_id, generation.id, attempt) for attempt in attempts]
        if rows:
            self._connection.later(_ADD, rows)

    def book_passage(self, generation: Generation, attempts: Sequence[Attempt]) -> None:
        """Book the calls of a run of which nothing else is stored. Those that are booked again are booked once."""
        self._connection.later(_DROP, {"generation": generation.id, "of_purpose": Purpose.ANSWER.value})
        self._connection.later(_ADD, [_row(generation.user_id, None, generation.id, each) for each in attempts])

    def book_embedding(self, user_id: str, bill: Bill) -> None:
        """Book what an embedder used for a user. A bill that is booked again is booked once."""
        if bill.attempt is not None:
            self._connection.later(_DROP, {"generation": bill.id, "of_purpose": bill.attempt.purpose.value})
            self._connection.later(_ADD, [_row(user_id, None, bill.id, bill.attempt)])

    async def daily(self, user_id: str, first: date, last: date) -> Sequence[DailyUsage]:
        """What a user's attempts add up to by day of UTC and model, the newest day first; both days are included."""
        begin, end = datetime.combine(first, time.min, UTC), datetime.combine(last, time.max, UTC)
        rows = await self._connection.rows(_DAILY, {"user": user_id, "begin": begin, "end": end})
        return [_to_daily(row) for row in rows]

    async def booked(self, user_id: str, *, limit: int, cursor: str | None) -> Page[Booking]:
        """A user's rows of the ledger, oldest first. Raises InvalidCursor."""
        values: dict[str, object] = {"user": user_id, "at_most": limit + 1}
        statement = _OLDEST_FIRST
        if cursor is not None:
            statement, (values["moment"], values["id"]) = _AFTER, decode_cursor(cursor)
        found = [_to_booking(row) for row in await self._connection.rows(statement, values)]
        items, last = found[:limit], found[limit - 1] if len(found) > limit else None
        return Page(items, encode_cursor(last.created_at, last.id) if last else None)


def _row(user_id: str, conversation_id: str | None, reference: str, attempt: Attempt) -> dict[str, object]:
    """`reference` is the generation; of what belongs to none, an id of its own, for no two rows may share it."""
    return {
        "id": new_id(),
        "user_id": user_id,
        "conversation_id": conversation_id,
        "generation_id": reference,
        "purpose": attempt.purpose.value,
        "attempt": attempt.number,
        "provider": attempt.provider,
        "model": attempt.model,
        "input_tokens": attempt.usage.input_tokens,
        "output_tokens": attempt.usage.output_tokens,
        "cached_input_tokens": attempt.usage.cached_input_tokens,
        "cache_write_tokens": attempt.usage.cache_write_tokens,
        "reasoning_tokens": attempt.usage.reasoning_tokens,
        "cost": attempt.cost,
        "outcome": attempt.outcome,
        "estimated": attempt.estimated,
        "created_at": now(),
    }


def _to_daily(row: RowMapping) -> DailyUsage:
    # A sum of whole numbers is a decimal in some databases.
    amount = Amount(
        requests=row["requests"],
        input_tokens=int(row["input_tokens"]),
        output_tokens=int(row["output_tokens"]),
        cached_input_tokens=int(row["cached_input_tokens"]),
        cache_write_tokens=int(row["cache_write_tokens"]),
        reasoning_tokens=int(row["reasoning_tokens"]),
        cost=row["cost"],
        unpriced=row["requests"] - row["priced"],
        estimated=int(row["estimated"]),
    )
    return DailyUsage(date.fromisoformat(row["day"]), f"{row['provider']}/{row['model']}", amount)


def _to_booking(row: RowMapping) -> Booking:
    attempt = Attempt(
        number=row["attempt"],
        provider=row["provider"],
        model=row["model"],
        usage=Usage(
            input_tokens=row["input_tokens"],
            output_tokens=row["output_tokens"],
            cached_input_tokens=row["cached_input_tokens"],
            reasoning_tokens=row["reasoning_tokens"],
            cache_write_tokens=row["cache_write_tokens"],
        ),
        estimated=row["estimated"],
        cost=row["cost"],
        outcome=row["outcome"],
        purpose=Purpose(row["purpose"]),
    )
    generation_id = None if attempt.purpose is Purpose.EMBEDDING else row["generation_id"]
    return Booking(row["id"], row["conversation_id"], generation_id, attempt, row["created_at"])
