"""A better title by a small model, after the first answer: only where nobody gave another."""

import asyncio
import logging
from typing import Any

import pytest

from app.services.titles import clean
from tests.backend import Backend, User
from tests.chat.reading import eventually, posting
from tests.conftest import Serve
from tests.sse import Stream
from tests.upstream import Answer, Reasoning, Record, Refuse, Scenario, Silence, Upstream

QUESTION = "How do I bake a good loaf of bread with little time and no machine?"
AUTOMATIC = "How do I bake a good loaf of bread with little tim"


async def naming(serve: Serve, upstream: Upstream, *scenarios: Scenario, **settings: Any) -> Backend:
    upstream.script(list(scenarios) or [Answer(('"Baking bread."',), usage=(40, 4))], model="namer")
    upstream.script(Answer(("Knead it.",), usage=(10, 2)), model="echo")
    return await serve(title_model="openai/namer", **settings)


def asked(upstream: Upstream) -> list[Record]:
    return [call for call in upstream.calls if call.model == "namer"]


async def shown(user: User, conversation_id: str) -> dict[str, Any]:
    conversation: dict[str, Any] = (await user.http.get(f"/conversations/{conversation_id}")).json()
    return conversation


async def titled(user: User, conversation_id: str, title: str) -> None:
    async with asyncio.timeout(5):
        while (await shown(user, conversation_id))["title"] != title:
            await asyncio.sleep(0.02)


async def named(upstream: Upstream, backend: Backend, calls: int = 1) -> None:
    """Wait until so many titles were asked for, and are done with."""
    await upstream.wait_for(lambda: len(asked(upstream)) >= calls)
    await eventually(lambda: not backend.house.titles.busy)


async def test_the_first_answer_brings_a_title(database_kind: str, serve: Serve, upstream: Upstream) -> None:
    alice = await (await naming(serve, upstream)).user()

    stream = await alice.chat(QUESTION)
    before = await shown(alice, stream.start["conversation_id"])
    await titled(alice, stream.start["conversation_id"], "Baking bread")

    after = await shown(alice, stream.start["conversation_id"])
    assert after == {**before, "title": "Baking bread"}
    (call,) = asked(upstream)
    (system, question) = (message["content"] for message in call.body["messages"])
    assert "title" in system
    assert QUESTION in question
    assert "Knead it." in question
    found = (await alice.http.get("/conversations", params={"q": "baking"})).json()["items"]
    assert [each["id"] for each in found] == [stream.start["conversation_id"]]


async def test_later_answers_bring_none(serve: Serve, upstream: Upstream) -> None:
    backend = await naming(serve, upstream)
    alice = await backend.user()
    conversation_id = (await alice.chat(QUESTION)).start["conversation_id"]
    await titled(alice, conversation_id, "Baking bread")

    await alice.chat("And then?", conversation_id=conversation_id)
    await alice.chat("And then?", conversation_id=conversation_id)

    assert len(asked(upstream)) == 1


async def test_a_first_answer_that_failed_leaves_it_to_the_next(serve: Serve, upstream: Upstream) -> None:
    backend = await naming(serve, upstream)
    upstream.script([Refuse(401), Answer(("Knead it.",))], model="echo")
    alice = await backend.user()
    failed = await alice.chat(QUESTION)
    assert failed.done["status"] == "failed"
    assert asked(upstream) == []

    await alice.chat("Well?", conversation_id=failed.start["conversation_id"])

    await titled(alice, failed.start["conversation_id"], "Baking bread")
    assert QUESTION in asked(upstream)[0].body["messages"][-1]["content"]


async def test_a_title_that_the_user_gives_meanwhile_stays(
    database_kind: str, serve: Serve, upstream: Upstream
) -> None:
    backend = await naming(serve, upstream, Answer(("Baking", " bread"), hold=True))
    alice = await backend.user()
    conversation_id = (await alice.chat(QUESTION)).start["conversation_id"]
    await upstream.release(1)

    await alice.http.patch(f"/conversations/{conversation_id}", json={"title": "Mine"})
    await upstream.finish()
    await named(upstream, backend)

    assert (await shown(alice, conversation_id))["title"] == "Mine"


async def test_a_conversation_that_is_deleted_meanwhile_stays_deleted(
    database_kind: str, serve: Serve, upstream: Upstream
) -> None:
    backend = await naming(serve, upstream, Answer(("Baking", " bread"), hold=True))
    alice = await backend.user()
    conversation_id = (await alice.chat(QUESTION)).start["conversation_id"]
    await upstream.release(1)

    await alice.http.delete(f"/conversations/{conversation_id}")
    await upstream.finish()
    await named(upstream, backend)

    assert (await alice.http.get(f"/conversations/{conversation_id}")).status_code == 404
    assert (await alice.http.get("/conversations")).json()["items"] == []
    assert (await alice.http.get("/users/me/usage")).json()["totals"]["requests"] == 2


async def test_of_an_account_that_is_closed_meanwhile_nothing_is_kept(
    database_kind: str, serve: Serve, upstream: Upstream
) -> None:
    backend = await naming(serve, upstream, Answer(("Baking", " bread"), hold=True))
    alice = await backend.user()
    await alice.chat(QUESTION)
    await upstream.release(1)
    user_id = (await alice.http.get("/users/me")).json()["id"]

    assert (await alice.http.delete("/users/me")).status_code == 204
    await upstream.finish()
    await named(upstream, backend)

    async with backend.house.database.snapshot() as tx:
        assert (await tx.usage.booked(user_id, limit=10, cursor=None)).items == []


@pytest.mark.parametrize(
    "scenario",
    [Refuse(401), Refuse(503), Answer(()), Answer(('"".',)), Silence(), Answer(("x" * 500,) * 300)],
    ids=["bad key", "overloaded", "empty", "nothing in it", "silence", "endless"],
)
async def test_without_an_answer_the_title_stays(
    serve: Serve, upstream: Upstream, scenario: Scenario, caplog: pytest.LogCaptureFixture
) -> None:
    backend = await naming(serve, upstream, scenario, first_token_timeout=0.6)
    alice = await backend.user()

    with caplog.at_level(logging.INFO):
        conversation_id = (await alice.chat(QUESTION)).start["conversation_id"]
        await named(upstream, backend)

    assert (await shown(alice, conversation_id))["title"] == AUTOMATIC
    assert len(asked(upstream)) == 1
    assert "bread" not in caplog.text
    assert len([each for each in caplog.records if each.name == "app.services.titles"]) <= 1
    assert (await alice.http.get("/users/me/usage")).json()["totals"]["requests"] == 2


async def test_what_titles_cost_is_in_the_bill(database_kind: str, serve: Serve, upstream: Upstream) -> None:
    backend = await naming(serve, upstream)
    alice = await backend.user()
    await alice.chat(QUESTION)
    await named(upstream, backend)

    items = (await alice.http.get("/users/me/usage")).json()["items"]

    assert {each["model"]: (each["input_tokens"], each["output_tokens"]) for each in items} == {
        "openai/echo": (10, 2),
        "openai/namer": (40, 4),
    }


async def test_a_model_that_nobody_has_is_warned_of_once(
    serve: Serve, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    backend = await serve(title_model="anthropic/claude")
    alice = await backend.user()

    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert (await alice.chat(QUESTION)).done["status"] == "complete"
        await eventually(lambda: not backend.house.titles.busy)

    assert [each.message for each in caplog.records] == ["no provider has a model that is set"]


async def test_two_are_asked_for_at_once(serve: Serve, upstream: Upstream) -> None:
    backend = await naming(serve, upstream, Answer(("Title",), hold=True))
    alice = await backend.user()
    for _ in range(4):
        await alice.chat(QUESTION)
    await upstream.wait_for(lambda: len(asked(upstream)) == 2)
    await asyncio.sleep(0.1)
    assert len(asked(upstream)) == 2

    for number in range(4):
        await upstream.requested(5 + number)
        await upstream.finish(request=asked(upstream)[number])

    await eventually(lambda: not backend.house.titles.busy)
    titles = [each["title"] for each in (await alice.http.get("/conversations")).json()["items"]]
    assert titles == ["Title"] * 4


async def test_a_drain_breaks_off_what_is_under_way(database_kind: str, serve: Serve, upstream: Upstream) -> None:
    backend = await naming(serve, upstream, Answer(("Baking", " bread"), hold=True))
    alice = await backend.user()
    async with posting(alice, QUESTION) as reader:
        assert Stream(await reader.rest()).done["status"] == "complete"
    await upstream.release(1)

    async with asyncio.timeout(10):
        await backend.house.drain(0)

    (call,) = asked(upstream)
    await upstream.wait_for(lambda: call.ended is not None)
    assert call.ended == "aborted"
    totals = (await alice.http.get("/users/me/usage")).json()["totals"]
    assert (totals["requests"], totals["estimated"]) == (2, 1)


@pytest.mark.parametrize("thought", [Reasoning("What to call it?"), "<think>\nWhat to call it?\n</think>\n\n"])
async def test_thoughts_are_no_title(serve: Serve, upstream: Upstream, thought: Reasoning | str) -> None:
    backend = await naming(serve, upstream, Answer((thought, "Bread")))
    alice = await backend.user()
    conversation_id = (await alice.chat(QUESTION)).start["conversation_id"]
    await titled(alice, conversation_id, "Bread")


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("Baking bread", "Baking bread"),
        ('"Baking bread."', "Baking bread"),
        ("**Baking bread**\n\nI chose this because …", "Baking bread"),
        ("# Title: Baking bread!", "Baking bread"),
        ("标题：《如何烤面包》", "如何烤面包"),
        ("“如何在家烤面包？”", "如何在家烤面包"),
        ("《红楼梦》读后感。", "《红楼梦》读后感"),
        ("Learning C#", "Learning C#"),
        ("f(x) and g(x)", "f(x) and g(x)"),
        ("(An aside)", "An aside"),
        ("\n\n\tTabs\tand\u2028lines", "Tabs and"),
        ("Bread 👩‍🍳 baking", "Bread 👩‍🍳 baking"),
        ("a\u202egnp.exe\u0007", "agnp.exe"),
        ("word " * 40, "word word word word word word word word word word word word"),
        ("字" * 200, "字" * 60),
        ("", ""),
        ('"""', ""),
        ("...", ""),
        ("\ufeff \u200b", ""),
    ],
)
def test_a_title_is_one_short_line(said: str, title: str) -> None:
    assert clean(said) == title
