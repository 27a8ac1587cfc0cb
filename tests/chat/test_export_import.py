"""A conversation that is carried off can be brought back, and says the same."""

import asyncio
import json
from typing import Any
from urllib.parse import unquote

import pytest
from sqlalchemy import select

from app.models.chat import conversations, messages
from app.models.usage import usage_records
from tests.accounts.behind import rows
from tests.accounts.signing import is_problem
from tests.backend import Backend, User
from tests.chat.conversation_files import (
    IMPORT,
    answer,
    bring,
    brought,
    carried,
    chain,
    document,
    exported,
    full,
    question,
    random_tree,
    shape,
)
from tests.chat.reading import posting
from tests.conftest import Serve
from tests.upstream import Answer, Reasoning, Upstream

KEY = {"Idempotency-Key": "import-1"}


@pytest.fixture
async def alice(backend: Backend) -> User:
    return await backend.user("alice")


# Out


async def test_it_holds_all_that_was_said(alice: User, upstream: Upstream, database_kind: str) -> None:
    upstream.script([Answer((Reasoning("Let me think."), "四十二 🎉!"), usage=(9, 6)), Answer(("Another",))])
    start = (await alice.chat("What is it?", model="openai/echo", system_prompt="Be brief.")).start
    talk = start["conversation_id"]
    path = f"/conversations/{talk}/messages/{start['message_id']}"
    assert (await alice.http.post(f"{path}/regenerate", json={})).status_code == 200
    assert (await alice.http.put(f"{path}/feedback", json={"rating": 1, "comment": "好"})).status_code == 204
    told = await exported(alice, talk)
    shown = (await alice.http.get(f"/conversations/{talk}")).json()
    assert (told["format"], told["version"]) == ("ai-backend.conversation", 1)
    kept = ("id", "title", "model", "created_at", "updated_at", "leaf_id")
    assert {name: told["conversation"][name] for name in kept} == {name: shown[name] for name in kept}
    assert (told["conversation"]["system_prompt"], told["conversation"]["model_given"]) == ("Be brief.", True)
    listed = await alice.messages(talk)
    same = ("id", "parent_id", "role", "content", "status", "model", "created_at", "usage", "error", "feedback")
    assert [[each[name] for name in same] for each in told["messages"]] == [
        [each[name] for name in same] for each in listed
    ]
    assert told["messages"][1]["reasoning"] == [{"text": "Let me think.", "signature": None, "redacted": None}]
    assert told["messages"][1]["feedback"] == {"rating": 1, "comment": "好"}
    assert told["compactions"] == []


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Hello", "Hello.json"),
        ('a "quoted"; name\\', "a _quoted_; name_.json"),
        ("../../etc/passwd", "_.._etc_passwd.json"),
        ("旅行计划 🎉", "旅行计划 🎉.json"),
        ("", "conversation.json"),
        ("...", "conversation.json"),
        ("旅" * 200, "旅" * 60 + ".json"),
    ],
)
async def test_the_file_is_named_by_the_title(alice: User, title: str, name: str) -> None:
    told = await carried(alice, await brought(alice, document(title=title)))
    disposition = told.headers["content-disposition"]
    plain, _, exact = disposition.partition("; filename*=UTF-8''")
    assert unquote(exact) == name
    assert plain.startswith('attachment; filename="')
    assert plain.isascii()
    assert plain.count('"') == 2
    assert "/" not in plain
    assert told.headers["x-content-type-options"] == "nosniff"
    assert told.headers["cache-control"] == "no-store"
    assert told.headers["content-type"] == "application/json"


@pytest.mark.parametrize("query", [{"format": "xml"}, {"format": "JSON"}, {"rating": "0"}, {"leaf": "x"}], ids=str)
async def test_other_formats_are_refused(alice: User, query: dict[str, str]) -> None:
    made = await brought(alice, document())
    assert is_problem(await carried(alice, made, **query), 422, "validation_error")


async def test_what_is_somebody_elses_is_unknown(backend: Backend, alice: User) -> None:
    bob = await backend.user("bob")
    made, other = await brought(alice, document(*chain(1))), await brought(alice, document(*chain(2)))
    leaf = (await alice.messages(other))[1]["id"]
    for form in ("json", "markdown", "jsonl"):
        assert is_problem(await carried(bob, made, format=form), 404, "not_found")
        assert is_problem(await carried(alice, leaf, format=form), 404, "not_found")
        assert is_problem(await carried(alice, made, format=form, leaf=leaf), 404, "not_found")


async def test_another_path_may_count_as_the_active_one(alice: User) -> None:
    made = await brought(alice, full())
    leaf = (await alice.messages(made))[2]["id"]
    told = (await carried(alice, made, leaf=leaf)).json()
    assert told["conversation"]["leaf_id"] == leaf
    assert len(told["messages"]) == 7


async def test_an_answer_that_is_being_written_comes_back_as_stopped(
    alice: User, upstream: Upstream, database_kind: str
) -> None:
    upstream.script([Answer(("Once ", "upon ", "a time"), hold=True)])
    async with posting(alice, "Tell me a story") as reader:
        start = (await reader.event()).json
        await upstream.release(2)
        await reader.events(2)
        told = await exported(alice, start["conversation_id"])
        assert (told["messages"][1]["content"], told["messages"][1]["status"]) == ("Once upon ", "streaming")
        copy = (await alice.messages(await brought(alice, told)))[1]
        assert (copy["content"], copy["status"]) == ("Once upon ", "stopped")
        await upstream.finish()
        await reader.rest()


# Out and in again


async def test_what_was_carried_off_says_the_same_when_it_is_back(alice: User, database_kind: str) -> None:
    made = await brought(alice, full())
    first = await exported(alice, made)
    assert shape(first) == shape(full())
    second = await exported(alice, await brought(alice, first))
    assert shape(second) == shape(first)
    for name in ("title", "model", "model_given", "system_prompt", "created_at"):
        assert second["conversation"][name] == first["conversation"][name]
    ids = [{each["id"] for each in told["messages"]} for told in (first, second)]
    assert not ids[0] & ids[1]
    assert [each["created_at"] for each in second["messages"]] == [each["created_at"] for each in first["messages"]]


@pytest.mark.parametrize("seed", range(12))
async def test_any_tree_comes_back_as_it_was(alice: User, seed: int) -> None:
    told = random_tree(seed, seed * 7)
    made = await brought(alice, told)
    first = await exported(alice, made)
    assert shape(told)["messages"] == shape(first)["messages"]
    second = await exported(alice, await brought(alice, first))
    assert shape(second) == shape(first)


async def test_its_branches_are_those_that_posts_would_have_made(
    alice: User, database_url: str, database_kind: str
) -> None:
    """Every path is found, and holds what its parents say."""
    made = await brought(alice, random_tree(3, 60))
    listed = {each["id"]: each for each in await alice.messages(made)}
    for leaf in listed:
        along = (await alice.http.get(f"/conversations/{made}/messages", params={"leaf": leaf})).json()["items"]
        path, at = [], leaf
        while at is not None:
            path.append(at)
            at = listed[at]["parent_id"]
        assert [each["id"] for each in along] == path[::-1]
    found = await rows(database_url, select(messages).where(messages.c.conversation_id == made))
    assert sorted(each["position"] for each in found) == list(range(1, 61))


async def test_one_goes_on_where_it_ended(alice: User) -> None:
    made = await brought(alice, full())
    leaf = (await alice.http.get(f"/conversations/{made}")).json()["leaf_id"]
    await alice.chat("Go on", conversation_id=made)
    asked = (await alice.messages(made))[-2]
    assert asked["parent_id"] == leaf
    assert leaf == (await alice.messages(made))[5]["id"]


@pytest.mark.parametrize("model", ["elsewhere/gone", "x" * 255, "gpt-没有", "", "no-provider"])
async def test_a_model_that_is_not_here_does_not_stop_anybody(alice: User, model: str) -> None:
    made = await brought(alice, document(*chain(1), model=model, model_given=True))
    assert (await alice.http.get(f"/conversations/{made}")).json()["model"] == (model or "unknown")
    assert (await exported(alice, made))["conversation"]["model_given"] is False
    await alice.chat("Hello", conversation_id=made)
    await alice.chat("Hello", conversation_id=made, model="openai/other")


async def test_usage_is_told_and_counts_for_nothing(alice: User, database_url: str, database_kind: str) -> None:
    before = (await alice.http.get("/users/me/usage")).json()
    made = await brought(alice, full())
    assert (await alice.messages(made))[1]["usage"] == {"input_tokens": 7, "output_tokens": 9, "cost": "0.000123"}
    assert (await alice.http.get("/users/me/usage")).json() == before
    assert not await rows(database_url, select(usage_records))


async def test_it_counts_as_used_now(alice: User) -> None:
    """Else it would stand at the end of the list, and be the first to be cleaned up."""
    old = await brought(alice, document(*chain(1), created_at="2020-01-01T00:00:00Z"))
    shown = (await alice.http.get(f"/conversations/{old}")).json()
    assert shown["created_at"].startswith("2020-01-01")
    assert not shown["updated_at"].startswith("2020")


async def test_long_conversations_come_and_go(alice: User, database_kind: str) -> None:
    told = document(*chain(5000, "text " * 20))
    made = await brought(alice, told)
    assert shape_of_texts(await exported(alice, made)) == shape_of_texts(told)


def shape_of_texts(told: dict[str, Any]) -> list[str]:
    return [each["content"] for each in told["messages"]]


async def test_what_was_brought_or_forked_is_found_by_its_words(alice: User, database_kind: str) -> None:
    made = await brought(alice, document(question("1", "Wie ist das 天气 in Harbin?"), answer("2", "1")))
    forked = (await alice.http.post(f"/conversations/{made}/fork")).json()["id"]
    async with asyncio.timeout(20):
        while True:
            found = (await alice.http.get("/conversations", params={"q": "天气 harbin"})).json()["items"]
            if {each["id"] for each in found} == {made, forked}:
                return
            await asyncio.sleep(0.05)


# Twice


async def test_a_repeat_finds_the_first_copy(alice: User, database_kind: str) -> None:
    made = await brought(alice, document(*chain(2)))
    told = await exported(alice, made)
    copy = await brought(alice, told)
    later = await exported(alice, made)
    assert later["exported_at"] != told["exported_at"]
    spelled = json.dumps(dict(reversed(list(later.items()))), indent=3, ensure_ascii=True)
    again = await alice.http.post(IMPORT, content=spelled, headers={"Content-Type": "application/json"})
    assert (again.status_code, again.json()["id"]) == (200, copy)
    assert (await alice.http.delete(f"/conversations/{copy}")).status_code == 204
    anew = await bring(alice, told)
    assert (anew.status_code, anew.json()["id"] not in (made, copy)) == (201, True)


async def test_another_user_gets_a_copy_of_ones_own(backend: Backend, alice: User) -> None:
    bob = await backend.user("bob")
    assert await brought(alice, full()) != await brought(bob, full())


async def test_twenty_at_once_make_one(alice: User, database_kind: str) -> None:
    made = await asyncio.gather(*(bring(alice, full()) for _ in range(20)))
    assert sorted(each.status_code for each in made) == [200] * 19 + [201]
    assert len({each.json()["id"] for each in made}) == 1
    assert len((await alice.http.get("/conversations")).json()["items"]) == 1


async def test_twenty_with_one_key_make_one(alice: User, database_kind: str) -> None:
    made = await asyncio.gather(*(bring(alice, full(), **KEY) for _ in range(20)))
    assert {each.status_code for each in made} == {200, 201}
    assert len({each.json()["id"] for each in made}) == 1
    assert is_problem(await bring(alice, document(), **KEY), 422, "idempotency_key_reused")
    assert (await alice.http.delete(f"/conversations/{made[0].json()['id']}")).status_code == 204
    assert is_problem(await bring(alice, full(), **KEY), 404, "not_found")


async def test_two_instances_make_one(serve: Serve, database_url: str, postgresql: str, database_kind: str) -> None:
    if database_kind == "sqlite":
        return  # a file has one instance
    instances = [await serve(), await serve()]
    alices = [await each.user("alice") for each in instances]
    told = document(*chain(300))
    made = await asyncio.gather(*(bring(alices[each % 2], told) for each in range(8)))
    assert sorted(each.status_code for each in made) == [200] * 7 + [201]
    assert len({each.json()["id"] for each in made}) == 1
    assert len(await rows(database_url, select(conversations))) == 1


# Ids mean nothing


async def test_ids_of_what_is_there_mean_nothing(backend: Backend, alice: User, database_kind: str) -> None:
    bob = await backend.user("bob")
    made = await brought(alice, full())
    told = await exported(alice, made)
    before = await alice.messages(made)
    stolen = await brought(bob, told)
    assert stolen != made
    assert {each["id"] for each in before}.isdisjoint(each["id"] for each in await bob.messages(stolen))
    assert await alice.messages(made) == before
    # A message that names somebody else's as its parent names nothing.
    grafted = document(question("1", parent_id=before[1]["id"]), id=made)
    refused = await bring(bob, grafted)
    assert is_problem(refused, 422, "validation_error")
    assert refused.json()["errors"][0]["loc"] == ["body", "messages", 0, "parent_id"]


async def test_one_without_a_title_is_titled_from_its_first_message(alice: User) -> None:
    told = document(answer("2", "1"), question("1", "Why is\nthe sky blue?"), title=" \n")
    assert (await bring(alice, told)).json()["title"] == "Why is the sky blue?"


async def test_a_question_that_a_summary_ends_with_is_answered_once_more(
    alice: User, upstream: Upstream, database_kind: str
) -> None:
    summed = {"compactions": [{"message_id": "q2", "tokens": 10**12, "summary": "They spoke."}]}
    made = await brought(alice, document(*chain(3)) | summed)
    asked = (await alice.messages(made))[4]
    again = await alice.http.post(f"/conversations/{made}/messages/{asked['id']}/regenerate")
    assert again.status_code == 200, again.text
    assert upstream.calls[-1].body["messages"][-1]["content"] == asked["content"]


async def test_what_looks_like_code_stays_text(alice: User) -> None:
    code = "<img src=x onerror=alert(1)> [x](javascript:alert(1)) {{7*7}} '; DROP TABLE messages; --\u2028\x7f"
    made = await brought(alice, document(question("1", code), answer("2", "1", code), title=code[:60]))
    assert [each["content"] for each in await alice.messages(made)] == [code, code]
