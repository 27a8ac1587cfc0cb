"""What an embedder used stands in the ledger of the user for whom it was asked, once."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

from app.database import Database
from app.domain.embedding import Bill
from app.domain.events import Usage
from app.domain.usage import Attempt, Purpose
from app.repositories.base import new_id


def bill(tokens: int, cost: str | None = None) -> Bill:
    price = None if cost is None else Decimal(cost)
    usage = Usage(tokens, 0)
    attempt = Attempt(1, "openai", "text-embedding-3-small", usage, False, price, "complete", Purpose.EMBEDDING)
    return Bill(str(uuid4()), attempt)


async def test_each_bill_is_booked_and_one_that_is_booked_again_counts_once(
    database: Database, database_kind: str
) -> None:
    alice, bob = new_id(), new_id()
    first, second, others = bill(100, "0.000002"), bill(10), bill(7)
    for _ in range(2):  # as when a commit's answer was lost
        async with database.transaction() as tx:
            tx.usage.book_embedding(alice, first)
    async with database.transaction() as tx:
        tx.usage.book_embedding(alice, second)
        tx.usage.book_embedding(bob, others)
        tx.usage.book_embedding(alice, Bill(str(uuid4())))  # nothing was used

    today = datetime.now(UTC).date()
    async with database.snapshot() as tx:
        (day,) = await tx.usage.daily(alice, today, today)
        booked = (await tx.usage.booked(alice, limit=10, cursor=None)).items
    assert day.model == "openai/text-embedding-3-small"
    assert (day.amount.requests, day.amount.input_tokens, day.amount.unpriced) == (2, 110, 1)
    assert day.amount.cost == Decimal("0.000002")
    assert [each.attempt for each in booked] == [first.attempt, second.attempt]
    assert {(each.conversation_id, each.generation_id) for each in booked} == {(None, None)}
