"""Conversations as their owner finds them: titled, listed, read, renamed, deleted."""

import asyncio
import base64
import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.backend import Backend, User
from tests.chat.reading import posting
from tests.conftest import Serve
from tests.upstream import Answer, Upstream

WORDS = ("One ", "two ", "three")


# Titles


TITLES = {
    "Hello": "Hello",
    "你好，" * 40: ("你好，" * 40)[:50],
    "👩" * 60: "👩" * 50,
    "Two\nlines and \t a\u2028third": "Two lines and a third",
    " \n" * 300 + "after much white space": "after much white space",
    "x" * 49 + " cut at the space": "x" * 49,
    "a " * 100: ("a " * 25).rstrip(),
    "<b>{{7*7}}</b>": "<b>{{7*7}}</b>",
}


async def test_a_conversation_is_titled_from_its_first_message_on_one_line(backend: Backend) -> None:
    alice = await backend.user()
    for message, title in TITLES.items():
        conversation_id = (await alice.chat(message)).start["conversation_id"]
        await alice.chat("And then?", conversation_id=conversation_id)
        assert (await _get(alice, conversation_id))["title"] == title


async def test_a_conversation_is_there_with_its_title_while_the_first_answer_is_written(
    backend: Backend, upstream: Upstream
) -> None:
    upstream.script(Answer(WORDS, hold=True))
    alice = await backend.user()
    async with posting(alice, "Count") as reader:
        start = (await reader.event()).json
        (listed,) = (await alice.http.get("/conversations")).json()["items"]
    assert listed.keys() >= {"id", "title", "model", "created_at", "updated_at", "leaf_id"}
    assert (listed["id"], listed["title"], listed["model"]) == (start["conversation_id"], "Count", "openai/echo")
    assert listed["created_at"].endswith(("Z", "+00:00"))
    assert await _get(alice, start["conversation_id"]) == listed
    await upstream.finish()


# The list


async def test_the_conversation_used_last_is_listed_first(database_kind: str, backend: Backend) -> None:
    alice = await backend.user()
    first, second, third = [(await alice.chat(f"{n}")).start["conversation_id"] for n in range(3)]
    assert await _listed(alice) == [third, second, first]
    before = await _get(alice, first)
    await alice.chat("And then?", conversation_id=first)
    assert await _listed(alice) == [first, third, second]
    used = await _get(alice, first)
    assert used["created_at"] == before["created_at"]
    assert used["updated_at"] > before["updated_at"]


async def test_renaming_is_no_use(backend: Backend) -> None:
    alice = await backend.user()
    first, second = [(await alice.chat(f"{n}")).start["conversation_id"] for n in range(2)]
    await alice.http.patch(f"/conversations/{first}", json={"title": "Renamed"})
    assert await _listed(alice) == [second, first]


async def test_pages_hold_every_conversation_once(database_kind: str, backend: Backend) -> None:
    alice, bob = await backend.user("alice"), await backend.user("bob")
    known = []
    for n in range(7):
        known.append((await alice.chat(f"{n}")).start["conversation_id"])
        if n % 3 == 0:
            await bob.chat("Hello")
    for limit in (1, 3, 7, 8):
        pages = [page async for page in _pages(alice, "/conversations", limit)]
        assert [each["id"] for page in pages for each in page] == known[::-1]
        assert all(len(page) == limit for page in pages[:-1])
        assert len(pages) == -(-7 // limit)


async def test_pages_stay_in_place_while_new_conversations_begin_and_others_go(backend: Backend) -> None:
    alice = await backend.user()
    known = [(await alice.chat(f"{n}")).start["conversation_id"] for n in range(5)]
    first = (await alice.http.get("/conversations", params={"limit": 2})).json()
    assert [each["id"] for each in first["items"]] == [known[4], known[3]]
    await alice.chat("A new one")
    await alice.http.delete(f"/conversations/{known[3]}")
    second = (await alice.http.get("/conversations", params={"cursor": first["next_cursor"]})).json()
    assert [each["id"] for each in second["items"]] == [known[2], known[1], known[0]]
    assert second["next_cursor"] is None


async def test_who_has_no_conversations_has_an_empty_list(backend: Backend) -> None:
    alice = await backend.user()
    assert (await alice.http.get("/conversations")).json() == {"items": [], "next_cursor": None}


async def test_a_limit_or_a_cursor_that_is_none_is_refused(database_kind: str, backend: Backend) -> None:
    alice = await backend.user()
    conversation_id = (await alice.chat("Hello")).start["conversation_id"]
    await _refuses_bad_pages(alice, "/conversations")
    await _refuses_bad_pages(alice, f"/conversations/{conversation_id}/messages")


async def _refuses_bad_pages(alice: User, path: str) -> None:
    for limit in ("0", "-1", "501", "abc", "1.5", str(2**63)):
        _is_problem(await alice.http.get(path, params={"limit": limit}), 422, "validation_error")
    first = await alice.http.get(path, params={"limit": "", "cursor": ""})
    assert first.json() == (await alice.http.get(path)).json(), "what is empty was left out"
    for cursor in (
        "abc",
        "你好",
        "-1",
        "9" * 50,
        "\x00",
        _encoded("2026-01-01T00:00:00+00:00"),
        _encoded("2026-01-01T00:00:00|" + "x" * 36),
        _encoded("2026-01-01T00:00:00+00:00|' OR 1=1 --"),
        _encoded("2026-01-01T00:00:00+00:00|" + "\x00" * 36),
        _encoded("0001-01-01T00:00:00+23:59|" + str(uuid4())),
        _encoded("9999-12-31T23:59:59-23:59|" + str(uuid4())),
        _encoded("yesterday|" + str(uuid4())),
    ):
        _is_problem(await alice.http.get(path, params={"cursor": cursor}), 422, "invalid_cursor")
    _is_problem(await alice.http.get(path, params={"cursor": "x" * 201}), 422, "validation_error")


# Renaming


async def test_a_conversation_is_renamed(database_kind: str, backend: Backend) -> None:
    alice = await backend.user()
    conversation_id = (await alice.chat("Hello")).start["conversation_id"]
    before = await _get(alice, conversation_id)
    for given, title in (
        ("旅行计划 Travel", "旅行计划 Travel"),
        ("  two\nlines ", "two lines"),
        ("字" * 200, "字" * 200),
    ):
        renamed = await alice.http.patch(f"/conversations/{conversation_id}", json={"title": given})
        assert (renamed.status_code, renamed.json()) == (200, {**before, "title": title})
        assert await _get(alice, conversation_id) == renamed.json()
    await alice.chat("And then?", conversation_id=conversation_id)
    assert (await _get(alice, conversation_id))["title"] == "字" * 200


async def test_a_title_that_is_none_is_refused(backend: Backend) -> None:
    alice = await backend.user()
    conversation_id = (await alice.chat("Hello")).start["conversation_id"]
    bodies: list[Any] = [{"title": title} for title in ("", " \n\u3000", "x" * 201, "a\x00b", "\ud800", None, 7, ["a"])]
    for body in [*bodies, {}, {"title": "New", "user_id": str(uuid4())}, {"title": "New", "id": str(uuid4())}, []]:
        response = await alice.http.patch(
            f"/conversations/{conversation_id}",
            content=json.dumps(body),
            headers={"Content-Type": "application/json"},
        )
        assert response.status_code == 422, (body, response.text)
        assert response.json()["code"] in ("invalid", "validation_error")
    assert (await _get(alice, conversation_id))["title"] == "Hello"


# Deleting


async def test_a_deleted_conversation_is_gone_everywhere(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    alice = await backend.user()
    start = (await alice.chat("Hello")).start
    kept = (await alice.chat("Hello")).start
    conversation_id, generation_id = start["conversation_id"], start["generation_id"]

    deleted = await alice.http.delete(f"/conversations/{conversation_id}")

    assert (deleted.status_code, deleted.content) == (204, b"")
    assert await _listed(alice) == [kept["conversation_id"]]
    post = {"message": "Hello", "conversation_id": conversation_id}
    for response in (
        await alice.http.get(f"/conversations/{conversation_id}"),
        await alice.http.get(f"/conversations/{conversation_id}/messages"),
        await alice.http.patch(f"/conversations/{conversation_id}", json={"title": "New"}),
        await alice.http.delete(f"/conversations/{conversation_id}"),
        await alice.http.get(f"/ai/generations/{generation_id}/events"),
        await alice.http.post(f"/ai/generations/{generation_id}/stop"),
        await alice.http.post("/ai/chat/stream", json=post),
        await alice.http.post("/ai/chat", json=post),
        await alice.http.get("/ai/chat/stream", params=post),
        await alice.http.get("/ai/chat/stream", headers={"Last-Event-ID": f"{generation_id}:1"}),
    ):
        _is_problem(response, 404, "not_found")
    assert len(upstream.calls) == 2
    assert len(await alice.messages(kept["conversation_id"])) == 2


async def test_deleting_a_conversation_in_mid_stream_stops_it_and_nothing_comes_back(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    upstream.script([Answer(WORDS, hold=True), Answer(WORDS)])
    alice = await backend.user()
    async with posting(alice, "Count") as reader:
        start = (await reader.event()).json
        await upstream.release(2)
        await reader.events(2)
        assert (await alice.http.delete(f"/conversations/{start['conversation_id']}")).status_code == 204
        ending = await reader.rest(within=10)
    assert ending[-1].json["done"] is True
    assert ending[-1].json["status"] == "stopped"
    assert (await upstream.ended(within=10)).ended == "aborted"
    # A late checkpoint or ending would come within these.
    await asyncio.sleep(1.2)
    assert await _listed(alice) == []
    for path in (
        f"/conversations/{start['conversation_id']}/messages",
        f"/ai/generations/{start['generation_id']}/events",
    ):
        _is_problem(await alice.http.get(path), 404, "not_found")
    assert (await alice.chat("Hello")).done["status"] == "complete"


@pytest.mark.parametrize("database_kind", ["postgresql", "mariadb"])
async def test_a_conversation_deleted_on_another_instance_ends_its_answer_here(
    database_kind: str, serve: Serve, upstream: Upstream
) -> None:
    one, other = await serve(checkpoint_seconds=0.2), await serve()
    upstream.script(Answer(WORDS, hold=True))
    here, there = await one.user(), await other.user()
    async with posting(here, "Count") as reader:
        conversation_id = (await reader.event()).json["conversation_id"]
        await upstream.release(2)
        await reader.events(2)
        assert (await there.http.delete(f"/conversations/{conversation_id}")).status_code == 204
        assert (await reader.rest(within=10))[-1].json["status"] == "stopped"
    assert (await upstream.ended(within=10)).ended == "aborted"
    assert await _listed(here) == await _listed(there) == []


async def test_deleting_twice_at_once_deletes_once(database_kind: str, backend: Backend) -> None:
    alice = await backend.user()
    conversation_id = (await alice.chat("Hello")).start["conversation_id"]
    responses = await asyncio.gather(*(alice.http.delete(f"/conversations/{conversation_id}") for _ in range(5)))
    assert sorted(response.status_code for response in responses) == [204, 404, 404, 404, 404]


async def test_posts_and_a_delete_at_once_leave_the_conversation_whole_or_gone(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    upstream.script(Answer(WORDS, delay=0.005))
    alice = await backend.user()
    for _ in range(5):
        conversation_id = (await alice.chat("Hello")).start["conversation_id"]
        body = {"message": "Count", "conversation_id": conversation_id}
        async with asyncio.timeout(10):
            posted, deleted, *_ = await asyncio.gather(
                alice.http.post("/ai/chat/stream", json=body), alice.http.delete(f"/conversations/{conversation_id}")
            )
        assert deleted.status_code == 204
        assert posted.status_code in (200, 404)
        assert posted.status_code == 404 or b'"done":true' in posted.content.replace(b" ", b"")
        assert (await alice.http.get(f"/conversations/{conversation_id}")).status_code == 404
    assert await _listed(alice) == []


# Messages


async def test_pages_hold_every_message_once_oldest_first(database_kind: str, backend: Backend) -> None:
    alice = await backend.user()
    conversation_id = (await alice.chat("0")).start["conversation_id"]
    for n in range(1, 3):
        await alice.chat(f"{n}", conversation_id=conversation_id)
    path = f"/conversations/{conversation_id}/messages"
    for limit in (1, 2, 5, 6, 7):
        pages = [page async for page in _pages(alice, path, limit)]
        assert [message["content"] for page in pages for message in page] == _said("0", "1", "2")
        assert len(pages) == -(-6 // limit)


async def test_a_message_has_the_fields_of_the_contract(backend: Backend, upstream: Upstream) -> None:
    upstream.script(Answer(WORDS, usage=(7, 3)))
    alice = await backend.user()
    start = (await alice.chat("Count")).start
    asked, answered = await alice.messages(start["conversation_id"])
    fields = {"id", "role", "content", "status", "model", "parent_id", "generation_id", "created_at", "usage", "error"}
    assert asked.keys() == answered.keys() >= {*fields, "reasoning", "siblings"}
    assert (asked["role"], asked["status"], asked["parent_id"], asked["model"]) == ("user", "complete", None, None)
    assert (answered["role"], answered["status"], answered["parent_id"]) == ("assistant", "complete", asked["id"])
    assert (answered["model"], answered["generation_id"]) == ("openai/echo", start["generation_id"])
    assert answered["usage"] == {"input_tokens": 7, "output_tokens": 3, "cost": None}
    assert (asked["usage"], asked["error"], answered["error"]) == (None, None, None)


async def test_a_post_continues_the_newest_message_and_a_parent_begins_a_branch(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    alice = await backend.user()
    first = (await alice.chat("first")).start
    conversation_id, root = first["conversation_id"], first["message_id"]
    left = (await alice.chat("left", conversation_id=conversation_id)).start["message_id"]
    right = (await alice.chat("right", conversation_id=conversation_id, parent_id=root)).start["message_id"]
    newest = (await alice.chat("further", conversation_id=conversation_id)).start["message_id"]

    assert _contents(await _branch(alice, conversation_id, left)) == _said("first", "left")
    assert _contents(await _branch(alice, conversation_id, right)) == _said("first", "right")
    assert _contents(await _branch(alice, conversation_id, newest)) == _said("first", "right", "further")
    assert _contents(await _branch(alice, conversation_id, root)) == _said("first")
    everything = await alice.messages(conversation_id)
    assert _contents(everything) == _said("first", "left", "right", "further")
    # The model saw the branch that it was to continue, and nothing of the other.
    seen = [message["content"] for message in upstream.calls[-1].body["messages"] if message["role"] != "system"]
    assert seen == [*_said("first", "right"), "further"]


async def test_a_branch_ends_in_any_message_of_the_conversation(backend: Backend) -> None:
    alice = await backend.user()
    conversation_id = (await alice.chat("first")).start["conversation_id"]
    await alice.chat("second", conversation_id=conversation_id)
    messages = await alice.messages(conversation_id)
    for end, message in enumerate(messages, start=1):
        assert await _branch(alice, conversation_id, message["id"]) == messages[:end]
    path = f"/conversations/{conversation_id}/messages"
    _is_problem(await alice.http.get(path, params={"leaf": str(uuid4())}), 404, "not_found")
    _is_problem(await alice.http.get(path, params={"leaf": "garbage"}), 422, "validation_error")


async def _get(user: User, conversation_id: str) -> dict[str, Any]:
    response = await user.http.get(f"/conversations/{conversation_id}")
    assert response.status_code == 200, response.text
    conversation: dict[str, Any] = response.json()
    return conversation


async def _listed(user: User) -> list[str]:
    return [each["id"] for each in (await user.http.get("/conversations")).json()["items"]]


async def _branch(user: User, conversation_id: str, leaf: str) -> list[dict[str, Any]]:
    response = await user.http.get(f"/conversations/{conversation_id}/messages", params={"leaf": leaf})
    assert response.status_code == 200, response.text
    assert response.json()["next_cursor"] is None
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def _pages(user: User, path: str, limit: int) -> Any:
    cursor = None
    while True:
        params = {"limit": str(limit)} if cursor is None else {"limit": str(limit), "cursor": cursor}
        page = (await user.http.get(path, params=params)).json()
        yield page["items"]
        if (cursor := page["next_cursor"]) is None:
            return


def _said(*messages: str) -> list[str]:
    return [content for message in messages for content in (message, f"You said: {message}")]


def _contents(messages: list[dict[str, Any]]) -> list[str]:
    return [message["content"] for message in messages]


def _encoded(cursor: str) -> str:
    return base64.urlsafe_b64encode(cursor.encode()).decode().rstrip("=")


def _is_problem(response: httpx.Response, status: int, code: str) -> None:
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
