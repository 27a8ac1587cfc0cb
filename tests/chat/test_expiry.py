"""Conversations that nobody has used for so long go, and long ones in parts; a bill outlives them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.models.chat import compactions, conversations, messages
from app.models.generations import generation_logs, generations
from app.models.search import search_entries
from app.models.usage import usage_records
from app.services.expiry import Expiry
from tests.accounts.behind import alter, rows
from tests.backend import Backend, User
from tests.chat.conversation_files import bring, chain, document
from tests.chat.reading import posting
from tests.conftest import Serve
from tests.sse import Stream
from tests.upstream import Answer, Upstream

OF_CONVERSATIONS = (conversations, messages, generations, generation_logs, compactions, search_entries)


async def age(database_url: str, conversation_id: str, **since: float) -> None:
    """It was last used so long ago."""
    moment = datetime.now(UTC) - timedelta(**since)
    one = conversations.c.id == conversation_id
    await alter(database_url, update(conversations).where(one).values(updated_at=moment))


async def counted(database_url: str, *tables: Any) -> dict[str, int]:
    found = {}
    for table in tables:
        (row,) = await rows(database_url, select(func.count().label("number")).select_from(table))
        found[table.name] = row["number"]
    return found


async def listed(user: User) -> list[str]:
    return [each["id"] for each in (await user.http.get("/conversations")).json()["items"]]


async def test_what_nobody_has_used_for_so_long_goes_and_its_bill_stays(
    database_kind: str, serve: Serve, upstream: Upstream, database_url: str
) -> None:
    backend = await serve(conversation_days=30)
    alice = await backend.user()
    old, new = [(await alice.chat("Hello")).start["conversation_id"] for _ in range(2)]
    await age(database_url, old, days=30, minutes=1)
    await age(database_url, new, days=29, hours=23)

    await backend.house.expiry.sweep()

    assert await listed(alice) == [new]
    assert (await alice.http.get(f"/conversations/{old}")).status_code == 404
    left = await counted(database_url, conversations, messages, generations, usage_records)
    assert left == {"conversations": 1, "messages": 2, "generations": 1, "usage_records": 2}
    assert (await alice.http.get("/users/me/usage")).json()["totals"]["requests"] == 2


async def test_by_default_everything_is_kept(backend: Backend, database_url: str) -> None:
    alice = await backend.user()
    old = (await alice.chat("Hello")).start["conversation_id"]
    await age(database_url, old, days=20_000)

    await backend.house.expiry.sweep()

    assert await listed(alice) == [old]


async def test_one_that_is_answered_in_at_present_stays(
    database_kind: str, serve: Serve, upstream: Upstream, database_url: str
) -> None:
    backend = await serve(conversation_days=1)
    alice = await backend.user()
    upstream.script(Answer(("Yes, ", "it is."), hold=True))
    async with posting(alice, "Is it?") as reader:
        start = (await reader.event()).json
        await age(database_url, start["conversation_id"], days=2)

        await backend.house.expiry.sweep()

        await upstream.finish()
        assert Stream(await reader.rest()).done["status"] == "complete"
    assert await listed(alice) == [start["conversation_id"]]


async def test_one_that_is_used_at_this_moment_stays(database_kind: str, backend: Backend, database_url: str) -> None:
    """It was found, and then somebody went on with it."""
    alice = await backend.user()
    used, unused = [(await alice.chat("Hello")).start["conversation_id"] for _ in range(2)]
    before = datetime.now(UTC) - timedelta(days=1)
    for each in (used, unused):
        await age(database_url, each, days=2)
    async with backend.house.database.snapshot() as tx:
        found = await tx.conversations.idle(before, limit=10)
    await alice.chat("Are you still there?", conversation_id=used)

    async with backend.house.database.transaction() as tx:
        hidden = await tx.conversations.hide_idle(found, before)

    assert sorted(found) == sorted((used, unused))
    assert (hidden, await listed(alice)) == (1, [used])


async def test_many_go_in_one_sweep(backend: Backend, database_url: str) -> None:
    alice = await backend.user()
    kept = (await alice.chat("Hello")).start["conversation_id"]
    told = document(*chain(1))
    for number in range(250):
        answer = await bring(alice, {**told, "conversation": {"title": f"Old {number}"}})
        assert answer.status_code == 201, answer.text
    long_ago = datetime.now(UTC) - timedelta(days=2)
    await alter(database_url, update(conversations).where(conversations.c.id != kept).values(updated_at=long_ago))

    await Expiry(backend.house.database, backend.house.clearing, 1).sweep()

    assert await counted(database_url, conversations, messages) == {"conversations": 1, "messages": 2}


async def test_a_long_conversation_is_gone_at_once_and_cleared_behind(
    database_kind: str, backend: Backend, upstream: Upstream, database_url: str
) -> None:
    alice = await backend.user()
    long = (await bring(alice, document(*chain(1000, "The needle")))).json()["id"]
    stream = await alice.chat("Go on", conversation_id=long)
    kept = (await alice.chat("Hello")).start["conversation_id"]
    _, answer, *_ = await alice.messages(long)
    await alice.http.put(f"/conversations/{long}/messages/{answer['id']}/feedback", json={"rating": 1})

    deleted = await alice.http.delete(f"/conversations/{long}")

    assert deleted.status_code == 204
    assert await listed(alice) == [kept]
    for path in ("", "/messages", "/summaries", "/export"):
        assert (await alice.http.get(f"/conversations/{long}{path}")).status_code == 404
    assert (await alice.http.get(f"/ai/generations/{stream.start['generation_id']}/events")).status_code == 404
    assert (await alice.http.get("/conversations", params={"q": "needle"})).json()["items"] == []
    again = await alice.http.post("/ai/chat/stream", json={"message": "Still there?", "conversation_id": long})
    assert again.status_code == 404
    assert (await alice.http.delete(f"/conversations/{long}")).status_code == 404
    await backend.house.clearing.finish()
    assert await counted(database_url, conversations, messages, generations) == {
        "conversations": 1,
        "messages": 2,
        "generations": 1,
    }


async def test_what_a_crash_left_of_a_deleted_conversation_is_cleared_by_the_next_start(
    database_kind: str, serve: Serve, database_url: str
) -> None:
    first = await serve()
    alice = await first.user()
    long = (await bring(alice, document(*chain(300)))).json()["id"]
    user_id = (await alice.http.get("/users/me")).json()["id"]
    async with first.house.database.transaction() as tx:
        assert await tx.conversations.hide(user_id, long)
    await first.stop()

    second = await serve()
    await second.house.clearing.finish()

    assert sum((await counted(database_url, *OF_CONVERSATIONS)).values()) == 0


async def test_other_writers_are_served_while_a_long_one_is_cleared(backend: Backend, database_url: str) -> None:
    alice = await backend.user()
    long = (await bring(alice, document(*chain(3000, "words " * 20)))).json()["id"]
    await alice.http.delete(f"/conversations/{long}")

    served = 0
    while (await counted(database_url, messages))["messages"]:
        assert (await alice.chat("Hello")).done["status"] == "complete"
        served += 1
        async with asyncio.timeout(5):
            await alice.http.delete(f"/conversations/{(await listed(alice))[0]}")
    assert served >= 1


async def test_an_account_that_is_closed_leaves_nothing_of_what_was_deleted_before(
    database_kind: str, backend: Backend, database_url: str
) -> None:
    alice = await backend.user()
    long = (await bring(alice, document(*chain(500)))).json()["id"]
    await alice.http.delete(f"/conversations/{long}")

    assert (await alice.http.delete("/users/me")).status_code == 204

    await backend.house.clearing.finish()
    assert sum((await counted(database_url, *OF_CONVERSATIONS)).values()) == 0


@pytest.mark.parametrize("days", ["x", "-1", "1.5", "40000"])
async def test_a_time_that_is_none_refuses_to_start(serve: Serve, days: str) -> None:
    with pytest.raises(ValueError, match="conversation_days"):
        await serve(conversation_days=days)


async def test_the_sweep_goes_on_by_itself(serve: Serve, database_url: str) -> None:
    before = await serve()
    old = (await (await before.user()).chat("Hello")).start["conversation_id"]
    await age(database_url, old, days=2)
    await before.stop()
    alice = await (await serve(conversation_days=1)).user()
    left = 1

    async with asyncio.timeout(60):
        while left:
            await asyncio.sleep(0.2)
            left = len(await listed(alice))
