"""Limits of whoever is known: by account, whatever the credential, and for calls of a model apart from the rest."""

import asyncio

import httpx
import pytest

from tests.backend import Backend, User
from tests.chat.reading import posting
from tests.conftest import Serve
from tests.limits.asking import anybody, assert_limited, standing, statuses
from tests.upstream import Answer, Upstream

AI = {"rate_limit_ai": "3/minute"}
KEYS = ("canary-api-key-of-the-first-machine", "canary-api-key-of-the-second-machine")
ASK = {"message": "Hello"}


@pytest.fixture(params=["memory", "redis"])
def counted_in(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings for where it is counted; with more patience than a busy machine takes."""
    if request.param == "memory":
        return {}
    return {"redis_url": request.getfixturevalue("redis_url"), "redis_timeout": "10"}


async def ask(user: User, times: int) -> list[httpx.Response]:
    return [await user.http.post("/ai/chat", json=ASK) for _ in range(times)]


async def look(user: User, times: int) -> list[httpx.Response]:
    return [await user.http.get("/users/me") for _ in range(times)]


async def test_of_thirty_a_minute_the_next_is_429(serve: Serve, counted_in: dict[str, str], upstream: Upstream) -> None:
    backend = await serve(rate_limit_ai="30/minute", **counted_in)
    alice = await backend.user()

    *granted, refused = await ask(alice, 31)

    assert statuses(granted) == [200] * 30
    assert [standing(answer) for answer in granted] == [(30, left) for left in range(29, -1, -1)]
    assert_limited(refused, limit=30)
    assert len(upstream.calls) == 30


async def test_every_way_to_call_a_model_counts_as_one(serve: Serve, upstream: Upstream) -> None:
    alice = await (await serve(**AI)).user()
    ways = [
        await alice.http.post("/ai/chat/stream", json=ASK),
        await alice.http.post("/ai/chat", json=ASK),
        await alice.http.get("/ai/chat/stream", params=ASK),
    ]
    assert statuses(ways) == [200] * 3
    assert [standing(answer) for answer in ways] == [(3, 2), (3, 1), (3, 0)]

    for refused in (
        await alice.http.post("/ai/chat/stream", json=ASK),
        await alice.http.post("/ai/chat", json=ASK),
        await alice.http.get("/ai/chat/stream", params=ASK),
    ):
        assert_limited(refused, limit=3)
    assert len(upstream.calls) == 3
    assert len((await alice.http.get("/conversations")).json()["items"]) == 3


async def test_what_calls_no_model_spends_nothing_of_it(serve: Serve, upstream: Upstream) -> None:
    alice = await (await serve(**AI)).user()
    for _ in range(5):
        await alice.http.get("/ai/models")
        await alice.http.post("/ai/chat", json={"message": "", "unknown": 1})
        await alice.http.post("/ai/chat", json={**ASK, "model": "openai-no/such"})
        await alice.http.post("/ai/chat", json={**ASK, "conversation_id": "0198c0de-0000-7000-8000-000000000000"})

    assert statuses(await ask(alice, 4)) == [200, 200, 200, 429]


async def test_a_replay_and_a_resume_spend_nothing(serve: Serve, upstream: Upstream) -> None:
    alice = await (await serve(**AI)).user()
    key = {"Idempotency-Key": "once"}
    first = await alice.chat("Hello", headers=key)
    await ask(alice, 2)
    assert_limited((await ask(alice, 1))[0], limit=3)

    generation = first.start["generation_id"]
    for _ in range(5):
        assert (await alice.chat("Hello", headers=key)).start == first.start
        resumed = await alice.http.get("/ai/chat/stream", params=ASK, headers={"Last-Event-ID": f"{generation}:1"})
        assert resumed.status_code == 200
        assert (await alice.http.get(f"/ai/generations/{generation}/events?after=0")).status_code == 200
    assert len(upstream.calls) == 3


async def test_a_resume_counts_with_everything_else(serve: Serve, upstream: Upstream) -> None:
    alice = await (await serve(**AI, rate_limit_default="2/minute")).user()
    generation = (await alice.chat("Hello")).start["generation_id"]

    answers = [
        await alice.http.get("/ai/chat/stream", params=ASK, headers={"Last-Event-ID": f"{generation}:1"})
        for _ in range(3)
    ]

    assert statuses(answers) == [200, 200, 429]
    assert [standing(answer) for answer in answers] == [(2, 1), (2, 0), (2, 0)]


async def test_what_is_refused_before_a_model_is_called_is_counted_apart(serve: Serve, upstream: Upstream) -> None:
    alice = await (await serve(**AI, rate_limit_default="3/minute")).user()

    answers = [await alice.http.post("/ai/chat", json={"message": ""}) for _ in range(4)]

    assert statuses(answers) == [422, 422, 422, 429]
    assert statuses(await look(alice, 4)) == [200, 200, 200, 429]
    assert not upstream.calls


async def test_of_retries_that_come_together_one_is_counted(serve: Serve, upstream: Upstream) -> None:
    alice = await (await serve(**AI)).user()

    key = {"Idempotency-Key": "once"}
    answers = await asyncio.gather(*(alice.http.post("/ai/chat/stream", json=ASK, headers=key) for _ in range(8)))

    assert statuses(answers) == [200] * 8
    assert statuses(await ask(alice, 3)) == [200, 200, 429]


async def test_everything_else_counts_by_account(serve: Serve, counted_in: dict[str, str]) -> None:
    backend = await serve(rate_limit_default="5/minute", **counted_in)
    alice, bob = await backend.user("alice"), await backend.user("bob")

    *granted, refused = await look(alice, 6)

    assert [standing(answer) for answer in granted] == [(5, left) for left in range(4, -1, -1)]
    assert_limited(refused, limit=5)
    assert statuses(await look(bob, 5)) == [200] * 5


async def test_it_is_spent_before_the_body_is_read(serve: Serve) -> None:
    alice = await (await serve(rate_limit_default="1/minute")).user()
    await look(alice, 1)

    refused = await alice.http.patch("/users/me", content=b"{no json", headers={"Content-Type": "application/json"})

    assert_limited(refused, limit=1)


async def test_a_refusal_says_where_one_stands_too(serve: Serve) -> None:
    alice = await (await serve(rate_limit_default="5/minute")).user()

    missing = await alice.http.get("/conversations/0198c0de-0000-7000-8000-000000000000")
    forbidden = await alice.http.get("/users")
    invalid = await alice.http.get("/conversations", params={"limit": "none"})

    assert statuses([missing, forbidden, invalid]) == [404, 403, 422]
    assert [standing(each) for each in (missing, forbidden, invalid)] == [(5, 4), (5, 3), (5, 2)]


async def test_many_sign_ins_and_many_keys_do_not_multiply_the_limit(serve: Serve) -> None:
    backend = await serve(rate_limit_default="6/minute")
    alice, again = await backend.user(), await backend.user()
    keys = [(await alice.http.post("/users/me/api-keys", json={"name": name})).json()["key"] for name in "ab"]
    async with anybody(backend) as http:
        answers = [await http.get("/users/me", headers={"X-API-Key": key}) for key in keys]
    answers += [*(await look(alice, 1)), *(await look(again, 2))]

    assert statuses(answers) == [200, 200, 200, 200, 429]


async def test_each_key_of_the_settings_counts_by_itself(serve: Serve) -> None:
    backend = await serve(rate_limit_default="2/minute", api_keys=",".join(KEYS))
    async with anybody(backend) as http:
        answers = [await http.get("/users/me", headers={"X-API-Key": key}) for key in KEYS * 3]

    assert statuses(answers) == [200, 200, 200, 200, 429, 429]


async def test_when_to_come_back_is_true(serve: Serve, counted_in: dict[str, str]) -> None:
    alice = await (await serve(rate_limit_default="1/2 second", **counted_in)).user()
    async with asyncio.timeout(10):
        while (refused := (await look(alice, 1))[0]).status_code != 429:
            pass

    await asyncio.sleep(int(refused.headers["retry-after"]))

    assert statuses(await look(alice, 1)) == [200]


async def test_of_several_limits_all_hold_and_the_tightest_shows(serve: Serve) -> None:
    alice = await (await serve(rate_limit_default="2/3 second;3/minute")).user()

    first = await look(alice, 3)
    await asyncio.sleep(3.05)
    second = await look(alice, 2)

    assert statuses(first) == [200, 200, 429]
    assert [standing(answer) for answer in first] == [(2, 1), (2, 0), (2, 0)]
    assert statuses(second) == [200, 429]
    assert_limited(second[1], limit=3)
    assert int(second[1].headers["retry-after"]) > 1


async def test_an_empty_limit_is_off_and_says_nothing(serve: Serve, upstream: Upstream) -> None:
    alice = await (await serve()).user()

    answers = [*(await look(alice, 50)), *(await ask(alice, 40))]

    assert statuses(answers) == [200] * 90
    assert {standing(answer) for answer in answers} == {None}


async def test_too_many_at_once_says_how_many_and_when_to_come_back(serve: Serve, upstream: Upstream) -> None:
    upstream.script(Answer(("One",), hold=True))
    alice = await (await serve(rate_limit_ai="30/minute", max_concurrent_generations_per_user=1)).user()
    async with posting(alice, "Count") as reader:
        await reader.event()

        refused = await alice.http.post("/ai/chat", json=ASK)

        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_generations")
        assert standing(refused) == (1, 0)
        assert int(refused.headers["retry-after"]) >= 1
        await upstream.finish()
        await reader.rest()


async def test_concurrency_without_a_limit_has_none(serve: Serve, upstream: Upstream) -> None:
    alice = await (await serve(max_concurrent_generations="", max_concurrent_generations_per_user="")).user()
    upstream.script(Answer(("One",), first_delay=0.5))

    answers = await asyncio.gather(*(alice.http.post("/ai/chat", json=ASK) for _ in range(20)))

    assert statuses(answers) == [200] * 20


async def test_where_nobody_signs_in_nothing_is_limited(serve: Serve) -> None:
    backend: Backend = await serve(rate_limit_default="1/minute", rate_limit_auth="1/minute")
    async with anybody(backend) as http:
        for path in ("/health", "/ready", "/metrics", "/docs", "/openapi.json", "/no-such-path"):
            answers = [await http.get(path) for _ in range(3)]
            assert {standing(answer) for answer in answers} == {None}
            assert 429 not in statuses(answers)
