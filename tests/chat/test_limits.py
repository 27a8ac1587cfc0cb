"""One answer at a time in a conversation, and only so many of a user and of an instance."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.backend import Backend, User
from tests.chat.reading import eventually, posting, reading
from tests.conftest import Serve
from tests.sse import Stream
from tests.upstream import Answer, Refuse, Reset, Silence, Upstream

WORDS = ("One ", "two ", "three")
HELD = Answer(WORDS, hold=True)


async def test_a_second_post_to_a_conversation_is_409_while_the_first_is_answered(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    alice = await backend.user()
    conversation_id = (await alice.chat("Hello")).start["conversation_id"]
    upstream.script([HELD, Answer(WORDS)])
    async with posting(alice, "Count", conversation_id=conversation_id) as reader:
        await reader.event()
        body = {"message": "And now?", "conversation_id": conversation_id}
        for refused in (
            await alice.http.post("/ai/chat/stream", json=body),
            await alice.http.post("/ai/chat", json=body),
            await alice.http.get("/ai/chat/stream", params=body),
        ):
            _is_problem(refused, 409, "conversation_busy")
        assert len(upstream.calls) == 2
        await upstream.finish()
        await reader.rest()
    assert (await alice.chat("And now?", conversation_id=conversation_id)).done["status"] == "complete"
    contents = [message["content"] for message in await alice.messages(conversation_id)]
    assert contents == ["Hello", "You said: Hello", "Count", "One two three", "And now?", "One two three"]


async def test_of_many_posts_to_a_conversation_at_once_exactly_one_wins(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    alice = await backend.user()
    conversation_id = (await alice.chat("Hello")).start["conversation_id"]
    upstream.script(HELD)
    posts = [asyncio.create_task(_post(alice, f"{n}", conversation_id=conversation_id)) for n in range(6)]

    async with asyncio.timeout(10):
        while len(refused := [post.result() for post in posts if post.done()]) < 5:
            await asyncio.sleep(0.01)

    for response in refused:
        _is_problem(response, 409, "conversation_busy")
    await upstream.requested(2)
    assert len(upstream.calls) == 2
    await upstream.finish()
    (answered,) = [response for response in await asyncio.gather(*posts) if response not in refused]
    assert Stream.of(answered.content).text == "One two three"
    assert len(await alice.messages(conversation_id)) == 4


@pytest.mark.parametrize("database_kind", ["postgresql", "mariadb"])
async def test_of_two_posts_to_a_conversation_on_two_instances_exactly_one_wins(
    database_kind: str, serve: Serve, upstream: Upstream
) -> None:
    one, other = await serve(), await serve()
    here, there = await one.user(), await other.user()
    conversation_id = (await here.chat("Hello")).start["conversation_id"]
    upstream.script(HELD)
    for turn in range(5):
        posts = [asyncio.create_task(_post(user, "Count", conversation_id=conversation_id)) for user in (here, there)]
        call = await upstream.requested(2 + turn)
        await asyncio.wait(posts, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        await upstream.finish(request=call)
        responses = await asyncio.gather(*posts)
        assert sorted(response.status_code for response in responses) == [200, 409]
    assert len(await here.messages(conversation_id)) == 12


async def test_a_user_has_only_so_many_answers_written_at_once(serve: Serve, upstream: Upstream) -> None:
    backend = await serve(max_concurrent_generations_per_user=2)
    alice, bob = await backend.user("alice"), await backend.user("bob")
    upstream.script([HELD, HELD, Answer(WORDS)])
    async with posting(alice, "One") as one, posting(alice, "Two") as two:
        await one.event()
        await two.event()
        await upstream.requested(2)
        for refused in (
            await _post(alice, "Three"),
            await alice.http.post("/ai/chat", json={"message": "Three"}),
            await alice.http.get("/ai/chat/stream", params={"message": "Three"}),
        ):
            _is_too_many(refused)
        assert (await bob.chat("Hello")).text == "One two three"
        assert len(upstream.calls) == 3
        assert len((await alice.http.get("/conversations")).json()["items"]) == 2


async def test_an_instance_has_only_so_many_answers_written_at_once(serve: Serve, upstream: Upstream) -> None:
    backend = await serve(max_concurrent_generations=2)
    alice, bob = await backend.user("alice"), await backend.user("bob")
    upstream.script([HELD, HELD, Answer(WORDS)])
    async with posting(alice, "One") as one, posting(bob, "Two") as two:
        await one.event()
        await two.event()
        await upstream.requested(2)
        _is_too_many(await _post(alice, "Three"))
        _is_too_many(await _post(bob, "Three"))
        await upstream.finish(request=upstream.calls[0])
        await upstream.finish(request=upstream.calls[1])
        await one.rest()
        await two.rest()
    await _can_post(alice)


async def test_of_many_posts_of_a_user_at_once_only_as_many_as_the_limit_start(
    database_kind: str, serve: Serve, upstream: Upstream
) -> None:
    backend = await serve(max_concurrent_generations_per_user=3)
    upstream.script(HELD)
    alice = await backend.user()
    posts = [asyncio.create_task(_post(alice, f"{n}")) for n in range(10)]
    async with asyncio.timeout(20):
        while sum(post.done() for post in posts) < 7 or len(upstream.calls) < 3:
            await asyncio.sleep(0.01)
    for call in upstream.calls:
        await upstream.finish(request=call)
    responses = await asyncio.gather(*posts)
    assert sorted(response.status_code for response in responses) == [200] * 3 + [429] * 7
    assert len(upstream.calls) == 3


@pytest.mark.parametrize(
    ("what", "scenario"),
    [
        ("complete", Answer(WORDS)),
        ("refused by the upstream", Refuse(401)),
        ("broken off", Answer(WORDS, fault=Reset(after=2))),
        ("empty", Answer(())),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_place_is_free_again_when_an_answer_has_ended(
    serve: Serve, upstream: Upstream, what: str, scenario: Answer | Refuse
) -> None:
    backend = await serve(max_concurrent_generations_per_user=1, max_concurrent_generations=1)
    alice = await backend.user()
    upstream.script(scenario)
    for _ in range(3):
        await _can_post(alice)


async def test_a_place_is_free_again_when_an_answer_was_stopped(serve: Serve, upstream: Upstream) -> None:
    backend = await serve(max_concurrent_generations_per_user=1, max_concurrent_generations=1)
    alice = await backend.user()
    for scenario in (HELD, Silence()):
        upstream.script([scenario, Answer(WORDS)])
        called = len(upstream.calls)
        async with posting(alice, "Count") as reader:
            generation_id = (await reader.event()).json["generation_id"]
            await upstream.requested(called + 1)
            assert (await alice.http.post(f"/ai/generations/{generation_id}/stop")).status_code == 202
            await reader.rest()
        await _can_post(alice)


async def test_a_place_is_free_again_when_a_deleted_conversation_took_the_answer_with_it(
    serve: Serve, upstream: Upstream
) -> None:
    backend = await serve(max_concurrent_generations_per_user=1)
    alice = await backend.user()
    upstream.script([HELD, Answer(WORDS)])
    async with posting(alice, "Count") as reader:
        conversation_id = (await reader.event()).json["conversation_id"]
        await upstream.requested()  # else the next call would be the one that is held
        assert (await alice.http.delete(f"/conversations/{conversation_id}")).status_code == 204
    await _can_post(alice)


async def test_a_refused_post_takes_no_place(database_kind: str, serve: Serve, upstream: Upstream) -> None:
    backend = await serve(max_concurrent_generations_per_user=2, max_concurrent_generations=2)
    alice = await backend.user()
    upstream.script([Answer(WORDS), HELD, Answer(WORDS)])
    known = (await alice.chat("Hello")).start["conversation_id"]
    async with posting(alice, "Count", conversation_id=known) as reader:
        await reader.event()
        for _ in range(3):
            _is_problem(await _post(alice, "Hello", conversation_id=known), 409, "conversation_busy")
            _is_problem(await _post(alice, "Hello", conversation_id=str(uuid4())), 404, "not_found")
            _is_problem(await _post(alice, "Hello", model="nobody-has-this"), 422, "unknown_model")
        await upstream.finish()
        await reader.rest()
    for _ in range(3):
        _is_problem(await _post(alice, "Hello", conversation_id=known, parent_id=str(uuid4())), 404, "not_found")
    upstream.script(HELD)
    async with posting(alice, "One") as one, posting(alice, "Two") as two:
        await one.event()
        await two.event()


async def test_reading_takes_no_place(serve: Serve, upstream: Upstream) -> None:
    backend = await serve(max_concurrent_generations_per_user=1, max_concurrent_generations=1)
    alice = await backend.user()
    upstream.script(HELD)
    async with posting(alice, "Count") as first:
        generation_id = (await first.event()).json["generation_id"]
        path = f"/ai/generations/{generation_id}/events"
        async with reading(alice, "GET", path) as second, reading(alice, "GET", path) as third:
            assert (await second.event()).json == (await third.event()).json
            log = backend.house.engine.log(generation_id)
            assert log is not None
    await eventually(lambda: not log.followed)
    await upstream.finish()


async def _can_post(user: User) -> None:
    """A place that was taken is free within a moment."""
    async with asyncio.timeout(5):
        while (response := await _post(user, "Hello")).status_code == 429:
            await asyncio.sleep(0.01)
    assert response.status_code == 200, response.text


async def _post(user: User, message: str, **body: Any) -> httpx.Response:
    return await user.http.post("/ai/chat/stream", json={"message": message, **body})


def _is_too_many(response: httpx.Response) -> None:
    _is_problem(response, 429, "too_many_generations")
    assert int(response.headers["retry-after"]) >= 1
    assert int(response.headers["ratelimit-limit"]) in (1, 2, 3)
    assert response.headers["ratelimit-remaining"] == "0"
    assert response.headers["ratelimit-reset"] == response.headers["retry-after"]


def _is_problem(response: httpx.Response, status: int, code: str) -> None:
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["request_id"] == response.headers["x-request-id"]
