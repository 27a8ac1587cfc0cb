"""An account that is deleted leaves nothing behind but audit records, which know nobody's name; and stays deleted."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from app.domain.identity import Principal
from app.models.base import metadata
from app.models.identity import users
from app.services.closing import Closing
from tests.accounts.behind import alter, rows
from tests.accounts.signing import ask, is_problem, new_key, new_ticket, sign_in
from tests.accounts.stored import store
from tests.backend import PASSWORD, PLAIN, Backend, User
from tests.chat.conversation_files import bring, full
from tests.chat.reading import eventually, posting
from tests.conftest import Serve
from tests.documents.papers import added, ready
from tests.doors.ui.page import posted, text
from tests.upstream import Answer, Reasoning, Upstream

CANARY = "canary7f3a"
NAME = f"Alice {CANARY} 王"
# Of the whole server, not of a user.
NOT_OURS = {"instances", "duties", "index_spaces", "audit_events"}
# What the index has still to learn: what is in it is gone once it has.
PASSING = {"index_changes"}

Tables = Mapping[str, Sequence[str]]
Delete = Callable[[Backend, User, User], Awaitable[httpx.Response]]


async def by_oneself(backend: Backend, alice: User, root: User) -> httpx.Response:
    return await alice.http.delete("/users/me")


async def by_an_admin(backend: Backend, alice: User, root: User) -> httpx.Response:
    return await root.http.delete(f"/users/{await id_of(alice)}")


EITHER = pytest.mark.parametrize("delete", [by_oneself, by_an_admin], ids=["by oneself", "by an admin"])


async def id_of(user: User) -> str:
    identity: str = (await user.http.get("/users/me")).json()["id"]
    return identity


async def everything(database_url: str) -> Tables:
    """Every row of every table there is, as text."""
    return {
        table.name: sorted(_spelled(dict(row)) for row in await rows(database_url, select(table)))
        for table in metadata.sorted_tables
        if table.name != "instances"
    }


def _spelled(row: Mapping[str, Any]) -> str:
    return json.dumps(
        {name: value.decode("latin-1") if isinstance(value, bytes) else str(value) for name, value in row.items()},
        ensure_ascii=False,
    )


async def admin(backend: Backend, database_url: str) -> User:
    root = await backend.user("root")
    await alter(database_url, update(users).where(users.c.email == root.email).values(role="admin"))
    return root


async def lives(backend: Backend, user: User, upstream: Upstream) -> set[str]:
    """Let a user leave something in every table; answers the ids of it all. One answer goes on being written."""
    upstream.script(
        [
            Answer((Reasoning(f"{CANARY} thought"), f"{CANARY} answer"), usage=(9, 6)),
            Answer((f"{CANARY} to a page",)),
            Answer((f"{CANARY} at a door",)),
            Answer(tuple(f"{CANARY} {number} " for number in range(9)), hold=True),
        ]
    )
    agent = await sign_in(backend, user, agent=f"{CANARY} agent")
    await user.http.patch("/users/me", json={"name": NAME})
    key = await new_key(backend, agent.bearer, name=f"{CANARY} key")
    await new_ticket(backend, agent.bearer)
    uploaded = await user.http.post("/files", files={"file": (f"{CANARY}.txt", CANARY.encode())})
    assert uploaded.status_code == 201, uploaded.text
    (document,) = await added(user, (f"{CANARY}.md", f"# {CANARY}\n\nof a document".encode()))
    await ready(user, document["document_id"])
    start = (
        await user.chat(
            f"{CANARY} question",
            system_prompt=f"{CANARY} prompt",
            file_ids=[uploaded.json()["id"]],
            headers={"Idempotency-Key": CANARY},
        )
    ).start
    shown = await user.http.post("/ai/ui/chat", json=posted(f"{CANARY} chat", text(f"{CANARY} of a page")))
    assert shown.status_code == 200, shown.text
    asked = {"model": "openai/echo", "messages": [{"role": "user", "content": CANARY}]}
    kept = await user.http.post("/v1/chat/completions", json=asked, headers={"Idempotency-Key": f"{CANARY} door"})
    assert kept.status_code == 200, kept.text
    brought = await bring(user, full())  # with what was thought of answers, and a summary
    assert brought.status_code == 201, brought.text
    return {
        *(key["id"], start["conversation_id"], start["generation_id"], start["message_id"], await id_of(user)),
        *(uploaded.json()["id"], brought.json()["id"], *document.values()),
        *(shown.headers["x-conversation-id"], shown.headers["x-generation-id"]),
        kept.json()["id"].removeprefix("chatcmpl-"),
    }


def found(tables: Tables, what: str) -> list[str]:
    return [f"{name}: {row}" for name, table in tables.items() for row in table if what in row]


@EITHER
async def test_no_row_of_a_deleted_user_is_left_in_any_table(
    serve: Serve, upstream: Upstream, database_url: str, database_kind: str, delete: Delete
) -> None:
    backend = await serve(checkpoint_seconds=0.05)
    root, bob = await admin(backend, database_url), await backend.user("bob")
    upstream.script(Answer(("Fine",)))
    await bob.chat("Hello")
    before = await everything(database_url)

    alice = await backend.user("alice")
    ids = await lives(backend, alice, upstream)
    async with posting(alice, f"{CANARY} again") as reader:
        running = (await reader.event()).json
        await upstream.release(3)
        await reader.events(3)
        ids |= {running["conversation_id"], running["generation_id"], running["message_id"]}
        await _checkpointed(database_url)
        meanwhile = await everything(database_url)
        for name in meanwhile.keys() - NOT_OURS - PASSING:
            table = meanwhile[name]
            assert len(table) > len(before[name]), f"let Alice leave something in {name}"
        answer = await delete(backend, alice, root)
        assert answer.status_code == 204, answer.text
        assert (await reader.rest())[-1].json["status"] == "stopped"
    await eventually(lambda: upstream.calls[-1].ended == "aborted")
    async with asyncio.timeout(10):
        while await rows(database_url, select(metadata.tables["index_changes"])):
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)  # in which nothing may come back

    after = await everything(database_url)
    for name in after.keys() - NOT_OURS:
        assert after[name] == before[name], name
    remaining = set(after["audit_events"]) - set(before["audit_events"])
    assert any("user.deleted" in row for row in remaining)
    for secret in (CANARY, alice.email, "alice", "Alice", "王"):
        assert not [row for row in remaining if secret in row], secret
    texts = {row["detail"] for row in await rows(database_url, select(metadata.tables["audit_events"]))}
    assert not [detail for detail in texts if "@" in detail]
    assert not [row for identity in ids for row in found({**after, "audit_events": ()}, identity)]
    assert (await ask(backend, "GET", "/users/me", headers=dict(alice.http.headers))).status_code == 401
    assert len((await bob.http.get("/conversations")).json()["items"]) == 1


async def _checkpointed(database_url: str) -> None:
    async with asyncio.timeout(5):
        while not await rows(database_url, select(metadata.tables["generation_checkpoints"])):
            await asyncio.sleep(0.02)


@EITHER
async def test_a_post_that_races_with_the_deletion_brings_nothing_back(
    serve: Serve, upstream: Upstream, database_url: str, database_kind: str, delete: Delete
) -> None:
    settings = {"secret_key": "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "checkpoint_seconds": 0.05}
    instances = [await serve(**settings) for _ in range(1 if database_kind == "sqlite" else 2)]
    root = await admin(instances[0], database_url)
    upstream.script(Answer(tuple(f"{number} " for number in range(200)), delay=0.01))
    for round_ in range(4):
        alice = await instances[0].user(f"alice-{round_}")
        talk = (await _posted(instances[0], alice, None))[1]
        before = await id_of(alice)
        posts = [
            asyncio.create_task(_posted(instances[number % len(instances)], alice, talk if number % 2 else None))
            for number in range(6)
        ]
        await asyncio.sleep(0.004 * round_)
        assert (await delete(instances[-1], alice, root)).status_code == 204
        outcomes = {status for status, _ in await asyncio.gather(*posts)}
        assert outcomes <= {200, 401, 404, 409, 429}, outcomes
        async with asyncio.timeout(10):
            while [call for call in upstream.calls if call.ended is None]:
                await asyncio.sleep(0.05)
        tables = await everything(database_url)
        assert not found({**tables, "audit_events": ()}, before)
        for name in (
            "conversations",
            "messages",
            "generations",
            "generation_checkpoints",
            "generation_logs",
            "usage_records",
        ):
            assert tables[name] == [], name


async def _posted(backend: Backend, user: User, conversation_id: str | None) -> tuple[int, str | None]:
    """The status, and the conversation; the stream itself is not read to its end."""
    body = {"message": "Hello", **({"conversation_id": conversation_id} if conversation_id else {})}
    headers = {"Authorization": f"Bearer {user.token}"}
    async with (
        httpx.AsyncClient(base_url=backend.url, headers=headers, timeout=20, trust_env=False, verify=PLAIN) as http,
        http.stream("POST", "/ai/chat/stream", json=body) as answer,
    ):
        return answer.status_code, answer.headers.get("x-conversation-id")


@EITHER
async def test_an_answer_that_is_being_written_is_stopped_before_the_deletion_is_answered(
    serve: Serve, upstream: Upstream, database_url: str, delete: Delete
) -> None:
    backend = await serve(checkpoint_seconds=60)  # by which it would be noticed, too
    root, alice = await admin(backend, database_url), await backend.user("alice")
    upstream.script(Answer(tuple("abc"), hold=True))
    async with posting(alice, "Hello") as reader:
        await reader.event()
        assert (await delete(backend, alice, root)).status_code == 204
        assert (await reader.rest(within=15))[-1].json["status"] == "stopped"
    await eventually(lambda: upstream.calls[0].ended == "aborted", within=15)


async def test_what_a_run_used_is_not_booked_for_somebody_who_is_gone(
    backend: Backend, upstream: Upstream, database_url: str, database_kind: str
) -> None:
    """The ledger refers to nobody by key, so that nothing but care keeps such rows away."""
    for round_ in range(5):
        upstream.script(Answer(tuple(f"{number} " for number in range(20)), delay=0.005))
        alice = await backend.user(f"alice-{round_}")
        streams = [asyncio.create_task(_posted(backend, alice, None)) for _ in range(4)]
        await asyncio.gather(*streams)
        await asyncio.sleep(0.08 + 0.01 * round_)  # about when the answers end
        assert (await alice.http.delete("/users/me")).status_code == 204
        await asyncio.sleep(0.2)
        assert (await everything(database_url))["usage_records"] == []


async def test_others_are_served_while_much_is_deleted(backend: Backend, database_url: str, database_kind: str) -> None:
    alice, bob = await backend.user("alice"), await backend.user("bob")
    alice_id = await id_of(alice)
    await store(database_url, alice_id, [["x" * 2000] * 300 for _ in range(20)])
    deletion = asyncio.create_task(alice.http.delete("/users/me", timeout=60))
    loop, times = asyncio.get_running_loop(), []
    while not deletion.done():
        began = loop.time()
        assert (await bob.http.patch("/users/me", json={"name": "Bob"})).status_code == 200
        times.append(loop.time() - began)
    assert (await deletion).status_code == 204
    assert len(times) > 2
    assert sorted(times)[-2] < 2.0  # one may meet a pause of the machine
    await cleared(database_url, alice_id)


async def cleared(database_url: str, user_id: str) -> None:
    """Wait until the user's own row has gone, which is the last."""
    async with asyncio.timeout(30):
        while user_id in {row["id"] for row in await rows(database_url, select(users.c.id))}:
            await asyncio.sleep(0.05)
    assert (await everything(database_url))["messages"] == []


async def test_who_closes_a_large_account_is_answered_before_it_is_cleared(
    backend: Backend, database_url: str, database_kind: str
) -> None:
    root, alice = await admin(backend, database_url), await backend.user("alice")
    await store(database_url, await id_of(alice), [["x" * 2000] * 300 for _ in range(10)])
    async with backend.house.database.snapshot() as tx:
        owner = await tx.users.get(await id_of(alice))
        administrator = await tx.users.get(await id_of(root))
    assert owner is not None
    assert administrator is not None
    closing = Closing(backend.house.database, backend.house.generations, backend.house.blobs, patience=0)
    await closing.close(owner.id, by=Principal(administrator))
    assert owner.id in {row["id"] for row in await rows(database_url, select(users.c.id))}
    assert (await ask(backend, "GET", "/users/me", headers=dict(alice.http.headers))).status_code == 401
    await cleared(database_url, owner.id)


async def test_a_clearing_that_a_stop_broke_off_is_finished_after_the_next_start(
    backend: Backend, database_url: str, database_kind: str
) -> None:
    alice_id = await id_of(await backend.user("alice"))
    await store(database_url, alice_id, [["x" * 2000] * 300 for _ in range(20)])
    async with backend.house.database.transaction() as tx:
        await tx.users.bury(alice_id)
    stopped = Closing(backend.house.database, backend.house.generations, backend.house.blobs)
    finishing = asyncio.create_task(stopped.finish())
    await asyncio.sleep(0.05)
    await stopped.stop()
    await finishing
    assert alice_id in {row["id"] for row in await rows(database_url, select(users.c.id))}
    await Closing(backend.house.database, backend.house.generations, backend.house.blobs).finish()
    await cleared(database_url, alice_id)


async def test_long_messages_go_a_few_at_a_time(backend: Backend, database_url: str, database_kind: str) -> None:
    alice_id = await id_of(await backend.user("alice"))
    await store(database_url, alice_id, [["王" * 200_000] * 8, ["short"] * 8, ["x" * 600_000, "short"]])
    sizes = []
    async with backend.house.database.snapshot() as tx:
        parts = await tx.belongings.some(alice_id)
    for part in parts:
        before = await _lengths(database_url)
        async with backend.house.database.transaction() as tx:
            await tx.belongings.drop(part)
        after = await _lengths(database_url)
        sizes.append([length for message, length in before.items() if message not in after])
    assert await _lengths(database_url) == {}
    assert all(sum(lengths) <= 500_000 or len(lengths) == 1 for lengths in sizes), sizes


async def _lengths(database_url: str) -> Mapping[str, int]:
    messages = metadata.tables["messages"]
    return {row["id"]: len(row["content"]) for row in await rows(database_url, select(messages))}


async def test_a_closed_account_is_gone_for_everybody_and_cleared_later_if_it_could_not_be_at_once(
    backend: Backend, upstream: Upstream, database_url: str, database_kind: str
) -> None:
    upstream.script(Answer(("Fine",)))
    root, alice = await admin(backend, database_url), await backend.user("alice")
    key = await new_key(backend, dict(alice.http.headers))
    await alice.chat(CANARY)
    alice_id = await id_of(alice)
    async with backend.house.database.transaction() as tx:
        await tx.users.bury(alice_id)  # and then the database fails

    for headers in (dict(alice.http.headers), {"X-API-Key": key["key"]}):
        assert (await ask(backend, "GET", "/users/me", headers=headers)).status_code == 401
    assert is_problem(await root.http.get(f"/users/{alice_id}"), 404, "not_found")
    assert is_problem(await root.http.patch(f"/users/{alice_id}", json={"is_active": True}), 404, "not_found")
    assert is_problem(await root.http.delete(f"/users/{alice_id}"), 404, "not_found")
    for query in ({}, {"q": "deleted"}, {"q": "alice"}, {"is_active": "false"}):
        listed = (await root.http.get("/users", params=query)).json()["items"]
        assert alice_id not in [user["id"] for user in listed]
    again = await ask(backend, "POST", "/auth/register", json={"email": alice.email, "password": PASSWORD})
    assert again.status_code == 201

    await Closing(backend.house.database, backend.house.generations, backend.house.blobs).finish()
    tables = await everything(database_url)
    assert not found({**tables, "audit_events": ()}, alice_id)
    assert not found(tables, CANARY)
    assert again.json()["id"] in str(tables["users"])


async def test_the_deleted_are_deleted_once(backend: Backend, database_url: str) -> None:
    root, alice = await admin(backend, database_url), await backend.user("alice")
    alice_id = await id_of(alice)
    path = f"/users/{alice_id}"
    answers = await asyncio.gather(*(root.http.delete(path) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [204, 404, 404, 404, 404]
    acts = await rows(database_url, select(metadata.tables["audit_events"]))
    deleted = [act for act in acts if act["action"] == "user.deleted"]
    assert [(act["target_id"], act["actor_id"]) for act in deleted] == [(alice_id, await id_of(root))]
    assert deleted[0]["created_at"] <= datetime.now(UTC)
