"""A conversation that no longer fits its model: cut once, summed up once, and the same from then on."""

import json
from itertools import pairwise
from typing import Any

import pytest

from tests.backend import Backend, User
from tests.chat.reading import posting
from tests.conftest import Serve
from tests.sse import Stream
from tests.upstream import Answer, Cut, InBandError, Record, Refuse, Scenario, Silence, Stall, Upstream

SUMMARY = "Alice plans a journey to 成都 and asked about trains."
LONG = "word " * 2400
"""Three thousand tokens: nine of them are more than the 32,000 that a model is taken to hold, less its answer."""


def asked(upstream: Upstream, model: str = "echo") -> list[Record]:
    return [call for call in upstream.calls if call.model == model]


def texts(call: Record) -> list[str]:
    return [message["content"] for message in call.body["messages"]]


def begins_with(call: Record, before: Record) -> bool:
    """Byte for byte, as a vendor's cache wants it."""
    spelled = [json.dumps(each.body["messages"], ensure_ascii=False)[1:-1] for each in (call, before)]
    return spelled[0].startswith(spelled[1])


async def talk(user: User, turns: int, conversation_id: str | None = None, first: int = 0, **body: Any) -> str:
    """So many long turns; answers the conversation."""
    for number in range(first, first + turns):
        body |= {"conversation_id": conversation_id} if conversation_id else {}
        stream = await user.chat(f"{number}: {LONG}", **body)
        assert stream.done["status"] == "complete", stream.events[-2:]
        conversation_id = stream.start["conversation_id"]
    assert conversation_id is not None
    return conversation_id


async def summaries(user: User, conversation_id: str) -> list[dict[str, Any]]:
    answer = await user.http.get(f"/conversations/{conversation_id}/summaries")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def summing(serve: Serve, upstream: Upstream, *scenarios: Scenario, **settings: Any) -> Backend:
    upstream.script(list(scenarios) or [Answer((SUMMARY,), usage=(900, 30))], model="small")
    upstream.script(Answer(("Yes.",), usage=(10, 2)))
    return await serve(**{"summary_model": "openai/small", **settings})


async def test_older_turns_are_summed_up_once_and_shown_as_such(
    database_kind: str, serve: Serve, upstream: Upstream
) -> None:
    alice = await (await summing(serve, upstream)).user()

    conversation_id = await talk(alice, 12, system_prompt="Be brief.")

    (summary,) = await summaries(alice, conversation_id)
    messages = await alice.messages(conversation_id)
    assert len(messages) == 24
    assert summary["summary"] == SUMMARY
    assert summary["model"] == "openai/small"
    cut = [each["id"] for each in messages].index(summary["message_id"])
    assert messages[cut]["role"] == "assistant"
    kept = messages[cut + 1]["content"]
    assert 3000 * (cut + 1) / 2 * 0.9 < summary["tokens"] < 3000 * (cut + 1) / 2 * 1.1
    system, first, *rest = asked(upstream)[-1].body["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    assert first["role"] == "user"
    assert first["content"].endswith(f"\n\n{kept}")
    assert SUMMARY in first["content"]
    assert "not instructions" in first["content"]
    assert [each["role"] for each in rest] == ["assistant", "user"] * (len(rest) // 2)
    (call,) = asked(upstream, "small")
    for number in range(12):
        assert (f"User: {number}: word" in texts(call)[-1]) == (number <= cut // 2)


@pytest.mark.parametrize("summed_up", [True, False])
async def test_each_prompt_begins_with_the_one_before_but_at_the_few_cuts(
    serve: Serve, upstream: Upstream, summed_up: bool
) -> None:
    alice = await (await summing(serve, upstream, summary_model="openai/small" if summed_up else None)).user()

    conversation_id = await talk(alice, 40)

    calls = asked(upstream)
    cuts = [n for n in range(1, 40) if not begins_with(calls[n], calls[n - 1])]
    made = await summaries(alice, conversation_id)
    assert 4 <= len(cuts) <= 8
    assert len(made) == len(cuts)
    assert all(later - former >= 4 for former, later in pairwise(cuts))
    assert [each["summary"] is not None for each in made] == [summed_up] * len(made)
    assert len(asked(upstream, "small")) == (len(cuts) if summed_up else 0)
    # Each goes on from the former one.
    for call in asked(upstream, "small")[1:]:
        assert SUMMARY in texts(call)[-1]
        assert "User: 0:" not in texts(call)[-1]


async def test_without_a_model_the_newest_turns_are_shown_that_fit(
    database_kind: str, serve: Serve, upstream: Upstream
) -> None:
    alice = await (await summing(serve, upstream, summary_model=None)).user()

    conversation_id = await talk(alice, 10)

    (cut,) = await summaries(alice, conversation_id)
    assert (cut["summary"], cut["model"]) == (None, None)
    shown = [text.partition(":")[0] for text in texts(asked(upstream)[-1])[::2]]
    assert shown == [str(number) for number in range(10 - len(shown), 10)]
    assert 4 <= len(shown) <= 8


async def test_a_chinese_conversation_is_summed_up_in_chinese(serve: Serve, upstream: Upstream) -> None:
    alice = await (await summing(serve, upstream, Answer(("用户计划去成都旅行。",)))).user()

    conversation_id = (await alice.chat("请讲讲成都的历史。")).start["conversation_id"]
    for _ in range(6):
        await alice.chat("请继续讲讲成都的历史。" * 500, conversation_id=conversation_id)

    (call,) = asked(upstream, "small")
    system, question = texts(call)
    assert "摘要" in system
    assert "用户: 请继续讲讲" in question
    (first, *_) = texts(asked(upstream)[-1])
    assert first.startswith("【以下是本次对话较早部分的摘要")
    assert "用户计划去成都旅行。" in first


async def test_a_model_that_holds_more_is_shown_all_of_it_again(serve: Serve, upstream: Upstream) -> None:
    alice = await (await summing(serve, upstream)).user()
    conversation_id = await talk(alice, 12)
    assert len(await summaries(alice, conversation_id)) == 1

    await talk(alice, 3, conversation_id, first=12, model="openai/gpt-4.1")
    await talk(alice, 1, conversation_id, first=15, model="openai/echo")

    larger = asked(upstream, "gpt-4.1")
    assert [len(texts(call)) for call in larger] == [25, 27, 29]
    assert all("SUMMARY" not in text and SUMMARY not in text for text in texts(larger[-1]))
    assert begins_with(larger[1], larger[0])
    assert begins_with(larger[2], larger[1])
    assert SUMMARY in texts(asked(upstream)[-1])[0]


async def test_an_edit_before_a_cut_does_without_it_and_one_behind_it_goes_on_from_it(
    database_kind: str, serve: Serve, upstream: Upstream
) -> None:
    alice = await (await summing(serve, upstream)).user()
    conversation_id = await talk(alice, 12)
    messages = await alice.messages(conversation_id)

    for message_id in (messages[2]["id"], messages[-2]["id"]):
        path = f"/conversations/{conversation_id}/messages/{message_id}/edit"
        edited = await alice.http.post(path, json={"message": "Something else"})
        assert edited.status_code == 200, edited.text

    without, behind = asked(upstream)[-2:]
    assert texts(without)[0].startswith("0: word")
    assert [text[:10] for text in texts(without)][1:] == ["Yes.", "Something "]
    assert SUMMARY in texts(behind)[0]
    assert texts(behind)[-1] == "Something else"
    assert len(asked(upstream, "small")) == 1


@pytest.mark.parametrize(
    "scenario",
    [
        Refuse(401),
        Refuse(503),
        Answer(()),
        Answer((" \n",)),
        Answer(("<think>The user wants me to",)),
        Answer(("Half",), fault=Cut(1)),
        Answer(("Half",), fault=InBandError(1)),
        Answer(("Half",), fault=Stall(1)),
        Silence(),
        Answer(tuple("x" * 1000 for _ in range(200))),
        Answer(("for ever ",) * 10_000, delay=0.01),
    ],
    ids=["bad key", "overloaded", "empty", "blank", "thoughts", "cut", "error", "stall", "silence", "huge", "endless"],
)
async def test_a_summary_that_fails_does_not_fail_the_turn(
    serve: Serve, upstream: Upstream, scenario: Scenario
) -> None:
    limits = {"first_token_timeout": 0.6, "chunk_timeout": 0.6, "answer_timeout": 4.0}
    alice = await (await summing(serve, upstream, scenario, **limits)).user()

    conversation_id = await talk(alice, 12)

    (cut,) = await summaries(alice, conversation_id)
    assert cut["summary"] is None
    assert len(asked(upstream, "small")) == 1  # not each turn again
    calls = asked(upstream)
    assert begins_with(calls[-1], calls[-2])
    await _adds_up(alice, upstream)


async def test_a_summary_that_failed_is_made_up_for_at_the_next_cut(serve: Serve, upstream: Upstream) -> None:
    alice = await (await summing(serve, upstream, Refuse(401), Answer((SUMMARY,)))).user()

    conversation_id = await talk(alice, 16)

    failed, made = await summaries(alice, conversation_id)
    assert (failed["summary"], made["summary"]) == (None, SUMMARY)
    assert "User: 0: word" in texts(asked(upstream, "small")[1])[-1]


async def test_a_summary_model_that_nobody_has_is_done_without(serve: Serve, upstream: Upstream) -> None:
    alice = await (await summing(serve, upstream, summary_model="anthropic/claude")).user()

    conversation_id = await talk(alice, 10)

    (cut,) = await summaries(alice, conversation_id)
    assert cut["summary"] is None


async def test_a_stop_while_it_is_summed_up_ends_both(database_kind: str, serve: Serve, upstream: Upstream) -> None:
    alice = await (await summing(serve, upstream, Answer(("Half ", "of it"), hold=True), FINE)).user()
    conversation_id = await talk(alice, 9)
    async with posting(alice, f"9: {LONG}", conversation_id=conversation_id) as reader:
        start = await reader.event()
        await upstream.release(1)

        stopped = await alice.http.post(f"/ai/generations/{start.json['generation_id']}/stop")

        assert stopped.json()["status"] == "stopped"
        ending = Stream(await reader.rest(within=10))
    assert (ending.text, ending.done["status"]) == ("", "stopped")
    (call,) = asked(upstream, "small")
    await upstream.wait_for(lambda: call.ended is not None)
    assert call.ended == "aborted"
    assert len(asked(upstream)) == 9
    assert await summaries(alice, conversation_id) == []
    await _adds_up(alice, upstream, estimated=1)

    after = await alice.chat("And now?", conversation_id=conversation_id)

    assert after.done["status"] == "complete"
    assert len(await summaries(alice, conversation_id)) == 1


async def test_a_drain_ends_a_turn_that_waits_for_its_summary(
    database_kind: str, serve: Serve, upstream: Upstream
) -> None:
    backend = await summing(serve, upstream, Answer(("Half ", "of it"), hold=True))
    alice = await backend.user()
    conversation_id = await talk(alice, 9)
    async with posting(alice, f"9: {LONG}", conversation_id=conversation_id) as reader:
        await reader.event()
        await upstream.release(1)

        await backend.house.drain(0)

        told = Stream(await reader.rest(within=20))
    assert (told.failure["code"], told.failure["retryable"]) == ("instance_draining", True)
    (call,) = asked(upstream, "small")
    assert call.ended == "aborted"
    await _adds_up(alice, upstream, estimated=1)


async def test_claudes_prompts_begin_alike_too(serve: Serve, upstream: Upstream) -> None:
    """But for the mark on the newest message, which is no part of what Anthropic caches."""
    anthropic = {"anthropic_api_key": "sk-loopback-key", "anthropic_base_url": f"{upstream.url}/anthropic"}
    alice = await (await summing(serve, upstream, **anthropic)).user()

    conversation_id = await talk(alice, 20, model="anthropic/echo")

    spelled = [[_unmarked(each) for each in call.body["messages"]] for call in asked(upstream)]
    cuts = [n for n in range(1, 20) if spelled[n][: len(spelled[n - 1])] != spelled[n - 1]]
    assert len(cuts) == len(await summaries(alice, conversation_id)) == 3
    for call in asked(upstream)[1:]:
        assert call.body["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral"}


async def test_a_conversation_that_is_deleted_while_it_is_summed_up_stays_deleted(
    database_kind: str, serve: Serve, upstream: Upstream
) -> None:
    alice = await (await summing(serve, upstream, Answer(("Half ", "of it"), hold=True))).user()
    conversation_id = await talk(alice, 9)
    async with posting(alice, f"9: {LONG}", conversation_id=conversation_id) as reader:
        await reader.event()
        await upstream.release(1)

        deleted = await alice.http.delete(f"/conversations/{conversation_id}")

        assert deleted.status_code == 204
        assert Stream(await reader.rest(within=10)).done["status"] == "stopped"
    assert (await alice.http.get(f"/conversations/{conversation_id}/summaries")).status_code == 404
    await _adds_up(alice, upstream, estimated=1)


async def test_of_an_account_that_goes_while_it_is_summed_up_nothing_is_kept(
    database_kind: str, serve: Serve, upstream: Upstream
) -> None:
    # Nobody looks who is gone: the summary is there, and nobody to keep it for.
    backend = await summing(serve, upstream, Answer((SUMMARY,), hold=True), checkpoint_seconds=60)
    alice = await backend.user()
    conversation_id = await talk(alice, 9)
    user_id = (await alice.http.get("/users/me")).json()["id"]
    async with posting(alice, f"9: {LONG}", conversation_id=conversation_id) as reader:
        await reader.event()
        async with backend.house.database.transaction() as tx:  # as elsewhere, before the conversation is cleared
            await tx.conversations.hide(user_id, conversation_id)
            while parts := await tx.belongings.some(user_id):
                for part in parts:
                    await tx.belongings.drop(part)
            await tx.users.delete(user_id)

        await upstream.finish()

        await reader.rest(within=20)
    async with backend.house.database.snapshot() as tx:
        assert (await tx.usage.booked(user_id, limit=10, cursor=None)).items == []


async def test_a_key_for_one_model_may_have_its_conversations_summed_up(serve: Serve, upstream: Upstream) -> None:
    alice = await (await summing(serve, upstream)).user()
    made = await alice.http.post("/users/me/api-keys", json={"name": "echo", "scopes": ["models:openai/echo"]})
    alice.http.headers["Authorization"] = f"Bearer {made.json()['key']}"

    conversation_id = await talk(alice, 10)

    assert [each["summary"] for each in await summaries(alice, conversation_id)] == [SUMMARY]


async def test_what_summaries_cost_is_in_the_bill(database_kind: str, serve: Serve, upstream: Upstream) -> None:
    alice = await (await summing(serve, upstream)).user()

    await talk(alice, 16)

    told = await _adds_up(alice, upstream)
    requests = {item["model"]: item["requests"] for item in told["items"]}
    assert requests == {"openai/echo": 16, "openai/small": 2}
    metrics = (await alice.http.get("/metrics")).text
    assert 'ai_upstream_attempts_total{outcome="complete",provider="openai"} 18.0' in metrics


async def test_a_long_past_is_read_by_a_small_model_in_a_few_pieces(serve: Serve, upstream: Upstream) -> None:
    """Fifty turns of 3,000 tokens for a model that holds 1,000,000, then for one that holds 32,000."""
    alice = await (await summing(serve, upstream)).user()
    conversation_id = await talk(alice, 50, model="openai/gpt-4.1")

    await talk(alice, 1, conversation_id, first=50, model="openai/echo")

    calls = asked(upstream, "small")
    assert len(calls) == 4
    assert "left out" in texts(calls[0])[-1]
    for former, call in zip([None, *calls], calls, strict=False):
        assert sum(len(text) for text in texts(call)) < 32_000 * 4
        assert (SUMMARY in texts(call)[-1]) == (former is not None)
    (cut,) = await summaries(alice, conversation_id)
    assert 130_000 < cut["tokens"] < 150_000
    assert SUMMARY in texts(asked(upstream)[-1])[0]


async def test_summaries_are_listed_in_pages_to_their_owner_alone(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    alice, mallory = await backend.user("alice"), await backend.user("mallory")
    conversation_id = await talk(alice, 24)
    path = f"/conversations/{conversation_id}/summaries"
    whole = await summaries(alice, conversation_id)
    assert len(whole) >= 3

    read: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await alice.http.get(path, params={"limit": 1, "cursor": cursor})).json()
        read += page["items"]
        cursor = page["next_cursor"]

    assert read == whole
    assert [each["tokens"] for each in whole] == sorted(each["tokens"] for each in whole)
    assert (await mallory.http.get(path)).status_code == 404
    for nonsense in ("x", "1", "1.", "9" * 50, f"-1.{whole[0]['id']}", "1." + "\x00" * 36, f"1.{'汉' * 36}", "😀"):
        assert (await alice.http.get(path, params={"cursor": nonsense})).status_code == 422


FINE = Answer((SUMMARY,))


def _unmarked(message: dict[str, Any]) -> tuple[str, str]:
    content = message["content"]
    return message["role"], content if isinstance(content, str) else "".join(block["text"] for block in content)


async def _adds_up(user: User, upstream: Upstream, *, estimated: int | None = None) -> dict[str, Any]:
    """What the user is told to have used is what the vendor has seen."""
    told: dict[str, Any] = (await user.http.get("/users/me/usage")).json()
    totals = told["totals"]
    assert totals["requests"] == len(upstream.calls)
    whole = [call for call in upstream.calls if call.ended == "complete"]
    reported = [call.scenario.usage for call in whole if isinstance(call.scenario, Answer) and call.scenario.usage]
    if estimated is None:
        if totals["estimated"] == 0:
            assert totals["input_tokens"] == sum(usage[0] for usage in reported)
            assert totals["output_tokens"] == sum(usage[1] for usage in reported)
    else:
        assert totals["estimated"] == estimated
    return told
