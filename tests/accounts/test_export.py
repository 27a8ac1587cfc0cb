"""An export holds all that a user has stored and nothing of anybody else; it is whole or visibly broken."""

import asyncio
import io
import json
import re
import shutil
import signal
import socket
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text, update

from app.models.audit import audit_events
from app.models.identity import users
from tests.accounts.behind import alter, rows
from tests.accounts.signing import ask, is_problem, new_key, sign_in
from tests.accounts.stored import TEXTS, noise, store
from tests.backend import PLAIN, Backend, Client, Process, User
from tests.chat.reading import posting
from tests.conftest import Serve
from tests.process.test_drain import assert_left_quietly, draining
from tests.upstream import Answer, Reasoning, Upstream

EXPORT = "/users/me/export"
LISTS = {
    *("sessions.json", "api_keys.json", "usage.json", "audit.json"),
    *("files.json", "collections.json", "documents.json"),
}


@pytest.fixture
async def alice(backend: Backend) -> User:
    return await backend.user("alice")


async def id_of(user: User) -> str:
    identity: str = (await user.http.get("/users/me")).json()["id"]
    return identity


async def exported(user: User) -> Mapping[str, Any]:
    """The files of an archive, by name, as parsed."""
    answer = await user.http.get(EXPORT, timeout=60)
    assert answer.status_code == 200, answer.text
    return opened(answer.content)


def opened(archive: bytes) -> Mapping[str, Any]:
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        assert files.testzip() is None
        names = files.namelist()
        assert len(names) == len(set(names))
        return {name: json.loads(files.read(name)) if name.endswith(".json") else files.read(name) for name in names}


async def test_it_holds_everything_as_the_api_names_it(
    backend: Backend, alice: User, upstream: Upstream, database_kind: str
) -> None:
    key = await new_key(backend, dict(alice.http.headers), scopes=["chat"])
    upstream.script([Answer((Reasoning("Let me think."), "四十二 🎉\x00!"), usage=(9, 6)), Answer(("Again",))])
    talk = (await alice.chat("What is it?", model="openai/echo", system_prompt="Be brief.")).start["conversation_id"]
    await alice.chat("And now?", conversation_id=talk)

    answer = await alice.http.get(EXPORT)
    assert answer.headers["content-type"] == "application/zip"
    assert re.match(r'attachment; filename="export-\d{4}-\d\d-\d\d\.zip";', answer.headers["content-disposition"])
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    files = opened(answer.content)
    assert files.keys() == {"README.txt", "profile.json", *LISTS, f"conversations/{talk}.json"}

    assert files["profile.json"] == (await alice.http.get("/users/me")).json()
    assert files["sessions.json"] == (await alice.http.get("/users/me/sessions")).json()["items"]
    listed_keys = (await alice.http.get("/users/me/api-keys")).json()["items"]
    assert files["api_keys.json"] == listed_keys
    conversation = files[f"conversations/{talk}.json"]
    exported_alone = (await alice.http.get(f"/conversations/{talk}/export")).json()
    assert {**conversation, "exported_at": None} == {**exported_alone, "exported_at": None}
    assert conversation["conversation"]["system_prompt"] == "Be brief."
    messages = await alice.messages(talk)
    assert [each["content"] for each in conversation["messages"]] == [each["content"] for each in messages]
    told = conversation["messages"][1]
    assert (told["content"], told["reasoning"][0]["text"]) == ("四十二 🎉!", "Let me think.")
    first, second = files["usage.json"]
    assert [first["generation_id"], second["generation_id"]] == [messages[each]["generation_id"] for each in (1, 3)]
    assert (first["input_tokens"], first["output_tokens"]) == (9, 6)
    acts = [act["action"] for act in files["audit.json"]]
    assert {"user.exported", "api_key.created", "user.registered"} <= set(acts)
    whole = json.dumps({name: each for name, each in files.items() if name != "README.txt"})
    assert key["key"] not in whole
    for secret in ("key_hash", "password", "$argon2", "refresh_id"):
        assert secret not in whole.replace("user.password_changed", ""), secret


async def test_it_holds_nothing_of_anybody_else(
    backend: Backend, alice: User, database_url: str, upstream: Upstream, database_kind: str
) -> None:
    bob = await backend.user("bob")
    await bob.chat("The secret of Bob")
    await new_key(backend, dict(bob.http.headers))
    # An administrator acts on Alice: she is told what, and not from where.
    await alter(database_url, update(users).where(users.c.email == bob.email).values(role="admin"))
    alice_id, bob_id = await id_of(alice), await id_of(bob)
    assert (await bob.http.patch(f"/users/{alice_id}", json={"name": "Alice"})).status_code == 200
    files = await exported(alice)
    assert [name for name in files if name.startswith("conversations/")] == []
    assert (files["usage.json"], files["api_keys.json"], len(files["sessions.json"])) == ([], [], 1)
    on_alice = [act for act in files["audit.json"] if act["actor_id"] == bob_id]
    assert [act["action"] for act in on_alice] == ["user.changed"]
    assert [on_alice[0][field] for field in ("address", "credential_id", "request_id")] == [None] * 3
    assert all(alice_id in (act["actor_id"], act["target_id"]) for act in files["audit.json"])
    assert "Bob" not in json.dumps({**files, "README.txt": None})


async def test_three_hundred_conversations_come_out_as_they_are(
    backend: Backend, alice: User, database_url: str, database_kind: str, tmp_path: Path
) -> None:
    talks = [[*TEXTS, str(number)] for number in range(298)] + [[], [f"message {number}" for number in range(350)]]
    ids = await store(database_url, await id_of(alice), talks)
    answer = await alice.http.get(EXPORT, timeout=60)
    files = opened(answer.content)
    for conversation_id, texts in zip(ids, talks, strict=True):
        conversation = files[f"conversations/{conversation_id}.json"]
        head = conversation["conversation"]
        assert (head["title"], head["system_prompt"]) == ("标题 🎉", "Be brief. 请简短。")
        assert [message["content"] for message in conversation["messages"]] == texts
    archive = tmp_path / "export.zip"
    archive.write_bytes(answer.content)
    if (unzip := shutil.which("unzip")) is not None:  # Python's own reader has read it in any case
        checked = await asyncio.create_subprocess_exec(unzip, "-tqq", archive)
        assert await checked.wait() == 0


async def test_what_is_being_written_is_told_with_its_text_so_far(
    alice: User, upstream: Upstream, database_kind: str
) -> None:
    upstream.script([Answer(("Once ", "upon ", "a time"), hold=True)])
    async with posting(alice, "Tell me a story") as reader:
        start = (await reader.event()).json
        await upstream.release(2)
        await reader.events(2)
        told = (await exported(alice))[f"conversations/{start['conversation_id']}.json"]["messages"][1]
        assert (told["content"], told["status"]) == ("Once upon ", "streaming")
        await upstream.finish()
        assert (await reader.rest())[-1].json["status"] == "complete"


async def test_each_conversation_in_it_can_be_imported(backend: Backend, alice: User, upstream: Upstream) -> None:
    upstream.script([Answer((Reasoning("Hm."), "One")), Answer(("Two",))])
    start = (await alice.chat("Count")).start
    talk = start["conversation_id"]
    await alice.http.post(f"/conversations/{talk}/messages/{start['message_id']}/regenerate", json={})
    bob = await backend.user("bob")
    told = (await exported(alice))[f"conversations/{talk}.json"]
    made = await bob.http.post("/conversations/import", json=told)
    assert made.status_code == 201, made.text
    assert [each["content"] for each in await bob.messages(made.json()["id"])] == ["Count", "One", "Two"]


async def test_it_is_on_record(alice: User, database_url: str) -> None:
    await exported(alice)
    alice_id = await id_of(alice)
    found = await rows(database_url, select(audit_events).where(audit_events.c.action == "user.exported"))
    assert [(act["actor_id"], act["target_id"]) for act in found] == [(alice_id, alice_id)]


async def test_it_takes_somebody_who_has_signed_in(backend: Backend, alice: User) -> None:
    """It tells of sessions and keys, of which a key is told nothing elsewhere either."""
    key = await new_key(backend, dict(alice.http.headers))
    refused = await ask(backend, "GET", EXPORT, headers={"X-API-Key": key["key"]})
    assert is_problem(refused, 403, "sign_in_required")
    cookie = (await sign_in(backend, alice)).under_cookie
    assert (await ask(backend, "GET", EXPORT, headers=cookie)).status_code == 200
    elsewhere = {**cookie, "Sec-Fetch-Site": "cross-site"}
    assert is_problem(await ask(backend, "GET", EXPORT, headers=elsewhere), 403, "cross_origin")
    assert is_problem(await ask(backend, "GET", EXPORT), 401, "unauthenticated")


class Reader:
    """A client that reads when it wants to, of a connection that holds little."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._body = b""

    async def head(self) -> bytes:
        return await self._reader.readuntil(b"\r\n\r\n")

    async def body(self) -> bytes:
        """To its end. Raises asyncio.IncompleteReadError or ConnectionError where it is cut off."""
        while await self._chunk():
            pass
        return self._body

    async def until(self, part: str) -> None:
        """Read so far that this has come, and for the time being no further."""
        while part.encode() not in self._body:
            assert await self._chunk()

    async def _chunk(self) -> bool:
        size = int((await self._reader.readuntil(b"\r\n")).strip(), 16)
        self._body += (await self._reader.readexactly(size + 2))[:-2]
        return size > 0

    def leave(self) -> None:
        self._writer.transport.abort()


@asynccontextmanager
async def exporting(backend: Client, user: User, path: str = EXPORT) -> AsyncIterator[Reader]:
    """An export of which the head is read, and nothing else yet."""
    host, _, port = backend.url.removeprefix("http://").partition(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=connection, limit=65536)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {user.token}\r\n\r\n".encode())
    client = Reader(reader, writer)
    head = await client.head()
    assert head.startswith(b"HTTP/1.1 200"), head
    try:
        yield client
    finally:
        client.leave()


async def large(database_url: str, user: User, talks: int = 40) -> list[str]:
    """More than all buffers on the way hold."""
    return await store(database_url, await id_of(user), [[noise(500_000, seed)] for seed in range(talks)])


async def free(backend: Backend, user: User, *, within: float = 10.0) -> None:
    """Wait until there is a place for another export, and end that one."""
    async with asyncio.timeout(within):
        while True:
            async with user.http.stream("GET", EXPORT) as answer:
                if answer.status_code == 200:
                    return
                assert answer.status_code == 503
            await asyncio.sleep(0.05)


async def test_two_at_a_time_and_no_more(backend: Backend, alice: User, database_url: str) -> None:
    bob, carol = await backend.user("bob"), await backend.user("carol")
    for user in (alice, bob):
        await large(database_url, user)
    async with exporting(backend, alice) as first:
        async with exporting(backend, bob):
            refused = await carol.http.get(EXPORT)
            assert is_problem(refused, 503, "overloaded")
            assert int(refused.headers["retry-after"]) > 0
            assert (await carol.http.get("/conversations")).status_code == 200
        await free(backend, carol)  # one has left
        assert len(opened(await first.body())) == 49


async def test_one_at_a_time_for_each_user(backend: Backend, alice: User, database_url: str) -> None:
    await large(database_url, alice)
    bob = await backend.user("bob")
    async with exporting(backend, alice) as first:
        refused = await alice.http.get(EXPORT)
        assert is_problem(refused, 429, "export_running")
        assert int(refused.headers["retry-after"]) > 0
        await exported(bob)
        assert len(opened(await first.body())) == 49
    await exported(alice)


@pytest.mark.parametrize("limit", ["reader_timeout", "export_timeout"])
async def test_one_who_stops_reading_is_dropped(serve: Serve, database_url: str, limit: str) -> None:
    backend = await serve(**{limit: 0.5})
    alice, bob, carol = [await backend.user(name) for name in ("alice", "bob", "carol")]
    for user in (alice, bob):
        await large(database_url, user)
    async with exporting(backend, alice) as first, exporting(backend, bob) as second:
        await free(backend, carol)
        got = await asyncio.gather(first.body(), second.body(), return_exceptions=True)
        assert any(isinstance(each, (asyncio.IncompleteReadError, ConnectionError)) for each in got)


async def test_one_who_reads_slowly_gets_all_of_it(serve: Serve, database_url: str) -> None:
    backend = await serve(reader_timeout=8.0)
    alice = await backend.user("alice")
    await large(database_url, alice, 10)
    async with exporting(backend, alice) as reader:
        await asyncio.sleep(1.0)
        assert len(opened(await reader.body())) == 19


async def test_a_conversation_that_is_deleted_meanwhile_is_left_out_or_whole(
    backend: Backend, alice: User, database_url: str, database_kind: str
) -> None:
    ids = await large(database_url, alice)
    async with exporting(backend, alice) as reader:
        for conversation_id in ids[:20]:
            assert (await alice.http.delete(f"/conversations/{conversation_id}")).status_code == 204
        files = opened(await reader.body())
    kept = {name.removeprefix("conversations/").removesuffix(".json") for name in files if "/" in name}
    assert set(ids[20:]) <= kept < set(ids)
    for conversation_id in kept:
        texts = [message["content"] for message in files[f"conversations/{conversation_id}.json"]["messages"]]
        assert [len(text) for text in texts] in ([500_000], [])


async def test_a_conversation_that_is_deleted_while_it_is_read_says_so(
    backend: Backend, alice: User, database_url: str, database_kind: str
) -> None:
    texts = [noise(500_000, seed) for seed in range(40)]
    [talk] = await store(database_url, await id_of(alice), [texts])
    async with exporting(backend, alice) as reader:
        await reader.until(f"{talk}.json")
        assert (await alice.http.delete(f"/conversations/{talk}")).status_code == 204
        told = opened(await reader.body())[f"conversations/{talk}.json"]
    assert told["deleted"] is True
    kept = [message["content"] for message in told["messages"]]
    assert kept == texts[: len(kept)]
    assert len(kept) < 40


async def test_more_conversations_than_are_listed_at_once(alice: User, database_url: str) -> None:
    ids = await store(database_url, await id_of(alice), [["Hello"] if number % 500 else [] for number in range(1100)])
    files = await exported(alice)
    assert {name for name in files if "/" in name} == {f"conversations/{each}.json" for each in ids}
    assert not any("deleted" in files[name] for name in files if "/" in name)


async def test_at_the_end_of_the_process_what_is_under_way_may_finish(database_url: str, tmp_path: Path) -> None:
    async with Process(tmp_path, database_url) as server:
        alice, bob = await server.user("alice"), await server.user("bob")
        await large(database_url, alice)
        async with exporting(server, alice) as reader:
            server.signal(signal.SIGTERM)
            await draining(server)
            assert is_problem(await bob.http.get(EXPORT), 503, "draining")
            assert len(opened(await reader.body())) == 49
        await assert_left_quietly(server, signal.SIGTERM, within=15)


async def test_at_the_end_of_the_process_the_rest_is_broken_off_without_alarm(
    database_url: str, tmp_path: Path
) -> None:
    async with Process(tmp_path, database_url, DRAIN_SECONDS="0.5") as server:
        alice = await server.user("alice")
        await large(database_url, alice)
        async with exporting(server, alice) as reader:
            server.signal(signal.SIGTERM)
            await assert_left_quietly(server, signal.SIGTERM, within=15)
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await reader.body()
        assert "exports are broken off" in [entry["message"] for entry in server.log]


@pytest.mark.parametrize("fault", ["account deleted", "account deactivated", "database away"])
async def test_an_archive_that_cannot_be_finished_is_broken_off(
    backend: Backend, alice: User, database_url: str, database_kind: str, fault: str
) -> None:
    await large(database_url, alice)
    async with exporting(backend, alice) as reader:
        if fault == "account deleted":
            assert (await alice.http.delete("/users/me")).status_code == 204
        elif fault == "account deactivated":
            await alter(database_url, update(users).where(users.c.email == alice.email).values(is_active=False))
        else:
            await alter(database_url, text("ALTER TABLE messages RENAME TO elsewhere"))
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.body()
    if fault == "database away":
        await alter(database_url, text("ALTER TABLE elsewhere RENAME TO messages"))
    bob = await backend.user("bob")
    await free(backend, bob)


async def test_a_database_that_is_away_at_first_is_a_refusal(alice: User, database_url: str) -> None:
    await alter(database_url, text("ALTER TABLE audit_events RENAME TO elsewhere"))
    assert is_problem(await alice.http.get(EXPORT), 503, "database_unavailable")
    await alter(database_url, text("ALTER TABLE elsewhere RENAME TO audit_events"))
    await exported(alice)


async def test_it_is_made_in_little_memory_and_lets_others_be_served(database_url: str, tmp_path: Path) -> None:
    async with Process(tmp_path, database_url) as server:
        alice = await server.user("alice")
        alice_id = await id_of(alice)
        for seed in range(300):
            await store(database_url, alice_id, [[noise(100_000, seed * 10 + each) for each in range(4)]])
        await alice.http.get("/conversations")
        before, size = highest(server), 0
        others = asyncio.create_task(_asking(server))
        async with alice.http.stream("GET", EXPORT, timeout=60) as answer:
            assert answer.status_code == 200
            async for part in answer.aiter_bytes():
                size += len(part)
        others.cancel()
        assert size > 80_000_000
        assert highest(server) - before < 40_000, "KiB"
        times = await others
        assert len(times) > 20
        assert sorted(times)[-3] < 2.0, "a machine that pauses may hold up one or two"


async def _asking(server: Process) -> list[float]:
    """Ask for something small again and again; answers how long each took."""
    times = []
    loop = asyncio.get_running_loop()
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, verify=PLAIN, timeout=20) as http:
        try:
            while True:
                began = loop.time()
                assert (await http.get("/health")).status_code == 200
                times.append(loop.time() - began)
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            return times


def highest(server: Process) -> int:
    """KiB that the process has held at its highest."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1])
