"""A fork goes on from a copy, and the first conversation stays as it is."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from app.models.chat import compactions, conversations, messages
from tests.accounts.behind import rows
from tests.accounts.signing import is_problem
from tests.backend import Backend, User
from tests.chat.conversation_files import brought, chain, document, exported, full
from tests.chat.reading import posting
from tests.conftest import Serve
from tests.upstream import Answer, Upstream

KEY = {"Idempotency-Key": "fork-1"}


@pytest.fixture
async def alice(backend: Backend) -> User:
    return await backend.user("alice")


async def fork(user: User, conversation_id: str, message_id: str | None = None, **headers: str) -> Any:
    body = {} if message_id is None else {"message_id": message_id}
    made = await user.http.post(f"/conversations/{conversation_id}/fork", json=body, headers=headers, timeout=60)
    assert made.status_code == 201, made.text
    return made.json()


def said(told: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    kept = ("role", "content", "reasoning", "status", "model", "created_at", "error")
    return [tuple(each[name] for name in kept) for each in told]


async def test_the_active_path_is_copied_and_no_more(alice: User, database_kind: str) -> None:
    made = await brought(alice, full())
    before = await exported(alice, made)
    copy = await fork(alice, made)
    shown = (await alice.http.get(f"/conversations/{made}")).json()
    assert copy["id"] != made
    assert (copy["title"], copy["model"]) == (shown["title"], shown["model"])
    told, originals = await alice.messages(copy["id"]), await alice.messages(made)
    assert said(told) == said([originals[place] for place in (0, 1, 4, 5)])
    assert [each["parent_id"] for each in told] == [None, *(each["id"] for each in told[:-1])]
    assert copy["leaf_id"] == told[-1]["id"]
    assert not {each["id"] for each in told} & {each["id"] for each in originals}
    for each in told:
        assert (each["generation_id"], each["usage"], each["feedback"]) == (None, None, None)
    assert (await exported(alice, copy["id"]))["conversation"]["system_prompt"] == "Be brief. 请简短。"
    after = await exported(alice, made)
    assert {**after, "exported_at": None} == {**before, "exported_at": None}


async def test_reasoning_keeps_its_seals_and_what_stands_for_older_turns_is_copied(
    alice: User, database_url: str, database_kind: str
) -> None:
    made = await brought(alice, full())
    copy = await fork(alice, made)
    told = await exported(alice, copy["id"])
    assert told["messages"][1]["reasoning"] == (await exported(alice, made))["messages"][1]["reasoning"]
    [compacted] = told["compactions"]
    assert (compacted["message_id"], compacted["summary"]) == (told["messages"][1]["id"], "They said hello.")
    [row] = await rows(database_url, select(compactions).where(compactions.c.conversation_id == copy["id"]))
    [at] = await rows(database_url, select(messages).where(messages.c.id == row["message_id"]))
    assert (row["branch_id"], row["position"]) == (at["branch_id"], at["position"])


async def test_it_may_end_with_any_message(alice: User, database_kind: str) -> None:
    made = await brought(alice, full())
    originals = await alice.messages(made)
    for place, path in ((2, (0, 2)), (3, (0, 3)), (0, (0,)), (4, (0, 1, 4)), (6, (6,))):
        copy = await fork(alice, made, originals[place]["id"])
        assert said(await alice.messages(copy["id"])) == said([originals[each] for each in path])


async def test_one_goes_on_in_it_and_the_first_does_not_change(alice: User) -> None:
    made = await brought(alice, document(*chain(3)))
    copy = await fork(alice, made)
    stream = await alice.chat("More?", conversation_id=copy["id"])
    told = await alice.messages(copy["id"])
    assert (len(told), told[-1]["status"], told[-2]["parent_id"]) == (8, "complete", told[-3]["id"])
    assert stream.start["conversation_id"] == copy["id"]
    assert len(await alice.messages(made)) == 6


async def test_a_conversation_without_messages_is_copied_too(alice: User) -> None:
    copy = await fork(alice, await brought(alice, document()))
    assert (await alice.messages(copy["id"]), copy["leaf_id"]) == ([], None)


async def test_a_body_is_not_needed(alice: User) -> None:
    made = await brought(alice, document(*chain(1)))
    assert (await alice.http.post(f"/conversations/{made}/fork")).status_code == 201


async def test_what_is_being_written_is_not_copied_and_what_stands_before_it_is(
    alice: User, upstream: Upstream, database_kind: str
) -> None:
    made = await brought(alice, document(*chain(1)))
    upstream.script([Answer(("Once ", "upon"), hold=True)])
    async with posting(alice, "Tell me", conversation_id=made) as reader:
        start = (await reader.event()).json
        for body in ({}, {"message_id": start["message_id"]}):
            refused = await alice.http.post(f"/conversations/{made}/fork", json=body)
            assert is_problem(refused, 409, "conversation_busy")
        earlier = (await alice.messages(made))[1]["id"]
        assert len(await alice.messages((await fork(alice, made, earlier))["id"])) == 2
        await upstream.finish()
        await reader.rest()
    assert len(await alice.messages((await fork(alice, made))["id"])) == 4


async def test_ten_thousand_messages_are_copied(alice: User, database_kind: str) -> None:
    made = await brought(alice, document(*chain(5000)))
    copy = await fork(alice, made)
    told = (await exported(alice, copy["id"]))["messages"]
    assert [each["content"] for each in told] == [each["content"] for each in chain(5000)]


async def test_what_is_somebody_elses_or_elsewhere_is_unknown(backend: Backend, alice: User) -> None:
    bob = await backend.user("bob")
    made, other = await brought(alice, document(*chain(1))), await brought(alice, document(*chain(2)))
    theirs = (await alice.messages(other))[1]["id"]
    for user, conversation_id, body in (
        (bob, made, {}),
        (alice, made, {"message_id": theirs}),
        (alice, "no-id", {}),
        (alice, theirs, {}),
    ):
        refused = await user.http.post(f"/conversations/{conversation_id}/fork", json=body)
        assert is_problem(refused, 404, "not_found")


@pytest.mark.parametrize("body", [{"message_id": 1}, {"message_id": "x"}, {"more": 1}, [], "x"], ids=repr)
async def test_nothing_else_is_a_wish(alice: User, body: Any) -> None:
    made = await brought(alice, document(*chain(1)))
    assert is_problem(await alice.http.post(f"/conversations/{made}/fork", json=body), 422, "validation_error")


async def test_twenty_equal_requests_make_one_copy(alice: User, database_kind: str) -> None:
    made = await brought(alice, document(*chain(50)))
    copies = await asyncio.gather(*(fork(alice, made, **KEY) for _ in range(20)))
    assert len({each["id"] for each in copies}) == 1
    listed = (await alice.http.get("/conversations")).json()["items"]
    assert len(listed) == 2
    again = (await alice.messages(made))[0]["id"]
    path = f"/conversations/{made}/fork"
    reused = await alice.http.post(path, json={"message_id": again}, headers=KEY)
    assert is_problem(reused, 422, "idempotency_key_reused")
    assert (await alice.http.delete(f"/conversations/{copies[0]['id']}")).status_code == 204
    assert is_problem(await alice.http.post(path, json={}, headers=KEY), 404, "not_found")


async def test_two_instances_take_equal_requests_for_one(serve: Serve, database_url: str, database_kind: str) -> None:
    if database_kind == "sqlite":
        return  # a file has one instance
    alices = [await (await serve()).user("alice") for _ in range(2)]
    made = await brought(alices[0], document(*chain(100)))
    url = f"/conversations/{made}/fork"
    copies = await asyncio.gather(*(alices[each % 2].http.post(url, headers=KEY) for each in range(20)))
    assert {each.status_code for each in copies} == {201}
    assert len({each.json()["id"] for each in copies}) == 1
    assert len(await rows(database_url, select(conversations))) == 2
