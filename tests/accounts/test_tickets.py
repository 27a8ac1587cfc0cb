"""Tickets: what EventSource brings in place of a header, good for one generation and nothing else."""

import asyncio
import hashlib
import io
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select, update

from app.core.logging import JsonFormatter
from app.models.identity import sessions, tickets
from tests.accounts.behind import alter, rows
from tests.accounts.signing import ask, is_problem, new_key, new_ticket, sign_in
from tests.backend import Backend, User
from tests.chat.reading import posting, reading
from tests.conftest import Serve
from tests.follower import Follower
from tests.sse import Stream
from tests.upstream import Answer, Upstream

STREAM = "/ai/chat/stream"
WORDS = ("One ", "two ", "three.")


def bearer(user: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {user.token}"}


async def ticket_of(backend: Backend, user: User) -> str:
    return await new_ticket(backend, bearer(user))


async def start(backend: Backend, ticket: str, **query: Any) -> httpx.Response:
    """The whole stream of a generation that a ticket opens, or the refusal."""
    return await ask(backend, "GET", STREAM, params={"message": "Hello", **query, "ticket": ticket})


async def go_on(backend: Backend, ticket: str, event_id: str) -> httpx.Response:
    """As EventSource does when the connection broke: the same address, and the last id that it read."""
    query = {"message": "Hello", "ticket": ticket}
    return await ask(backend, "GET", STREAM, params=query, headers={"Last-Event-ID": event_id})


async def follow(backend: Backend, ticket: str, generation_id: str, **more: Any) -> httpx.Response:
    return await ask(backend, "GET", f"/ai/generations/{generation_id}/events", params={"ticket": ticket}, **more)


async def age(database_url: str, ticket: str, by: timedelta) -> None:
    one = tickets.c.ticket_hash == hashlib.sha256(ticket.encode()).hexdigest()
    await alter(database_url, update(tickets).where(one).values(created_at=datetime.now(UTC) - by))


def is_refused(answer: httpx.Response) -> bool:
    return is_problem(answer, 401, "unauthenticated")


# Getting one


async def test_a_ticket_is_random_short_lived_and_kept_as_a_hash(backend: Backend, database_url: str) -> None:
    alice = await backend.user()

    answer = await alice.http.post("/auth/ticket")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body.keys(), body["expires_in"]) == ({"ticket", "expires_in"}, 30)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", body["ticket"])
    (row,) = await rows(database_url, select(tickets))
    assert row["ticket_hash"] == hashlib.sha256(body["ticket"].encode()).hexdigest()
    assert body["ticket"] not in str(dict(row))
    assert await ticket_of(backend, alice) != body["ticket"]


async def test_who_gets_a_ticket(serve: Serve) -> None:
    backend = await serve(api_keys="service-key-0123456789abcdef0123456789abcdef")
    alice = await backend.user()
    here = await sign_in(backend, alice)
    chats = await new_key(backend, here.bearer, scopes=["chat"])
    reads = await new_key(backend, here.bearer, scopes=["files"])

    for shown in (here.bearer, here.under_cookie, {"X-API-Key": chats["key"]}):
        assert (await start(backend, await new_ticket(backend, shown))).status_code == 200

    service = {"X-API-Key": "service-key-0123456789abcdef0123456789abcdef"}
    is_problem(await ask(backend, "POST", "/auth/ticket", headers=service), 403, "forbidden")
    without_scope = await ask(backend, "POST", "/auth/ticket", headers={"X-API-Key": reads["key"]})
    is_problem(without_scope, 403, "insufficient_scope")
    foreign = here.under_cookie | {"Origin": "https://evil.test"}
    is_problem(await ask(backend, "POST", "/auth/ticket", headers=foreign), 403, "cross_origin")
    is_refused(await ask(backend, "POST", "/auth/ticket"))
    begets = await ask(backend, "POST", "/auth/ticket", params={"ticket": await new_ticket(backend, here.bearer)})
    is_refused(begets)


# One generation


async def test_a_ticket_opens_a_generation_of_its_owner(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    alice = await backend.user()
    upstream.script(Answer(WORDS))

    answer = await start(backend, await ticket_of(backend, alice))

    stream = Stream.of(answer.content)
    assert stream.text == "".join(WORDS)
    assert {event.id.partition(":")[0] for event in stream.events} == {stream.start["generation_id"]}
    assert (await alice.answer(stream.start["conversation_id"]))["content"] == stream.text


async def test_of_uses_at_the_same_moment_one_wins(database_kind: str, serve: Serve, upstream: Upstream) -> None:
    backend = await serve(max_concurrent_generations_per_user=20)  # else some are refused for being too many
    alice = await backend.user()
    conversation_id = (await alice.chat("Hello")).start["conversation_id"]
    for query in ({}, {"conversation_id": conversation_id}):
        upstream.reset()
        ticket = await ticket_of(backend, alice)

        answers = await asyncio.gather(*(start(backend, ticket, **query) for _ in range(10)))

        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 9
        assert len(upstream.calls) == 1


async def test_a_spent_ticket_starts_and_replays_nothing(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    alice = await backend.user()
    ticket = await ticket_of(backend, alice)
    stream = Stream.of((await start(backend, ticket)).content)

    is_refused(await start(backend, ticket))
    is_refused(await start(backend, ticket, message="Another"))
    is_refused(await start(backend, ticket, conversation_id=stream.start["conversation_id"]))

    assert len(upstream.calls) == 1
    assert len(await alice.messages(stream.start["conversation_id"])) == 2
    assert len((await alice.http.get("/conversations")).json()["items"]) == 1


async def test_a_spent_ticket_goes_on_with_what_it_opened(
    database_kind: str, backend: Backend, upstream: Upstream, database_url: str
) -> None:
    alice = await backend.user()
    upstream.script(Answer(WORDS, hold=True))
    ticket = await ticket_of(backend, alice)
    anonymous = await backend.user("nobody")
    anonymous.http.headers.pop("Authorization")
    query = {"message": "Hello", "ticket": ticket}
    async with reading(anonymous, "GET", STREAM, params=query) as reader:
        before = [await reader.event()]
        await upstream.release(2)
        before += await reader.events(2)
    await age(database_url, ticket, timedelta(hours=1))

    async with reading(anonymous, "GET", STREAM, params=query, headers={"Last-Event-ID": before[-1].id}) as reader:
        await upstream.finish()
        after = await reader.rest()

    assert Stream([*before, *after]).text == "".join(WORDS)
    assert [event.json["seq"] for event in (*before, *after)] == list(range(1, len(before) + len(after) + 1))
    assert (await go_on(backend, ticket, after[-1].id)).status_code == 204
    generation_id = before[0].json["generation_id"]
    assert Stream.of((await follow(backend, ticket, generation_id)).content).text == "".join(WORDS)
    assert len(upstream.calls) == 1


async def test_a_spent_ticket_is_good_for_nothing_else(backend: Backend, upstream: Upstream) -> None:
    alice, bob = await backend.user("alice"), await backend.user("bob")
    other = (await alice.chat("Hello")).start["generation_id"]
    foreign = (await bob.chat("Hello")).start["generation_id"]
    ticket = await ticket_of(backend, alice)
    await start(backend, ticket)

    answers = [
        answer
        for generation_id in (other, foreign, str(uuid4()))
        for answer in (await go_on(backend, ticket, f"{generation_id}:1"), await follow(backend, ticket, generation_id))
    ]

    for answer in answers:
        is_refused(answer)
    assert len({str(answer.json() | {"request_id": ""}) for answer in answers}) == 1


async def test_a_post_that_was_refused_leaves_the_ticket_unspent(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    alice, bob = await backend.user("alice"), await backend.user("bob")
    foreign = (await bob.chat("Hello")).start["conversation_id"]
    ticket = await ticket_of(backend, alice)
    upstream.script(Answer(WORDS, hold=True), model="slow")
    async with posting(alice, "Count", model="openai/slow") as running:
        busy = (await running.event()).json["conversation_id"]
        await upstream.requested(2)
        calls = len(upstream.calls)

        for query, status in (
            ({"message": ""}, 422),
            ({"message": None}, 422),
            ({"model": "nobody/knows"}, 422),
            ({"max_tokens": "0"}, 422),
            ({"message": "x" * 10, "parent_id": str(uuid4())}, 422),
            ({"conversation_id": foreign}, 404),
            ({"conversation_id": str(uuid4())}, 404),
            ({"conversation_id": busy, "model": "openai/echo"}, 409),
        ):
            given = {name: value for name, value in ({"message": "Hello"} | query).items() if value is not None}
            refused = await ask(backend, "GET", STREAM, params=given | {"ticket": ticket})
            assert refused.status_code == status, (query, refused.text)
        assert (await go_on(backend, ticket, "garbage")).status_code == 400

        assert len(upstream.calls) == calls
        assert (await start(backend, ticket)).status_code == 200
        await upstream.finish()


async def test_a_ticket_waits_thirty_seconds_for_its_first_use(
    database_kind: str, backend: Backend, database_url: str
) -> None:
    alice = await backend.user()
    generation_id = (await alice.chat("Hello")).start["generation_id"]
    ticket, late = await ticket_of(backend, alice), await ticket_of(backend, alice)
    await age(database_url, ticket, timedelta(seconds=25))
    await age(database_url, late, timedelta(seconds=31))

    is_refused(await start(backend, late))
    is_refused(await follow(backend, late, generation_id))
    is_refused(await go_on(backend, late, f"{generation_id}:1"))
    assert (await start(backend, ticket)).status_code == 200


async def test_a_bound_ticket_ends_after_a_day(backend: Backend, database_url: str) -> None:
    alice = await backend.user()
    ticket = await ticket_of(backend, alice)
    generation_id = Stream.of((await start(backend, ticket)).content).start["generation_id"]
    await age(database_url, ticket, timedelta(hours=23, minutes=59))
    assert (await follow(backend, ticket, generation_id)).status_code == 200
    await age(database_url, ticket, timedelta(hours=24, seconds=1))
    is_refused(await follow(backend, ticket, generation_id))


# Following one that runs already


async def test_a_ticket_follows_one_generation_of_its_owner(
    database_kind: str, backend: Backend, database_url: str
) -> None:
    alice, bob = await backend.user("alice"), await backend.user("bob")
    one, other = [(await alice.chat("Hello")).start["generation_id"] for _ in range(2)]
    foreign = (await bob.chat("Hello")).start["generation_id"]
    ticket = await ticket_of(backend, alice)

    for unknown in (foreign, str(uuid4()), "nonsense"):
        is_problem(await follow(backend, ticket, unknown), 404, "not_found")
    is_problem(await go_on(backend, ticket, f"{foreign}:1"), 404, "not_found")
    beyond = await follow(backend, ticket, one, headers={"Last-Event-ID": f"{one}:100"})
    is_problem(beyond, 400, "invalid_event_id")
    first = await follow(backend, ticket, one)
    await age(database_url, ticket, timedelta(seconds=31))
    again = await follow(backend, ticket, one, headers={"Last-Event-ID": f"{one}:1"})

    assert Stream.of(first.content).text == "You said: Hello"
    assert Stream.of(again.content).seqs == Stream.of(first.content).seqs[1:]
    is_refused(await follow(backend, ticket, other))
    is_refused(await start(backend, ticket))


async def test_a_fresh_ticket_with_an_event_id_resumes_and_starts_nothing(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    generation_id = (await alice.chat("Hello")).start["generation_id"]
    ticket = await ticket_of(backend, alice)

    resumed = await go_on(backend, ticket, f"{generation_id}:1")

    assert Stream.of(resumed.content).text == "You said: Hello"
    is_refused(await start(backend, ticket))
    assert len(upstream.calls) == 1


# What it may do


async def test_a_ticket_may_do_what_its_key_may(database_kind: str, backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    key = await new_key(backend, bearer(alice), scopes=["models:openai/count-*"])
    ticket = await new_ticket(backend, {"X-API-Key": key["key"]})

    is_problem(await start(backend, ticket), 403, "insufficient_scope")
    is_problem(await start(backend, ticket, model="openai/echo"), 403, "insufficient_scope")
    assert upstream.calls == []
    assert Stream.of((await start(backend, ticket, model="openai/count-3")).content).text == "1 2 3 "


async def test_a_ticket_falls_when_what_it_stands_for_has_run_out(
    database_kind: str, backend: Backend, database_url: str
) -> None:
    alice = await backend.user()
    ticket, bound = await ticket_of(backend, alice), await ticket_of(backend, alice)
    generation_id = Stream.of((await start(backend, bound)).content).start["generation_id"]
    assert (await follow(backend, bound, generation_id)).status_code == 200

    await alter(database_url, update(sessions).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))

    is_refused(await start(backend, ticket))
    is_refused(await follow(backend, bound, generation_id))


async def test_no_other_route_takes_a_ticket(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    stream = await alice.chat("Hello")
    ticket = await ticket_of(backend, alice)
    for method, path in (
        ("POST", STREAM),
        ("POST", "/ai/chat"),
        ("POST", f"/ai/generations/{stream.start['generation_id']}/stop"),
        ("GET", "/ai/models"),
        ("GET", "/conversations"),
        ("GET", f"/conversations/{stream.start['conversation_id']}/messages"),
        ("DELETE", f"/conversations/{stream.start['conversation_id']}"),
        ("GET", "/users/me"),
        ("GET", "/users/me/sessions"),
        ("DELETE", "/users/me"),
        ("POST", "/auth/logout"),
    ):
        body = {"json": {"message": "Hello"}} if method == "POST" else {}
        is_refused(await ask(backend, method, path, params={"ticket": ticket}, **body))
    assert (await start(backend, ticket)).status_code == 200
    assert len(upstream.calls) == 2


@pytest.mark.parametrize("name", ["token", "access_token", "api_key", "key", "session", "authorization", "jwt"])
async def test_no_other_credential_is_taken_from_an_address(backend: Backend, upstream: Upstream, name: str) -> None:
    alice = await backend.user()
    generation_id = (await alice.chat("Hello")).start["generation_id"]
    key = await new_key(backend, bearer(alice))
    for secret in (alice.token, key["key"], await ticket_of(backend, alice)):
        for path in (STREAM, f"/ai/generations/{generation_id}/events", "/users/me", "/conversations"):
            is_refused(await ask(backend, "GET", path, params={"message": "Hello", name: secret}))
    for secret in (alice.token, key["key"]):
        is_refused(await start(backend, secret))
    assert len(upstream.calls) == 1


BAD = ["", " ", "x", "x" * 43, "x" * 20_000, "票据", "\x00" * 43, "\u0661" * 43, "' OR 1=1 --", "%", "a" * 42 + "\n"]


@pytest.mark.parametrize("ticket", BAD, ids=lambda ticket: ascii(ticket)[:20])
async def test_what_is_no_ticket_is_401(backend: Backend, upstream: Upstream, ticket: str) -> None:
    alice = await backend.user()
    generation_id = (await alice.chat("Hello")).start["generation_id"]
    cookie = {"Cookie": f"session={alice.token}"}
    for headers in ({}, cookie):  # a bad ticket is not saved by a good cookie
        for path in (STREAM, f"/ai/generations/{generation_id}/events"):
            query = {"message": "Hello", "ticket": ticket}
            answer = await ask(backend, "GET", path, params=query, headers=headers)
            is_refused(answer)
            assert len(answer.content) < 1000
    assert len(upstream.calls) == 1


@pytest.mark.parametrize("query", ["%ff" * 43, "%ed%a0%80" * 14, "%00", "%", "&ticket=", "%F0%9F%98%80"])
async def test_bytes_that_are_no_ticket_are_401(backend: Backend, query: str) -> None:
    is_refused(await ask(backend, "GET", f"{STREAM}?message=Hello&ticket={query}"))


async def test_a_header_wins_over_a_ticket_and_a_ticket_over_the_cookie(backend: Backend) -> None:
    alice, bob = await backend.user("alice"), await backend.user("bob")
    ticket = await ticket_of(backend, alice)
    query = {"message": "Hello", "ticket": ticket}

    by_header = await ask(backend, "GET", STREAM, params=query, headers=bearer(bob))
    bad_header = await ask(backend, "GET", STREAM, params=query, headers={"Authorization": "Bearer x"})
    over_cookie = await ask(backend, "GET", STREAM, params=query, headers={"Cookie": f"session={bob.token}"})

    is_refused(bad_header)
    owners = [[each["id"] for each in (await user.http.get("/conversations")).json()["items"]] for user in (bob, alice)]
    assert owners == [[answer.headers["x-conversation-id"]] for answer in (by_header, over_cookie)]


async def test_a_page_of_another_origin_needs_the_ticket_alone(serve: Serve, upstream: Upstream) -> None:
    backend = await serve(cors_origins="https://app.example.com")
    alice = await backend.user()
    page = {"Origin": "https://app.example.com", "Sec-Fetch-Site": "cross-site"}
    issued = await alice.http.post("/auth/ticket", headers=page)
    assert issued.headers["access-control-allow-origin"] == "https://app.example.com"

    query = {"message": "Hello", "ticket": issued.json()["ticket"]}
    answer = await ask(backend, "GET", STREAM, params=query, headers=page)

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
    assert Stream.of(answer.content).text == "You said: Hello"
    # Under the cookie alone that page may start nothing.
    cookie = {"Cookie": f"session={alice.token}"}
    refused = await ask(backend, "GET", STREAM, params={"message": "Hello"}, headers=page | cookie)
    is_problem(refused, 403, "cross_origin")
    evil = {"Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"}
    read = await ask(backend, "GET", STREAM, params=query, headers=evil)
    assert "access-control-allow-origin" not in read.headers
    assert len(upstream.calls) == 1


# Traces


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that is logged meanwhile, by anybody."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    root, ours = logging.getLogger(), logging.getLogger("app")
    levels = root.level, ours.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    ours.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


async def test_no_ticket_is_ever_logged(backend: Backend, logged: io.StringIO) -> None:
    logging.getLogger("httpx").setLevel(logging.WARNING)  # the tests' own client logs addresses
    alice = await backend.user()
    ticket = await ticket_of(backend, alice)
    generation_id = Stream.of((await start(backend, ticket)).content).start["generation_id"]
    refused = [await start(backend, ticket), await start(backend, "canary-ticket"), await follow(backend, ticket, "x")]
    assert (await follow(backend, ticket, generation_id)).status_code == 200

    text = logged.getvalue()
    assert STREAM in text
    for secret in (ticket, hashlib.sha256(ticket.encode()).hexdigest(), "canary"):
        assert secret not in text
        assert not any(secret in answer.text for answer in refused)


async def test_tickets_are_tidied_away(database_kind: str, backend: Backend, database_url: str) -> None:
    alice = await backend.user()
    fresh, unspent, bound, old = [await ticket_of(backend, alice) for _ in range(4)]
    for ticket in (bound, old):
        assert (await start(backend, ticket)).status_code == 200
    await age(database_url, unspent, timedelta(seconds=61))
    await age(database_url, bound, timedelta(hours=23))
    await age(database_url, old, timedelta(hours=25))

    async with backend.house.database.transaction() as tx:
        await tx.tickets.forget_expired()

    left = {row["ticket_hash"] for row in await rows(database_url, select(tickets.c.ticket_hash))}
    assert left == {hashlib.sha256(ticket.encode()).hexdigest() for ticket in (fresh, bound)}


async def test_event_source_that_lost_its_connection_reads_every_event_once(
    backend: Backend, upstream: Upstream
) -> None:
    alice = await backend.user()
    nobody = await backend.user("nobody")
    nobody.http.headers.pop("Authorization")
    upstream.script(Answer(tuple(f"{n} " for n in range(20)), hold=True))
    query = {"message": "Count", "ticket": await ticket_of(backend, alice)}
    seen, last_id = [], ""
    for cut_after in (1, 4, 3, 5):
        sent = {"Last-Event-ID": last_id} if last_id else {}
        async with Follower(nobody, "GET", STREAM, params=query, headers=sent) as follower:
            await upstream.release(cut_after)
            stream = await follower.until(lambda stream, n=cut_after: len(stream.events) >= n)  # type: ignore[misc]  # mypy knows no default of a lambda
            seen += stream.events[:cut_after]
            last_id = seen[-1].id
    await upstream.finish()
    seen += Stream.of(
        (await ask(backend, "GET", STREAM, params=query, headers={"Last-Event-ID": last_id})).content
    ).events

    assert [event.json["seq"] for event in seen] == list(range(1, len(seen) + 1))
    assert Stream(seen).text == "".join(f"{n} " for n in range(20))
