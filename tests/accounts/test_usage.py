"""What a user is told to have used is what the ledger holds, to the token, by day of UTC and model."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.asyncio import create_async_engine

from app.database import database_url as parse_url
from app.models.base import UtcDay
from app.models.usage import usage_records
from tests.accounts.behind import alter, rows
from tests.accounts.signing import ask, new_key
from tests.backend import Backend, User
from tests.chat.reading import posting
from tests.conftest import Serve
from tests.upstream import Answer, Refuse, Upstream

TOKENS = ("input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "reasoning_tokens")
NOTHING = {**dict.fromkeys(TOKENS, 0), "requests": 0, "cost": "0", "unpriced": 0, "estimated": 0}


@pytest.fixture
async def alice(backend: Backend) -> User:
    return await backend.user("alice")


async def report(user: User, **query: str) -> dict[str, Any]:
    answer = await user.http.get("/users/me/usage", params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def id_of(user: User) -> str:
    identity: str = (await user.http.get("/users/me")).json()["id"]
    return identity


def booked(user_id: str, moment: datetime, model: str = "openai/gpt-5", **values: Any) -> dict[str, Any]:
    """A row of the ledger."""
    provider, _, name = model.partition("/")
    return {
        "id": str(uuid4()),
        "user_id": user_id,
        "generation_id": str(uuid4()),
        "attempt": 1,
        "provider": provider,
        "model": name,
        "input_tokens": 10,
        "output_tokens": 5,
        "cached_input_tokens": 4,
        "cache_write_tokens": 3,
        "reasoning_tokens": 2,
        "cost": Decimal("0.000001"),
        "outcome": "complete",
        "estimated": False,
        "created_at": moment,
        **values,
    }


async def book(database_url: str, *records: dict[str, Any]) -> None:
    await alter(database_url, *(insert(usage_records).values(**record) for record in records))


async def test_a_user_who_has_used_nothing_is_told_so(alice: User, database_kind: str) -> None:
    today = datetime.now(UTC).date()
    told = await report(alice)
    assert (told["from"], told["to"]) == ((today - timedelta(29)).isoformat(), today.isoformat())
    assert (told["items"], told["totals"]) == ([], NOTHING)


async def test_it_equals_the_ledger_over_models_failures_and_stops(
    backend: Backend, alice: User, upstream: Upstream, database_url: str, database_kind: str
) -> None:
    bob = await backend.user("bob")
    upstream.script(
        [
            Answer(("One",), usage=(11, 7)),
            Answer(("Two",), usage=(13, 5)),
            Refuse(503, headers={"retry-after-ms": "10"}),
            Answer(("Three",), usage=(100, 50)),
            Refuse(400),
            Answer(tuple("abcdef"), hold=True),
            Answer(("Bob",), usage=(1_000, 1_000)),
        ]
    )
    await alice.chat("Hello", model="openai/first")
    await alice.chat("Hello", model="openai/first")
    await alice.chat("Hello", model="openai/second")  # at the second attempt
    await alice.chat("Hello", model="openai/second")  # refused
    async with posting(alice, "Hello", model="openai/third") as reader:
        start = await reader.event()
        await upstream.release(3)
        await reader.events(3)
        await alice.http.post(f"/ai/generations/{start.json['generation_id']}/stop")
        await reader.rest()
    await bob.chat("Hello", model="openai/first")

    told = await report(alice)
    ledger = await rows(database_url, select(usage_records).where(usage_records.c.user_id == await id_of(alice)))
    assert len(ledger) == 6
    assert {item["model"]: item["requests"] for item in told["items"]} == {
        "openai/first": 2,
        "openai/second": 3,
        "openai/third": 1,
    }
    for item in [*told["items"], {**told["totals"], "model": None}]:
        of_it = [row for row in ledger if item["model"] in (None, f"{row['provider']}/{row['model']}")]
        for name in TOKENS:
            assert item[name] == sum(row[name] for row in of_it), (item, name)
        assert item["estimated"] == sum(row["estimated"] for row in of_it)
        assert (item["requests"], item["unpriced"], item["cost"]) == (len(of_it), len(of_it), None)
    first = next(item for item in told["items"] if item["model"] == "openai/first")
    assert (first["input_tokens"], first["output_tokens"], first["estimated"]) == (24, 12, 0)
    assert told["totals"]["estimated"] >= 1  # the one that was stopped


async def test_costs_are_exact_and_what_has_no_price_is_counted(
    alice: User, database_url: str, database_kind: str
) -> None:
    user, noon = await id_of(alice), datetime(2026, 3, 5, 12, tzinfo=UTC)
    await book(
        database_url,
        booked(user, noon, cost=Decimal("0.000000000001")),
        booked(user, noon, cost=Decimal("1234567.1")),
        booked(user, noon, cost=None),
        booked(user, noon, "openai/unknown", cost=None, estimated=True),
        booked(user, noon, "openai/free", cost=Decimal(0), input_tokens=2**40),
    )
    told = await report(alice, **{"from": "2026-03-05", "to": "2026-03-05"})
    costs = {item["model"]: (item["cost"], item["unpriced"], item["estimated"]) for item in told["items"]}
    assert costs == {
        "openai/free": ("0", 0, 0),
        "openai/gpt-5": ("1234567.100000000001", 1, 0),
        "openai/unknown": (None, 1, 1),
    }
    totals = told["totals"]
    assert (totals["cost"], totals["unpriced"], totals["requests"]) == ("1234567.100000000001", 2, 5)
    assert totals["input_tokens"] == 2**40 + 40
    assert [totals[name] for name in TOKENS[1:]] == [25, 20, 15, 10]


async def test_a_day_is_one_of_utc_whatever_the_servers_time_zone(
    serve: Serve, database_url: str, database_kind: str
) -> None:
    if database_kind == "postgresql":
        name = parse_url(database_url).database
        await alter(database_url, text(f"ALTER DATABASE \"{name}\" SET timezone TO 'Asia/Shanghai'"))
    alice = await (await serve()).user("alice")
    user = await id_of(alice)
    last, first = datetime(2026, 3, 5, 23, 59, 59, 999_999, UTC), datetime(2026, 3, 6, tzinfo=UTC)
    await book(database_url, booked(user, last), booked(user, first), booked(user, first + timedelta(hours=17)))
    told = await report(alice, **{"from": "2026-03-01", "to": "2026-03-31"})
    days = [(item["day"], item["requests"]) for item in told["items"]]
    assert days == [("2026-03-06", 2), ("2026-03-05", 1)]
    for day, requests in (("2026-03-05", 1), ("2026-03-06", 2), ("2026-03-04", 0), ("2026-03-07", 0)):
        assert (await report(alice, **{"from": day, "to": day}))["totals"]["requests"] == requests


def test_the_day_compiles_for_mariadb() -> None:
    spelled = str(UtcDay(usage_records.c.created_at).compile(dialect=mysql.dialect()))
    assert spelled == "CAST(DATE(usage_records.created_at) AS CHAR(10))"


async def test_the_newest_day_comes_first_and_nobody_elses_is_told(
    backend: Backend, alice: User, database_url: str, database_kind: str
) -> None:
    bob = await backend.user("bob")
    ours, theirs, noon = await id_of(alice), await id_of(bob), datetime(2026, 3, 5, 12, tzinfo=UTC)
    for days in (2, 0, 1):
        moment = noon + timedelta(days)
        await book(database_url, booked(ours, moment), booked(ours, moment, "anthropic/claude"), booked(theirs, moment))
    items = (await report(alice, **{"from": "2026-03-01", "to": "2026-03-30"}))["items"]
    models = ("anthropic/claude", "openai/gpt-5")
    expected = [(f"2026-03-0{day}", model, 1) for day in (7, 6, 5) for model in models]
    assert [(item["day"], item["model"], item["requests"]) for item in items] == expected


async def test_one_side_of_the_span_may_be_left_out(alice: User) -> None:
    today = datetime.now(UTC).date()
    assert (await report(alice, to="2026-03-31"))["from"] == "2026-03-02"
    since = (today - timedelta(3)).isoformat()
    told = await report(alice, **{"from": since, "to": ""})
    assert (told["from"], told["to"]) == (since, today.isoformat())
    tomorrow = (today + timedelta(1)).isoformat()
    told = await report(alice, **{"from": tomorrow})
    assert (told["from"], told["to"]) == (tomorrow, tomorrow)
    assert (await report(alice, to="0001-01-05"))["from"] == "0001-01-01"
    assert (await report(alice, **{"from": "9999-12-31", "to": "9999-12-31"}))["items"] == []


@pytest.mark.parametrize(
    ("span", "accepted"),
    [
        (("2024-01-01", "2024-12-31"), True),  # 366 days
        (("2024-01-01", "2025-01-01"), False),
        (("2026-03-06", "2026-03-05"), False),
        (("2026-02-30", "2026-03-05"), False),
        (("yesterday", "2026-03-05"), False),
        (("1700000000", "2026-03-05"), False),
        (("2026-03-01T00:00:00Z", "2026-03-05"), False),
        (("2026-03-0１", "2026-03-05"), False),
        (("\x00", "2026-03-05"), False),
        (("9" * 5000, "2026-03-05"), False),
        (("0001-01-01", "9999-12-31"), False),
        (("王", "🎉"), False),
    ],
    ids=str,
)
async def test_at_most_366_real_days(alice: User, span: tuple[str, str], accepted: bool) -> None:
    answer = await alice.http.get("/users/me/usage", params={"from": span[0], "to": span[1]})
    assert answer.status_code == (200 if accepted else 422), answer.text
    if not accepted:
        assert answer.json()["code"] == "validation_error"


async def test_what_is_left_of_each_limit_is_told(serve: Serve, upstream: Upstream) -> None:
    backend = await serve(
        rate_limit_ai="30/minute", rate_limit_default="600/minute", max_concurrent_generations_per_user=3
    )
    alice = await backend.user("alice")
    quotas = await _quotas(alice)
    assert quotas.keys() == {"ai_requests", "requests", "concurrent_answers"}
    assert (quotas["ai_requests"]["limit"], quotas["ai_requests"]["remaining"]) == (30, 30)
    assert quotas["requests"]["limit"] == 600
    free = {"name": "concurrent_answers", "limit": 3, "remaining": 3, "resets_at": None}
    assert quotas["concurrent_answers"] == free
    upstream.script([Answer(tuple("abc"), hold=True)])
    async with posting(alice, "Hello") as reader:
        await reader.event()
        quotas = await _quotas(alice)
        assert quotas["concurrent_answers"] == {**free, "remaining": 2}
        assert quotas["ai_requests"]["remaining"] == 29
        resets_at = datetime.fromisoformat(quotas["ai_requests"]["resets_at"])
        assert timedelta(0) < resets_at - datetime.now(UTC) + timedelta(seconds=1) <= timedelta(seconds=62)
        await upstream.finish()


async def test_a_limit_that_is_off_is_not_told(backend: Backend, alice: User) -> None:
    assert (await _quotas(alice)).keys() == {"concurrent_answers"}


async def _quotas(user: User) -> dict[str, dict[str, Any]]:
    return {quota["name"]: quota for quota in (await report(user))["quotas"]}


async def test_any_credential_of_the_user_may_read_it(backend: Backend, alice: User) -> None:
    key = await new_key(backend, dict(alice.http.headers), scopes=["files"])
    answer = await ask(backend, "GET", "/users/me/usage", headers={"X-API-Key": key["key"]})
    assert answer.status_code == 200
    assert (await ask(backend, "GET", "/users/me/usage")).status_code == 401


async def test_an_index_serves_the_report(alice: User, database_url: str) -> None:
    plan = await _plan(
        database_url,
        "SELECT substr(created_at, 1, 10) AS day, provider, model, count(*) FROM usage_records "
        "WHERE user_id = 'x' AND created_at >= '2026' AND created_at <= '2027' GROUP BY day, provider, model",
    )
    assert any("USING INDEX ix_usage_records_user_id_created_at" in step for step in plan), plan


async def _plan(database_url: str, query: str) -> Sequence[str]:
    engine = create_async_engine(parse_url(database_url))
    try:
        async with engine.connect() as connection:
            return [row[3] for row in (await connection.execute(text(f"EXPLAIN QUERY PLAN {query}"))).all()]
    finally:
        await engine.dispose()
