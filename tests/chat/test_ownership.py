"""What another user owns is answered just as what does not exist: of chat, beside what `tests.access` proves of all."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.backend import Backend, User
from tests.chat.reading import follow, posting
from tests.upstream import Answer, Upstream

SECRET = "the secret of Alice"

# A body that would be taken, for the routes with an id that need one.
BODIES: Mapping[str, Any] = {
    "PATCH /conversations/{conversation_id}": {"title": "Bob's now"},
    "POST /conversations/{conversation_id}/messages/{message_id}/edit": {"message": "Bob's now"},
    "PUT /conversations/{conversation_id}/messages/{message_id}/feedback": {"rating": -1},
}
CHAT = ("POST /ai/chat/stream", "POST /ai/chat", "GET /ai/chat/stream")


@dataclass(frozen=True)
class Owned:
    """What Alice has, by the names of path parameters: first what is finished, then what is being written."""

    ids: Mapping[str, Sequence[str]]

    @property
    def conversations(self) -> Sequence[str]:
        return self.ids["conversation_id"]


@pytest.fixture
async def alice(backend: Backend) -> User:
    return await backend.user("alice")


@pytest.fixture
async def bob(backend: Backend) -> User:
    return await backend.user("bob")


@pytest.fixture
async def owned(upstream: Upstream, alice: User) -> AsyncIterator[Owned]:
    """After each test all of it is as it was, and the answer that is being written goes on to its end."""
    upstream.script([Answer((SECRET,)), Answer((SECRET, " so far", ", whole"), hold=True), Answer(("Fine",))])
    start = (await alice.chat(SECRET)).start
    async with posting(alice, SECRET) as reader:
        running = (await reader.event()).json
        await upstream.release(2)
        await reader.events(2)
        ids = {name: (start[name], running[name]) for name in ("conversation_id", "generation_id", "message_id")}
        before = await _everything(alice, ids)
        yield Owned(ids)
        assert await _everything(alice, ids) == before
        await upstream.finish(request=upstream.calls[1])
        assert (await reader.rest())[-1].json["status"] == "complete"


async def test_also_while_it_is_written_what_is_foreign_is_answered_as_what_is_unknown(
    alice: User, bob: User, owned: Owned
) -> None:
    asked = 0
    for route in await _routes(alice):
        for parameter in re.findall(r"{(\w+)}", route):
            if parameter not in owned.ids:
                continue  # tests/access has all of them
            unknown = await _call(bob, route, {parameter: str(uuid4())})
            assert unknown.status_code == 404, (route, unknown.text)
            for foreign in owned.ids[parameter]:
                response = await _call(bob, route, {parameter: foreign})
                assert _seen(response) == _seen(unknown), route
                asked += 1
    assert asked >= 12


@pytest.mark.parametrize("route", CHAT)
async def test_nobody_posts_to_a_foreign_conversation(bob: User, owned: Owned, upstream: Upstream, route: str) -> None:
    unknown = await _chat(bob, route, conversation_id=str(uuid4()))
    assert unknown.status_code == 404
    for conversation_id in owned.conversations:
        assert _seen(await _chat(bob, route, conversation_id=conversation_id)) == _seen(unknown)
        parent_id = owned.ids["message_id"][0]
        continued = await _chat(bob, route, conversation_id=conversation_id, parent_id=parent_id)
        assert _seen(continued) == _seen(unknown)
        keyed = await _chat(bob, route, {"Idempotency-Key": "a"}, conversation_id=conversation_id)
        assert _seen(keyed) == _seen(unknown)
    assert len(upstream.calls) == 2
    assert (await bob.http.get("/conversations")).json()["items"] == []


@pytest.mark.parametrize("route", CHAT)
async def test_nobody_continues_from_a_message_of_another_conversation(
    bob: User, owned: Owned, upstream: Upstream, route: str
) -> None:
    mine, other = [(await bob.chat("Hello")).start for _ in range(2)]
    calls = len(upstream.calls)
    conversation_id = mine["conversation_id"]
    before = await bob.messages(conversation_id)
    unknown = await _chat(bob, route, conversation_id=conversation_id, parent_id=str(uuid4()))
    assert unknown.status_code == 404
    for parent_id in (*owned.ids["message_id"], other["message_id"]):
        response = await _chat(bob, route, conversation_id=conversation_id, parent_id=parent_id)
        assert _seen(response) == _seen(unknown)
    assert await bob.messages(conversation_id) == before
    assert len(upstream.calls) == calls


async def test_nobody_lists_a_branch_that_ends_in_a_message_of_another_conversation(bob: User, owned: Owned) -> None:
    mine, other = [(await bob.chat("Hello")).start for _ in range(2)]
    path = f"/conversations/{mine['conversation_id']}/messages"
    unknown = await bob.http.get(path, params={"leaf": str(uuid4())})
    assert unknown.status_code == 404
    for leaf in (*owned.ids["message_id"], other["message_id"]):
        assert _seen(await bob.http.get(path, params={"leaf": leaf})) == _seen(unknown)


async def test_nobody_resumes_a_foreign_generation(bob: User, owned: Owned) -> None:
    for seq in (0, 1, 999):
        unknown = await _chat(bob, "GET /ai/chat/stream", {"Last-Event-ID": f"{uuid4()}:{seq}"})
        assert unknown.status_code == 404
        for generation_id in owned.ids["generation_id"]:
            sent = {"Last-Event-ID": f"{generation_id}:{seq}"}
            assert _seen(await _chat(bob, "GET /ai/chat/stream", sent)) == _seen(unknown)
            path = f"/ai/generations/{generation_id}/events"
            for response in (
                await bob.http.get(path, headers=sent),
                await bob.http.get(path, params={"after": str(seq)}),
            ):
                assert response.status_code == 404
                assert SECRET not in response.text


async def test_the_key_of_another_user_opens_nothing(alice: User, bob: User, upstream: Upstream) -> None:
    upstream.script([Answer((SECRET,)), Answer(("Fine",))])
    key = {"Idempotency-Key": "guessed"}
    await alice.chat("Hello", headers=key)
    assert (await bob.chat("Hello", headers=key)).text == "Fine"


async def test_lists_hold_only_what_is_ones_own(bob: User, owned: Owned) -> None:
    mine = (await bob.chat("Hello")).start["conversation_id"]
    listed = await bob.http.get("/conversations", params={"limit": 100})
    assert [each["id"] for each in listed.json()["items"]] == [mine]
    assert SECRET not in listed.text


async def _routes(user: User) -> list[str]:
    """Every `METHOD /path` that the API description has."""
    paths = (await user.http.get("/openapi.json")).json()["paths"]
    return [f"{method.upper()} {path}" for path, operations in paths.items() for method in operations]


async def _call(user: User, route: str, parameters: Mapping[str, str]) -> httpx.Response:
    """`route` with this one parameter of its path; the others are anybody's."""
    method, _, path = route.partition(" ")
    path = re.sub(r"{(\w+)}", lambda found: parameters.get(found[1], str(uuid4())), path)
    return await user.http.request(method, path, json=BODIES.get(route))


async def _chat(user: User, route: str, headers: Mapping[str, str] | None = None, **fields: str) -> httpx.Response:
    method, _, path = route.partition(" ")
    given = {"message": "Hello", **fields}
    if method == "GET":
        return await user.http.get(path, params=given, headers=headers)
    return await user.http.post(path, json=given, headers=headers)


def _seen(response: httpx.Response) -> tuple[int, dict[str, Any]]:
    """All that a client sees but for the request's own id."""
    return response.status_code, {**response.json(), "request_id": None}


async def _everything(user: User, ids: Mapping[str, Sequence[str]]) -> list[Any]:
    return [
        (await user.http.get("/conversations")).json()["items"],
        *[await user.messages(conversation_id) for conversation_id in ids["conversation_id"]],
        (await follow(user, ids["generation_id"][0])).events,
    ]
