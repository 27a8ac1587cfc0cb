"""Conversations are trees: questions edited, answers regenerated, paths switched."""

import asyncio
import random
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.backend import Backend, User
from tests.chat.conversation_files import answer, bring, document, question
from tests.chat.reading import posting
from tests.conftest import Serve
from tests.sse import Stream
from tests.upstream import Answer, Record, Refuse, Upstream


async def test_a_regenerated_answer_stands_beside_the_first(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    alice = await backend.user()
    answers(upstream, "A1", "A1 again", "A2")
    first = (await alice.chat("Q1")).start
    conversation_id = first["conversation_id"]

    stream = await regenerate(alice, conversation_id, first["message_id"])
    await alice.chat("Q2", conversation_id=conversation_id)

    assert stream.start["conversation_id"] == conversation_id
    assert stream.text == "A1 again"
    first_asked, one, other, *_ = messages = await alice.messages(conversation_id)
    assert contents(messages) == ["Q1", "A1", "A1 again", "Q2", "A2"]
    assert one["parent_id"] == other["parent_id"] == first_asked["id"]
    assert one["siblings"] == other["siblings"] == [one["id"], other["id"]]
    # The model saw the question, not its own first answer; and then the new path.
    assert [shown(call) for call in upstream.calls] == [["Q1"], ["Q1"], ["Q1", "A1 again", "Q2"]]


async def test_a_question_is_answered_once_more_by_its_own_name_too(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    answers(upstream, "A1", "A2", "A1 again")
    conversation_id = (await alice.chat("Q1")).start["conversation_id"]
    await alice.chat("Q2", conversation_id=conversation_id)
    asked, first, *_ = await alice.messages(conversation_id)

    stream = await regenerate(alice, conversation_id, asked["id"])

    assert await path(alice, conversation_id, stream.start["message_id"]) == ["Q1", "A1 again"]
    assert (await alice.messages(conversation_id))[-1]["siblings"] == [first["id"], stream.start["message_id"]]


async def test_an_edited_question_begins_a_branch_and_the_old_one_stays(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    alice = await backend.user()
    answers(upstream, "A1", "A2", "B2", "B3")
    conversation_id = (await alice.chat("Q1", system_prompt="Be brief.")).start["conversation_id"]
    await alice.chat("Q2", conversation_id=conversation_id)
    asked = (await alice.messages(conversation_id))[2]

    stream = await edit(alice, conversation_id, asked["id"], "Q2 better")
    await alice.chat("Q3", conversation_id=conversation_id)

    messages = await alice.messages(conversation_id)
    assert contents(messages) == ["Q1", "A1", "Q2", "A2", "Q2 better", "B2", "Q3", "B3"]
    assert messages[4]["siblings"] == [asked["id"], messages[4]["id"]]
    assert messages[5]["id"] == stream.start["message_id"]
    assert await path(alice, conversation_id, messages[3]["id"]) == ["Q1", "A1", "Q2", "A2"]
    assert await path(alice, conversation_id, messages[7]["id"]) == ["Q1", "A1", "Q2 better", "B2", "Q3", "B3"]
    assert shown(upstream.calls[2]) == ["Be brief.", "Q1", "A1", "Q2 better"]
    assert shown(upstream.calls[3]) == ["Be brief.", "Q1", "A1", "Q2 better", "B2", "Q3"]


async def test_the_first_question_can_be_edited(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    answers(upstream, "A1", "B1", "B2")
    conversation_id = (await alice.chat("Q1")).start["conversation_id"]
    first = (await alice.messages(conversation_id))[0]

    await edit(alice, conversation_id, first["id"], "Q1 better 你好")
    await alice.chat("Q2", conversation_id=conversation_id)

    messages = await alice.messages(conversation_id)
    assert [each["parent_id"] for each in messages if each["content"].startswith("Q1")] == [None, None]
    assert messages[0]["siblings"] == [messages[0]["id"], messages[2]["id"]]
    assert shown(upstream.calls[-1]) == ["Q1 better 你好", "B1", "Q2"]
    assert (await get(alice, conversation_id))["title"] == "Q1"


async def test_a_model_that_regenerates_stays_with_the_conversation(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    first = (await alice.chat("Q1")).start
    again = await regenerate(alice, first["conversation_id"], first["message_id"], model="openai/other")
    assert again.start["model"] == "openai/other"
    follow_up = await alice.chat("Q2", conversation_id=first["conversation_id"])
    assert follow_up.start["model"] == "openai/other"


async def test_what_bounds_an_answer_is_told_to_the_model(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    first = (await alice.chat("Q1")).start
    await regenerate(alice, first["conversation_id"], first["message_id"], max_tokens=17, temperature=0.5)
    body = upstream.calls[-1].body
    assert 17 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    assert body["temperature"] == 0.5


@pytest.mark.parametrize("ending", ["stopped", "failed"])
async def test_an_answer_that_was_not_finished_can_be_regenerated(
    backend: Backend, upstream: Upstream, ending: str
) -> None:
    alice = await backend.user()
    if ending == "failed":
        upstream.script([Refuse(401), Answer(("Whole",))])
        start = (await alice.chat("Q1")).start
    else:
        upstream.script([Answer(("Half", "…"), hold=True), Answer(("Whole",))])
        async with posting(alice, "Q1") as reader:
            start = (await reader.event()).json
            await upstream.requested()
            await alice.http.post(f"/ai/generations/{start['generation_id']}/stop")
    await alice.answer(start["conversation_id"])

    stream = await regenerate(alice, start["conversation_id"], start["message_id"])

    assert stream.text == "Whole"
    assert [each["status"] for each in await alice.messages(start["conversation_id"])] == [
        "complete",
        ending,
        "complete",
    ]


# The active path


async def test_the_active_path_is_kept_and_can_be_switched(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    alice = await backend.user()
    answers(upstream, "A1", "A2", "B1", "A3")
    conversation_id = (await alice.chat("Q1")).start["conversation_id"]
    await alice.chat("Q2", conversation_id=conversation_id)
    old_root = (await alice.messages(conversation_id))[0]
    edited = await edit(alice, conversation_id, old_root["id"], "Other")
    assert (await get(alice, conversation_id))["leaf_id"] == edited.start["message_id"]
    before = await get(alice, conversation_id)

    switched = await switch(alice, conversation_id, old_root["id"])

    # It follows what was said last below the message, and switching is no use.
    messages = await alice.messages(conversation_id)
    assert switched == {**before, "leaf_id": messages[3]["id"]} == await get(alice, conversation_id)
    await alice.chat("Q3", conversation_id=conversation_id)
    assert shown(upstream.calls[-1]) == ["Q1", "A1", "Q2", "A2", "Q3"]


async def test_a_title_and_a_path_change_together_or_not_at_all(backend: Backend) -> None:
    alice = await backend.user()
    start = (await alice.chat("Q1")).start
    url = f"/conversations/{start['conversation_id']}"
    before = await get(alice, start["conversation_id"])

    problem(await alice.http.patch(url, json={"title": "New", "leaf_id": str(uuid4())}), 404)
    problem(await alice.http.patch(url, json={}), 422)
    problem(await alice.http.patch(url, json={"title": None, "leaf_id": None}), 422)
    assert await get(alice, start["conversation_id"]) == before

    both = await alice.http.patch(url, json={"title": "New", "leaf_id": start["message_id"]})
    assert (both.json()["title"], both.json()["leaf_id"]) == ("New", start["message_id"])


# Refusals


async def test_only_a_question_can_be_edited(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    start = (await alice.chat("Q1")).start
    refused = await alice.http.post(at(start["conversation_id"], start["message_id"], "edit"), json={"message": "No"})
    problem(refused, 422)
    assert len(upstream.calls) == 1


BODIES: dict[str, tuple[str, Any, int]] = {
    "no message": ("edit", {}, 422),
    "an empty message": ("edit", {"message": " \n"}, 422),
    "a message that is a number": ("edit", {"message": 7}, 422),
    "NUL": ("edit", {"message": "a\x00b"}, 422),
    "a message that is too long": ("edit", {"message": "长" * 200_001}, 422),
    "an unknown field": ("edit", {"message": "Hello", "parent_id": str(uuid4())}, 422),
    "an unknown model": ("edit", {"message": "Hello", "model": "nobody/nothing"}, 422),
    "a list": ("regenerate", [], 422),
    "a message for another answer": ("regenerate", {"message": "Hello"}, 422),
    "an unknown model for another answer": ("regenerate", {"model": "nobody/nothing"}, 422),
    "a limit that is none": ("regenerate", {"max_tokens": 0}, 422),
}


@pytest.mark.parametrize("body", BODIES)
async def test_a_bad_body_is_refused_and_nothing_is_added(backend: Backend, upstream: Upstream, body: str) -> None:
    alice = await backend.user()
    conversation_id = (await alice.chat("Q1")).start["conversation_id"]
    before = await alice.messages(conversation_id)
    act, json, status = BODIES[body]
    problem(await alice.http.post(at(conversation_id, before[0]["id"], act), json=json), status)
    assert await alice.messages(conversation_id) == before
    assert len(upstream.calls) == 1


async def test_without_a_body_an_answer_is_regenerated(backend: Backend) -> None:
    alice = await backend.user()
    start = (await alice.chat("Q1")).start
    response = await alice.http.post(at(start["conversation_id"], start["message_id"], "regenerate"))
    assert Stream.of(response.content).done["status"] == "complete"


@pytest.mark.parametrize("act", ["edit", "regenerate"])
async def test_a_message_of_another_conversation_is_not_found(backend: Backend, upstream: Upstream, act: str) -> None:
    alice, bob = await backend.user("alice"), await backend.user("bob")
    hers, other = (await alice.chat("Hers")).start, (await alice.chat("Other")).start
    his = (await bob.chat("His")).start
    body = {"message": "Hello"} if act == "edit" else {}
    for conversation, message in ((hers, his), (his, his), (hers, other), (his, hers)):
        refused = await alice.http.post(at(conversation["conversation_id"], message["message_id"], act), json=body)
        problem(refused, 404)
    problem(await alice.http.post(at(hers["conversation_id"], str(uuid4()), act), json=body), 404)
    problem(await alice.http.post(at(hers["conversation_id"], "garbage", act), json=body), 404)
    assert len(upstream.calls) == 3


@pytest.mark.parametrize("act", ["edit", "regenerate"])
async def test_while_an_answer_is_written_the_conversation_is_busy(
    backend: Backend, upstream: Upstream, act: str
) -> None:
    alice = await backend.user()
    upstream.script(Answer(("Slow", "ly"), hold=True))
    async with posting(alice, "Q1") as reader:
        start = (await reader.event()).json
        messages = await alice.messages(start["conversation_id"])
        message_id = messages[0]["id"] if act == "edit" else start["message_id"]
        body = {"message": "Q1 better"} if act == "edit" else {}
        refused = await alice.http.post(at(start["conversation_id"], message_id, act), json=body)
        problem(refused, 409, "conversation_busy")
        assert len(await alice.messages(start["conversation_id"])) == len(messages)
        await upstream.finish()
        await reader.rest()


@pytest.mark.parametrize("act", ["edit", "regenerate"])
async def test_of_two_at_once_one_finds_the_conversation_busy(
    database_kind: str, backend: Backend, upstream: Upstream, act: str
) -> None:
    alice = await backend.user()
    start = (await alice.chat("Q1")).start
    asked = (await alice.messages(start["conversation_id"]))[0]["id"]
    upstream.script(Answer(("Slow", "ly"), hold=True))
    refused = asyncio.Semaphore(0)

    async def post(n: int) -> int:
        url = at(start["conversation_id"], asked, act)
        body = {"message": f"Q{n}"} if act == "edit" else {}
        async with alice.http.stream("POST", url, json=body) as response:
            if response.status_code == 409:
                refused.release()
                return 409
            for _ in range(4):
                await refused.acquire()
            await upstream.finish()
            await response.aread()
            return response.status_code

    assert sorted(await asyncio.gather(*(post(n) for n in range(5)))) == [200, 409, 409, 409, 409]
    added = 2 if act == "edit" else 1
    assert len(await alice.messages(start["conversation_id"])) == 2 + added


@pytest.mark.parametrize("act", ["edit", "regenerate"])
async def test_a_repeated_request_is_the_first_one(
    database_kind: str, backend: Backend, upstream: Upstream, act: str
) -> None:
    alice = await backend.user()
    start = (await alice.chat("Q1")).start
    asked = (await alice.messages(start["conversation_id"]))[0]["id"]
    url = at(start["conversation_id"], asked, act)
    body = {"message": "Q1 better"} if act == "edit" else {}
    key = {"Idempotency-Key": "once"}

    responses = await asyncio.gather(*(alice.http.post(url, json=body, headers=key) for _ in range(20)))

    assert {each.status_code for each in responses} == {200}
    assert len({Stream.of(each.content).start["generation_id"] for each in responses}) == 1
    assert len({Stream.of(each.content).text for each in responses}) == 1
    assert len(upstream.calls) == 2
    problem(await alice.http.post(url, json={**body, "max_tokens": 5}, headers=key), 422, "idempotency_key_reused")


@pytest.mark.parametrize("act", ["edit", "regenerate"])
async def test_two_instances_take_equal_requests_for_one(
    database_kind: str, serve: Serve, upstream: Upstream, act: str
) -> None:
    if database_kind == "sqlite":
        return  # a file has one instance
    alices = [await (await serve()).user() for _ in range(2)]
    start = (await alices[0].chat("Q1")).start
    asked = (await alices[0].messages(start["conversation_id"]))[0]["id"]
    url = at(start["conversation_id"], asked, act)
    body = {"message": "Q1 better"} if act == "edit" else {}
    key = {"Idempotency-Key": "once"}

    responses = await asyncio.gather(*(alices[n % 2].http.post(url, json=body, headers=key) for n in range(20)))

    assert {each.status_code for each in responses} == {200}
    assert len({Stream.of(each.content).start["generation_id"] for each in responses}) == 1
    assert len(upstream.calls) == 2


# Pages


async def test_a_path_is_read_page_by_page_from_either_end(database_kind: str, backend: Backend) -> None:
    alice = await backend.user()
    conversation_id, tree = await grow(alice, random.Random(7))  # noqa: S311
    for leaf in tree:
        way = ancestry(tree, leaf)
        assert [each["id"] for each in await pages(alice, conversation_id, leaf=leaf, limit=3)] == way
        assert [each["id"] for each in await pages(alice, conversation_id, leaf=leaf, limit=2, order="desc")] == way[
            ::-1
        ]


async def test_all_messages_are_read_from_either_end(backend: Backend) -> None:
    alice = await backend.user()
    conversation_id, tree = await grow(alice, random.Random(11))  # noqa: S311
    ids = list(tree)
    assert [each["id"] for each in await pages(alice, conversation_id, limit=4)] == ids
    assert [each["id"] for each in await pages(alice, conversation_id, limit=5, order="desc")] == ids[::-1]
    for message in await pages(alice, conversation_id, limit=50):
        assert message["siblings"] == [each for each in ids if tree[each] == tree[message["id"]]]


async def test_of_very_many_siblings_the_nearest_are_told(backend: Backend) -> None:
    alice = await backend.user()
    imported = await bring(alice, document(question("q"), *(answer(f"a{n}", "q") for n in range(150))))
    _, *answered = await pages(alice, imported.json()["id"], limit=500)
    ids = [each["id"] for each in answered]
    for place, message in enumerate(answered):
        assert message["id"] in message["siblings"]
        begin = ids.index(message["siblings"][0])
        assert message["siblings"] == ids[begin : begin + 101]
        assert place < 50 or place > 99 or begin == place - 50


@pytest.mark.parametrize("query", [{"order": "sideways"}, {"cursor": "garbage"}, {"cursor": "-1"}, {"limit": 0}])
async def test_a_bad_page_is_refused(backend: Backend, query: dict[str, Any]) -> None:
    alice = await backend.user()
    start = (await alice.chat("Q1")).start
    url = f"/conversations/{start['conversation_id']}/messages"
    for leaf in ({}, {"leaf": start["message_id"]}):
        response = await alice.http.get(url, params={**query, **leaf})
        assert response.status_code in (400, 422), response.text


def at(conversation_id: str, message_id: str, act: str) -> str:
    return f"/conversations/{conversation_id}/messages/{message_id}/{act}"


async def regenerate(user: User, conversation_id: str, message_id: str, **body: Any) -> Stream:
    return await stream_of(user, at(conversation_id, message_id, "regenerate"), body)


async def edit(user: User, conversation_id: str, message_id: str, message: str) -> Stream:
    return await stream_of(user, at(conversation_id, message_id, "edit"), {"message": message})


async def stream_of(user: User, url: str, body: dict[str, Any]) -> Stream:
    response = await user.http.post(url, json=body)
    assert response.status_code == 200, response.text
    return Stream.of(response.content)


async def switch(user: User, conversation_id: str, message_id: str) -> dict[str, Any]:
    response = await user.http.patch(f"/conversations/{conversation_id}", json={"leaf_id": message_id})
    assert response.status_code == 200, response.text
    changed: dict[str, Any] = response.json()
    return changed


async def get(user: User, conversation_id: str) -> dict[str, Any]:
    conversation: dict[str, Any] = (await user.http.get(f"/conversations/{conversation_id}")).json()
    return conversation


async def path(user: User, conversation_id: str, leaf: str) -> list[str]:
    return contents(await pages(user, conversation_id, leaf=leaf))


async def pages(user: User, conversation_id: str, **query: Any) -> list[dict[str, Any]]:
    """All that a list of messages holds, page after page."""
    items: list[dict[str, Any]] = []
    while True:
        page = (await user.http.get(f"/conversations/{conversation_id}/messages", params=query)).json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        assert len(page["items"]) == query["limit"]
        query["cursor"] = page["next_cursor"]


async def grow(user: User, chance: random.Random) -> tuple[str, dict[str, str | None]]:
    """A conversation that forks in every way; the parent of each of its messages, by creation."""
    conversation_id = (await user.chat("Q0")).start["conversation_id"]
    for n in range(1, 12):
        messages = await pages(user, conversation_id)
        message = chance.choice(messages)
        act = chance.choice(["post", "post", "edit", "regenerate", "continue"])
        if act == "post":
            await user.chat(f"Q{n}", conversation_id=conversation_id)
        elif act == "continue":
            answer = message["parent_id"] if message["role"] == "user" else message["id"]
            await user.chat(f"Q{n}", conversation_id=conversation_id, **({"parent_id": answer} if answer else {}))
        elif act == "edit" and message["role"] == "user":
            await edit(user, conversation_id, message["id"], f"Q{n}")
        else:
            await regenerate(user, conversation_id, message["id"])
    return conversation_id, {each["id"]: each["parent_id"] for each in await pages(user, conversation_id)}


def ancestry(tree: dict[str, str | None], leaf: str) -> list[str]:
    way: list[str] = []
    at: str | None = leaf
    while at is not None:
        way.append(at)
        at = tree[at]
    return way[::-1]


def answers(upstream: Upstream, *texts: str) -> None:
    upstream.script([Answer((text,)) for text in texts])


def contents(messages: list[dict[str, Any]]) -> list[str]:
    return [message["content"] for message in messages]


def shown(call: Record) -> list[str]:
    return [message["content"] for message in call.body["messages"]]


def problem(response: httpx.Response, status: int, code: str | None = None) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert code in (None, response.json()["code"])
