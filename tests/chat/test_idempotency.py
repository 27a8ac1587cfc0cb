"""A retry with the same Idempotency-Key gets the first outcome, never a second one."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.backend import Backend, User
from tests.chat.reading import posting
from tests.conftest import Serve
from tests.sse import Event, Stream
from tests.upstream import Answer, Refuse, Reset, Upstream

KEY = {"Idempotency-Key": "2f1c-first"}
OTHER_KEY = {"Idempotency-Key": "2f1c-other"}
WORDS = ("One ", "two ", "three")
TEXT = "".join(WORDS)
ROUTES = ["/ai/chat/stream", "/ai/chat"]


# A stream: the same generation, from its start


async def test_a_retry_while_it_runs_follows_the_same_generation_from_its_start(
    backend: Backend, upstream: Upstream
) -> None:
    upstream.script(Answer(WORDS, hold=True))
    alice = await backend.user()
    async with posting(alice, "Count", headers=KEY) as first:
        before = [await first.event()]
        await upstream.release(2)
        before += await first.events(2)
        async with posting(alice, "Count", headers=KEY) as retry:
            assert await retry.events(3) == before
            await upstream.finish()
            ended = await first.rest()
            assert await retry.rest() == ended
    assert Stream([*before, *ended]).text == TEXT
    assert len(upstream.calls) == 1


async def test_a_retry_after_a_lost_connection_gets_the_whole_answer(backend: Backend, upstream: Upstream) -> None:
    upstream.script(Answer(WORDS, hold=True))
    alice = await backend.user()
    async with posting(alice, "Count", headers=KEY) as first:
        start = await first.event()
    await upstream.finish()
    retry = await alice.chat("Count", headers=KEY)
    assert (retry.start, retry.text) == (start.json, TEXT)
    assert len(upstream.calls) == 1


async def test_a_retry_after_the_end_gets_the_same_events(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    alice = await backend.user()
    first = await alice.chat("Hello", headers=KEY)
    for _ in range(3):
        assert (await alice.chat("Hello", headers=KEY)).events == first.events
    assert len(upstream.calls) == 1
    assert len(await alice.messages(first.start["conversation_id"])) == 2


@pytest.mark.parametrize("conversation", ["a new conversation", "one that goes on"])
async def test_twenty_at_once_begin_one_generation_and_all_read_it(
    database_kind: str, backend: Backend, upstream: Upstream, conversation: str
) -> None:
    alice = await backend.user()
    body = {}
    if conversation == "one that goes on":
        body["conversation_id"] = (await alice.chat("Hello")).start["conversation_id"]
        upstream.reset()
    upstream.script(Answer(WORDS, delay=0.02))

    streams = await asyncio.gather(*(alice.chat("Count", headers=KEY, **body) for _ in range(20)))

    assert streams[0].text == TEXT
    assert all(stream.events == streams[0].events for stream in streams)
    assert len(upstream.calls) == 1
    assert len((await alice.http.get("/conversations")).json()["items"]) == 1


@pytest.mark.parametrize("database_kind", ["postgresql", "mariadb"])
async def test_at_once_on_two_instances_begin_one_generation(
    database_kind: str, serve: Serve, upstream: Upstream
) -> None:
    one, other = await serve(checkpoint_seconds=0.1), await serve(checkpoint_seconds=0.1)
    here, there = await one.user(), await other.user()
    conversation_id = (await here.chat("Hello")).start["conversation_id"]
    for attempt in range(3):
        upstream.reset()
        key = {"Idempotency-Key": f"attempt {attempt}"}
        streams = await asyncio.gather(
            *(user.chat("Count", headers=key, conversation_id=conversation_id) for user in (here, there) * 4)
        )
        assert all(stream.events == streams[0].events for stream in streams)
        assert len(upstream.calls) == 1


# A whole reply: 409 while the first runs, then the same


async def test_a_retry_of_a_whole_reply_is_409_while_the_first_runs_and_then_the_same(
    backend: Backend, upstream: Upstream
) -> None:
    upstream.script(Answer(WORDS, hold=True))
    alice = await backend.user()
    first = asyncio.create_task(_reply(alice, {"message": "Count"}))
    await upstream.release()
    running = await _reply(alice, {"message": "Count"})
    _is_problem(running, 409, "idempotency_in_progress")
    assert int(running.headers["retry-after"]) >= 1
    await upstream.finish()
    answered = await first
    assert (answered.status_code, answered.json()["reply"]) == (200, TEXT)
    retry = await _reply(alice, {"message": "Count"})
    assert (retry.status_code, retry.json()) == (200, answered.json())
    assert len(upstream.calls) == 1


async def test_twenty_that_wait_for_the_whole_reply_at_once_begin_one_generation(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    upstream.script(Answer(WORDS, delay=0.05))
    alice = await backend.user()
    replies = await asyncio.gather(*(_reply(alice, {"message": "Count"}) for _ in range(20)))
    assert {reply.status_code for reply in replies} <= {200, 409}
    assert {reply.json()["code"] for reply in replies if reply.status_code == 409} <= {"idempotency_in_progress"}
    (answered, *others) = [reply.json() for reply in replies if reply.status_code == 200]
    assert answered["reply"] == TEXT
    assert all(other == answered for other in others)
    assert len(upstream.calls) == 1


@pytest.mark.parametrize("fault", [Refuse(401), Answer(WORDS, fault=Reset(after=2))], ids=["at once", "in the middle"])
async def test_a_failure_is_replayed_and_not_tried_again(
    backend: Backend, upstream: Upstream, fault: Refuse | Answer
) -> None:
    upstream.script([fault, fault, Answer(WORDS)])
    alice = await backend.user()
    stream = await alice.chat("Count", headers=KEY)
    assert stream.done["status"] == "failed"
    reply = await _reply(alice, {"message": "Count"})
    assert reply.status_code == 502
    calls = len(upstream.calls)

    assert (await alice.chat("Count", headers=KEY)).events == stream.events
    again = await _reply(alice, {"message": "Count"})
    assert again.status_code == 502
    assert _but_for_request_id(again) == _but_for_request_id(reply)
    assert len(upstream.calls) == calls


async def test_a_stopped_answer_is_replayed_as_it_was_left(backend: Backend, upstream: Upstream) -> None:
    upstream.script(Answer(WORDS, hold=True))
    alice = await backend.user()
    async with posting(alice, "Count", headers=KEY) as first:
        start = await first.event()
        await upstream.release()
        await first.event()
        await alice.http.post(f"/ai/generations/{start.json['generation_id']}/stop")
        events: list[Event] = [*await first.rest()]
    retry = await alice.chat("Count", headers=KEY)
    assert retry.done["status"] == "stopped"
    assert retry.events[2:] == events
    assert len(upstream.calls) == 1


# Which bodies are the same


SAME = {
    "another order of keys": b'{"temperature": 0.5, "message": "Hi \\u4f60"}',
    "other white space and escapes": '\n{ "message" :"Hi 你",\t"temperature":5e-1 }  '.encode(),
    "defaults spelled out": json.dumps(
        {
            "message": "Hi 你",
            "temperature": 0.5,
            "conversation_id": None,
            "model": None,
            "system_prompt": None,
            "max_tokens": 4096,
            "file_ids": [],
            "collection": None,
            "parent_id": None,
        }
    ).encode(),
    "empty for absent": b'{"message": "Hi \\u4f60", "temperature": 0.5, "model": "", "conversation_id": ""}',
}


@pytest.mark.parametrize("route", ROUTES)
async def test_the_same_body_in_another_spelling_is_the_same(backend: Backend, upstream: Upstream, route: str) -> None:
    alice = await backend.user()
    first = await _post(alice, route, b'{"message": "Hi \\u4f60", "temperature": 0.5}')
    for what, body in SAME.items():
        retry = await _post(alice, route, body)
        assert (retry.status_code, retry.content) == (200, first.content), what
    assert len(upstream.calls) == 1


@pytest.mark.parametrize("route", ROUTES)
async def test_another_body_under_a_used_key_is_refused(backend: Backend, upstream: Upstream, route: str) -> None:
    alice = await backend.user()
    first = await alice.http.post(route, json={"message": "Hello"}, headers=KEY)
    assert first.status_code == 200
    conversation_id = first.headers.get("x-conversation-id") or first.json()["conversation_id"]
    for other in (
        {"message": "Hello "},
        {"message": "Hello", "temperature": 0},
        {"message": "Hello", "max_tokens": 4095},
        {"message": "Hello", "conversation_id": conversation_id},
    ):
        refused = await alice.http.post(route, json=other, headers=KEY)
        _is_problem(refused, 422, "idempotency_key_reused")
    assert len(upstream.calls) == 1


# What is recorded, and for whom


@pytest.mark.parametrize("route", ROUTES)
async def test_what_was_refused_before_it_was_acknowledged_is_not_recorded(
    backend: Backend, upstream: Upstream, route: str
) -> None:
    alice = await backend.user()
    for refused, status, code in (
        ({"message": "Hello", "model": "nobody-has-this"}, 422, "unknown_model"),
        ({"message": " "}, 422, "validation_error"),
        ({"message": "Hello", "max_tokens": 0}, 422, "validation_error"),
        ({"message": "Hello", "conversation_id": "0197c0de-0000-7000-8000-000000000000"}, 404, "not_found"),
    ):
        _is_problem(await alice.http.post(route, json=refused, headers=KEY), status, code)
    corrected = await alice.http.post(route, json={"message": "Hello"}, headers=KEY)
    assert corrected.status_code == 200
    assert len(upstream.calls) == 1


async def test_what_a_limit_refused_is_not_recorded(serve: Serve, upstream: Upstream) -> None:
    backend = await serve(max_concurrent_generations_per_user=1)
    upstream.script([Answer(WORDS, hold=True), Answer(WORDS)])
    alice = await backend.user()
    async with posting(alice, "Count") as reader:
        await reader.event()
        refused = await alice.http.post("/ai/chat/stream", json={"message": "Hello"}, headers=KEY)
        _is_problem(refused, 429, "too_many_generations")
        await upstream.finish()
        await reader.rest()
    assert (await alice.chat("Something else", headers=KEY)).text == TEXT


async def test_a_key_is_looked_up_before_limits_and_before_the_busy_check(serve: Serve, upstream: Upstream) -> None:
    backend = await serve(max_concurrent_generations_per_user=1, max_concurrent_generations=1)
    alice = await backend.user()
    conversation_id = (await alice.chat("Hello")).start["conversation_id"]
    upstream.script(Answer(WORDS, hold=True))
    async with posting(alice, "Count", conversation_id=conversation_id, headers=KEY) as first:
        start = await first.event()
        async with posting(alice, "Count", conversation_id=conversation_id, headers=KEY) as retry:
            assert await retry.event() == start
            reused = await alice.http.post("/ai/chat/stream", json={"message": "Other"}, headers=KEY)
            _is_problem(reused, 422, "idempotency_key_reused")
            await upstream.finish()
            assert await retry.rest() == await first.rest()
    assert len(upstream.calls) == 2


async def test_the_same_key_of_another_user_or_for_another_route_is_another_key(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    alice, bob = await backend.user("alice"), await backend.user("bob")
    streamed = await alice.chat("Hello", headers=KEY)
    of_bob = await bob.chat("Hello", headers=KEY)
    whole = await _reply(alice, {"message": "Hello"})
    other = await alice.chat("Hello", headers=OTHER_KEY)
    ids = {stream.start["generation_id"] for stream in (streamed, of_bob, other)} | {whole.json()["generation_id"]}
    assert len(ids) == len(upstream.calls) == 4
    assert (await alice.chat("Hello", headers=KEY)).start == streamed.start
    assert (await bob.chat("Hello", headers=KEY)).start == of_bob.start


async def test_without_a_key_each_post_is_a_new_one(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    assert (await alice.chat("Hello")).start != (await alice.chat("Hello")).start
    assert len(upstream.calls) == 2


BAD_KEYS = {
    "empty": b"",
    "256 characters": b"k" * 256,
    "a control character": b"one\ttwo",
    "not ASCII": "schlüssel".encode(),
}


@pytest.mark.parametrize("route", ROUTES)
async def test_a_key_that_is_none_is_refused(backend: Backend, upstream: Upstream, route: str) -> None:
    alice = await backend.user()
    for what, key in BAD_KEYS.items():
        response = await alice.http.post(route, json={"message": "Hello"}, headers={b"Idempotency-Key": key})
        assert response.status_code == 422, (what, response.text)
        _is_problem(response, 422, "validation_error")
    assert upstream.calls == []
    longest = await alice.http.post(route, json={"message": "Hello"}, headers={"Idempotency-Key": "k" * 255})
    assert longest.status_code == 200


async def _reply(user: User, body: Mapping[str, Any]) -> httpx.Response:
    return await user.http.post("/ai/chat", json=body, headers=KEY)


async def _post(user: User, route: str, body: bytes) -> httpx.Response:
    return await user.http.post(route, content=body, headers={**KEY, "Content-Type": "application/json"})


def _but_for_request_id(response: httpx.Response) -> dict[str, Any]:
    return {name: value for name, value in response.json().items() if name != "request_id"}


def _is_problem(response: httpx.Response, status: int, code: str) -> None:
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"
