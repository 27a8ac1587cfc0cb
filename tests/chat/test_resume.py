"""Leaving ends nothing, and whoever comes back reads on where reading broke off."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app.database import database_url as parse_url
from app.domain.events import Kind
from app.generation.log import MemoryLogs
from tests.backend import Backend, User
from tests.chat.reading import eventually, follow, posting, reading
from tests.conftest import Serve
from tests.sse import Event, Stream
from tests.upstream import Answer, Cut, Upstream

WORDS = ("One ", "two ", "three ", "four")
TEXT = "".join(WORDS)
BEGINNING = 1  # the number of `start`

# The ways to say up to where one has read.
Resume = Callable[[str, int], dict[str, Any]]
RESUMES: dict[str, Resume] = {
    "Last-Event-ID as EventSource sends it": lambda gid, seq: {"headers": {"Last-Event-ID": f"{gid}:{seq}"}},
    "a bare Last-Event-ID": lambda gid, seq: {"headers": {"Last-Event-ID": str(seq)}},
    "after": lambda gid, seq: {"params": {"after": str(seq)}},
    "after in the long form": lambda gid, seq: {"params": {"after": f"{gid}:{seq}"}},
}


# Leaving


@pytest.mark.parametrize("read", [0, 2, 4], ids=["before the first token", "in the middle", "just before the end"])
async def test_an_answer_is_completed_and_stored_when_its_reader_leaves(
    database_kind: str, backend: Backend, upstream: Upstream, read: int
) -> None:
    upstream.script(Answer(WORDS, hold=True))
    alice = await backend.user()
    async with posting(alice, "Count") as reader:
        start = (await reader.event()).json
        await upstream.release(read)
        await reader.events(read)
    await _nobody_follows(backend, start["generation_id"])

    await upstream.finish()

    answer = await alice.answer(start["conversation_id"])
    assert (answer["content"], answer["status"], answer["error"]) == (TEXT, "complete", None)
    assert upstream.calls[0].ended == "complete"
    assert len(upstream.calls) == 1


async def test_an_answer_is_completed_when_the_one_who_waits_for_the_whole_of_it_leaves(
    backend: Backend, upstream: Upstream
) -> None:
    upstream.script(Answer(WORDS, hold=True))
    alice = await backend.user()
    waiting = asyncio.create_task(alice.http.post("/ai/chat", json={"message": "Count"}))
    await upstream.release(2)
    waiting.cancel()
    await asyncio.wait({waiting})

    await upstream.finish()

    (conversation,) = (await alice.http.get("/conversations")).json()["items"]
    assert (await alice.answer(conversation["id"]))["content"] == TEXT


async def test_at_whatever_moment_a_client_leaves_its_message_is_stored_with_the_whole_answer(
    database_kind: str, serve: Serve, upstream: Upstream
) -> None:
    backend = await serve(max_concurrent_generations_per_user=50)
    upstream.script(Answer(WORDS, delay=0.004))
    alice = await backend.user()
    for step in range(20):
        await _post_and_leave(backend, alice, f"Question {step}", after=step * 0.002)

    conversations = (await alice.http.get("/conversations")).json()["items"]
    assert sorted(each["title"] for each in conversations) == sorted(f"Question {step}" for step in range(20))
    for conversation in conversations:
        answer = await alice.answer(conversation["id"])
        assert (answer["content"], answer["status"]) == (TEXT, "complete")


async def test_a_client_that_leaves_before_it_is_answered_leaves_all_or_nothing(
    database_kind: str, serve: Serve, upstream: Upstream
) -> None:
    backend = await serve(max_concurrent_generations_per_user=50)
    alice = await backend.user()
    for step in range(20):
        await _post_and_leave(backend, alice, f"Question {step}", after=step * 0.001, answered=False)

    await alice.chat("And one who stays")
    await backend.house.engine.drain(20)  # who left may still be on the way

    conversations = (await alice.http.get("/conversations", params={"limit": 50})).json()["items"]
    for conversation in conversations:
        answer = await alice.answer(conversation["id"])
        assert (answer["content"], answer["status"]) == (f"You said: {conversation['title']}", "complete")
    assert len(upstream.calls) == len(conversations)


async def test_messages_show_the_text_so_far_while_it_is_written(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    upstream.script(Answer(WORDS, hold=True))
    alice = await backend.user()
    async with posting(alice, "Count") as reader:
        start = (await reader.event()).json
        await upstream.release(2)
        await reader.events(2)
    _, answer = await alice.messages(start["conversation_id"])
    assert (answer["content"], answer["status"], answer["usage"]) == ("One two ", "streaming", None)
    leaf = {"leaf": start["message_id"]}
    branch = (await alice.http.get(f"/conversations/{start['conversation_id']}/messages", params=leaf)).json()["items"]
    assert branch[-1] == answer

    await upstream.finish()

    assert (await alice.answer(start["conversation_id"]))["content"] == TEXT


# Resuming


async def test_a_running_answer_is_resumed_without_a_gap_or_a_repetition(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    for resume in RESUMES.values():
        upstream.reset()
        upstream.script(Answer(WORDS, hold=True))
        async with posting(alice, "Count") as reader:
            before = [await reader.event()]
            await upstream.release(2)
            before += await reader.events(2)
        generation_id, seq = before[0].json["generation_id"], before[-1].json["seq"]
        await upstream.release()

        path = f"/ai/generations/{generation_id}/events"
        async with reading(alice, "GET", path, **resume(generation_id, seq)) as reader:
            after = [await reader.event()]
            await upstream.finish()
            after += await reader.rest()

        _is_the_whole_stream([*before, *after])
        assert _by_seq([*before, *after]) == _by_seq((await follow(alice, generation_id)).events)


async def test_a_finished_answer_is_resumed_without_a_gap_or_a_repetition(backend: Backend, upstream: Upstream) -> None:
    upstream.script(Answer(WORDS))
    alice = await backend.user()
    whole = await alice.chat("Count")
    generation_id = whole.start["generation_id"]
    for resume in RESUMES.values():
        for seq in range(len(whole.events)):
            rest = await follow(alice, generation_id, **resume(generation_id, seq))
            assert _by_seq([*whole.events[:seq], *rest.events]) == _by_seq(whole.events)
            assert rest.seqs == whole.seqs[seq:]


async def test_equal_numbers_carry_equal_data_for_every_client(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    upstream.script(Answer(tuple(f"{i} " for i in range(60)), delay=0.005))
    alice = await backend.user()
    async with posting(alice, "Count") as poster:
        begun = [await poster.event(), *await poster.events(8)]
        generation_id = begun[0].json["generation_id"]
        followers = []
        for late in range(8):
            followers.append(asyncio.create_task(follow(alice, generation_id, params={"after": late})))
            await asyncio.sleep(0.02)
        posted = [*begun, *await poster.rest()]
    _is_the_whole_stream(posted, text="".join(f"{i} " for i in range(60)))
    for late, follower in enumerate(await asyncio.gather(*followers)):
        assert follower.seqs == list(range(late + 1, len(posted) + 1))
        assert _by_seq(posted).items() >= _by_seq(follower.events).items()
    assert _by_seq((await follow(alice, generation_id)).events) == _by_seq(posted)


async def test_all_that_was_read_of_an_ended_answer_is_answered_204_so_that_event_source_stops(
    backend: Backend, upstream: Upstream
) -> None:
    upstream.script([Answer(WORDS), Answer(WORDS, fault=Cut(after=2))])
    alice = await backend.user()
    for status in ("complete", "failed"):
        done = (whole := await alice.chat("Hello")).done
        assert done["status"] == status
        generation_id = whole.start["generation_id"]
        for resume in RESUMES.values():
            sent = resume(generation_id, done["seq"])
            response = await alice.http.get(f"/ai/generations/{generation_id}/events", **sent)
            assert (response.status_code, response.content) == (204, b"")
        headers = {"Last-Event-ID": f"{generation_id}:{done['seq']}"}
        response = await alice.http.get("/ai/chat/stream", params={"message": "Hello"}, headers=headers)
        assert (response.status_code, response.content) == (204, b"")


async def test_a_reader_who_has_all_so_far_waits_for_what_comes(backend: Backend, upstream: Upstream) -> None:
    upstream.script(Answer(WORDS, hold=True))
    alice = await backend.user()
    async with posting(alice, "Count") as reader:
        generation_id = (await reader.event()).json["generation_id"]
    async with reading(alice, "GET", f"/ai/generations/{generation_id}/events", params={"after": BEGINNING}) as reader:
        await upstream.release()
        assert (await reader.event()).json == {"text": "One ", "seq": 2}
        await upstream.finish()
        assert (await reader.rest())[-1].json["done"] is True


GARBAGE = ["", "abc", "-1", "1.5", "+1", "0x1", "1e3", "٣", "1:2:3", ":1", "4294967296", "9" * 400, "nonsense:1"]


async def test_an_event_id_that_is_none_is_400(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    generation_id = (await alice.chat("Hello")).start["generation_id"]
    path = f"/ai/generations/{generation_id}/events"
    for value in GARBAGE:
        sent = {b"Last-Event-ID": value.encode()}
        _is_problem(await alice.http.get(path, headers=sent), 400, "invalid_event_id")
        _is_problem(await alice.http.get(path, params={"after": value}), 400, "invalid_event_id")
        response = await alice.http.get("/ai/chat/stream", params={"message": "Hello"}, headers=sent)
        _is_problem(response, 400, "invalid_event_id")
    assert len(upstream.calls) == 1


async def test_an_event_id_that_was_never_given_out_is_400(backend: Backend, upstream: Upstream) -> None:
    upstream.script([Answer(WORDS), Answer(WORDS, hold=True)])
    alice = await backend.user()
    ended = (await alice.chat("Count")).start["generation_id"]
    async with posting(alice, "Count") as reader:
        running = (await reader.event()).json["generation_id"]
        for event_id in (f"{gid}:{seq}" for gid in (ended, running) for seq in (-1, 100, 999_999_999)):
            path = f"/ai/generations/{event_id.partition(':')[0]}/events"
            sent = {"Last-Event-ID": event_id}
            _is_problem(await alice.http.get(path, headers=sent), 400, "invalid_event_id")
            response = await alice.http.get("/ai/chat/stream", params={"message": "Hello"}, headers=sent)
            _is_problem(response, 400, "invalid_event_id")
    assert len(upstream.calls) == 2


async def test_an_event_id_of_another_generation_is_400(backend: Backend) -> None:
    alice = await backend.user()
    one, other = [(await alice.chat("Hello")).start["generation_id"] for _ in range(2)]
    sent = {"Last-Event-ID": f"{other}:1"}
    _is_problem(await alice.http.get(f"/ai/generations/{one}/events", headers=sent), 400, "invalid_event_id")


# EventSource


async def test_every_numbered_block_of_the_get_routes_has_an_id_and_none_of_a_post(
    serve: Serve, upstream: Upstream
) -> None:
    backend = await serve(ping_seconds=0.1)
    upstream.script(Answer(WORDS, first_delay=0.25))
    alice = await backend.user()
    async with posting(alice, "Count") as posted:
        await posted.rest()
    async with reading(alice, "GET", "/ai/chat/stream", params={"message": "Count"}) as got:
        _is_the_whole_stream(await got.rest())
    generation_id = got.response.headers["x-generation-id"]
    async with reading(alice, "GET", f"/ai/generations/{generation_id}/events") as resumed:
        await resumed.rest()

    assert not any(line.startswith(b"id") for block in posted.seen for line in block.split(b"\n"))
    assert b": ping" in got.seen
    for reader in (got, resumed):
        numbered = [block for block in reader.seen if block != b": ping"]
        ids = [[line for line in block.split(b"\n") if line.startswith(b"id:")] for block in numbered]
        assert ids == [[b"id: %b:%d" % (generation_id.encode(), seq)] for seq in range(1, len(numbered) + 1)]


async def test_event_source_that_reconnects_goes_on_with_its_generation_and_starts_nothing(
    backend: Backend, upstream: Upstream
) -> None:
    upstream.script(Answer(WORDS, hold=True))
    alice = await backend.user()
    question = {"message": "Count"}
    async with reading(alice, "GET", "/ai/chat/stream", params=question) as reader:
        before = [await reader.event()]
        await upstream.release(2)
        before += await reader.events(2)
    async with reading(
        alice, "GET", "/ai/chat/stream", params=question, headers={"Last-Event-ID": before[-1].id}
    ) as reader:
        await upstream.finish()
        after = await reader.rest()
    _is_the_whole_stream([*before, *after])
    finished = await alice.http.get("/ai/chat/stream", params=question, headers={"Last-Event-ID": before[-1].id})
    assert Stream.of(finished.content).events == after
    assert len(upstream.calls) == 1
    assert len((await alice.http.get("/conversations")).json()["items"]) == 1


async def test_event_source_never_starts_anything_when_its_id_is_of_no_use(
    backend: Backend, upstream: Upstream
) -> None:
    alice, bob = await backend.user("alice"), await backend.user("bob")
    foreign = (await bob.chat("Hello")).start["generation_id"]
    answers = []
    for event_id in (f"{foreign}:1", f"{uuid4()}:1"):
        sent = {"Last-Event-ID": event_id}
        response = await alice.http.get("/ai/chat/stream", params={"message": "Hello"}, headers=sent)
        _is_problem(response, 404, "not_found")
        answers.append({**response.json(), "request_id": None})
    assert answers[0] == answers[1]
    bare = await alice.http.get("/ai/chat/stream", params={"message": "Hello"}, headers={"Last-Event-ID": "1"})
    _is_problem(bare, 400, "invalid_event_id")
    assert len(upstream.calls) == 1
    assert (await alice.http.get("/conversations")).json()["items"] == []


async def test_the_get_route_takes_the_model_by_both_names(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    for name in ("model", "model_name"):
        query = {"message": "Hello", name: "openai/count-3", "system_prompt": "Be brief", "max_tokens": "7"}
        stream = Stream.of((await alice.http.get("/ai/chat/stream", params=query)).content)
        assert stream.start["model"] == "openai/count-3"
        assert stream.text == "1 2 3 "
        call = upstream.calls[-1]
        assert call.model == "count-3"
        assert call.body["messages"][0] == {"role": "system", "content": "Be brief"}
        assert 7 in (call.body.get("max_tokens"), call.body.get("max_completion_tokens"))


async def test_the_get_route_ignores_names_that_it_does_not_know(backend: Backend) -> None:
    alice = await backend.user()
    query = {"message": "Hello", "_": "1761", "stream": "true", "model_name": "", "conversation_id": ""}
    response = await alice.http.get("/ai/chat/stream", params=query)
    assert Stream.of(response.content).text == "You said: Hello"


async def test_an_empty_conversation_id_of_the_get_route_begins_a_new_conversation(backend: Backend) -> None:
    alice = await backend.user()
    known = (await alice.chat("Hello")).start["conversation_id"]
    answers = {}
    for given in ("", known):
        query = {"message": "And then?", "conversation_id": given}
        answers[given] = Stream.of((await alice.http.get("/ai/chat/stream", params=query)).content)
    assert answers[""].start["conversation_id"] != known
    assert answers[known].start["conversation_id"] == known


# The response itself


async def test_the_headers_of_a_stream(backend: Backend) -> None:
    alice = await backend.user()
    start = (await alice.chat("Hello")).start
    for response in (
        await alice.http.post("/ai/chat/stream", json={"message": "Hello"}),
        await alice.http.get("/ai/chat/stream", params={"message": "Hello"}),
        resumed := await alice.http.get(f"/ai/generations/{start['generation_id']}/events"),
    ):
        assert response.headers["content-type"].split(";")[0] == "text/event-stream"
        assert response.headers["cache-control"] == "no-cache, no-transform"
        assert response.headers["x-accel-buffering"] == "no"
        assert response.headers["x-request-id"]
        streamed = Stream.of(response.content).start
        assert response.headers["x-generation-id"] == streamed["generation_id"]
        assert response.headers["x-conversation-id"] == streamed["conversation_id"]
    assert Stream.of(resumed.content).start == start


async def test_silence_is_bridged_by_pings_that_are_blocks_of_their_own(serve: Serve, upstream: Upstream) -> None:
    backend = await serve(ping_seconds=0.1)
    upstream.script(Answer(WORDS, hold=True))
    alice = await backend.user()
    async with posting(alice, "Count") as reader:
        await reader.event()
        assert [await reader.block(within=10) for _ in range(3)] == [b": ping"] * 3
        await upstream.release()
        assert (await reader.event()).json == {"text": "One ", "seq": 2}
        assert await reader.block(within=10) == b": ping"
        await upstream.finish()
        await reader.rest()


async def test_a_reader_that_never_reads_is_dropped_and_the_answer_is_stored(serve: Serve, upstream: Upstream) -> None:
    backend = await serve(reader_timeout=0.5)
    upstream.script(Answer(("x" * 50_000,) * 200))  # more than the buffers of both kernels take
    alice = await backend.user()
    async with _raw(backend, alice, "Hello") as connection:
        (conversation,) = await _conversations(alice)
        answer = await alice.answer(conversation["id"], within=20)
        assert (len(answer["content"]), answer["status"]) == (10_000_000, "complete")
        await _nobody_follows(backend, answer["generation_id"])
        assert b'"done"' not in await _all_of(connection)


# Where the log is read from


async def test_memory_drops_an_ended_log_a_while_after_its_last_reader() -> None:
    logs = MemoryLogs(kept_seconds=0.02)
    log = logs.create("one")
    log.append(Kind.START, b"{}")

    def listener() -> None: ...

    log.listen(listener)
    log.end()
    logs.retire("one")
    await asyncio.sleep(0.1)
    assert logs.find("one") is log
    log.unlisten(listener)
    await eventually(lambda: logs.find("one") is None)


async def test_when_memory_has_forgotten_it_the_log_is_read_from_the_database_for_24_hours(
    database_kind: str, database_url: str, serve: Serve, upstream: Upstream
) -> None:
    upstream.script(Answer(WORDS))
    before = await serve()
    whole = await (await before.user()).chat("Count")
    generation_id = whole.start["generation_id"]
    await before.stop()

    backend = await serve()
    alice = await backend.user()

    assert _by_seq((await follow(alice, generation_id)).events) == _by_seq(whole.events)
    assert (await follow(alice, generation_id, params={"after": 3})).seqs == whole.seqs[3:]
    path = f"/ai/generations/{generation_id}/events"
    assert (await alice.http.get(path, params={"after": whole.done["seq"]})).status_code == 204
    _is_problem(await alice.http.get(path, params={"after": whole.done["seq"] + 1}), 400, "invalid_event_id")

    await _expire_logs(database_url)

    for after in (0, whole.done["seq"]):
        sent = {"Last-Event-ID": f"{generation_id}:{after}"}
        _is_problem(await alice.http.get(path, headers=sent), 410, "log_expired")
        _is_problem(await alice.http.get("/ai/chat/stream", headers=sent), 410, "log_expired")
    assert (await alice.messages(whole.start["conversation_id"]))[-1]["content"] == TEXT


@pytest.mark.parametrize("database_kind", ["postgresql", "mariadb"])
async def test_another_instance_follows_a_running_answer_every_event_once(
    database_kind: str, serve: Serve, upstream: Upstream
) -> None:
    one, other = await serve(checkpoint_seconds=0.5), await serve()
    upstream.script(Answer(WORDS, hold=True))
    here, there = await one.user(), await other.user()
    async with posting(here, "Count") as reader:
        start = await reader.event()
        generation_id = start.json["generation_id"]
        await upstream.release(3)
        before = [start, *await reader.events(3)]
        # The other instance knows only what was checkpointed: less than what these have read already.
        followers = [
            asyncio.create_task(follow(there, generation_id, params={"after": after})) for after in (4, 0, 2, 4)
        ]
        await asyncio.sleep(0.2)
        await upstream.finish()
        posted = [*before, *await reader.rest()]
    for after, follower in zip((4, 0, 2, 4), await asyncio.gather(*followers), strict=True):
        assert follower.seqs == list(range(after + 1, len(posted) + 1))
        assert _by_seq(posted).items() >= _by_seq(follower.events).items()


def _by_seq(events: list[Event]) -> dict[int, tuple[str, str]]:
    """What each number carries; numbers that come twice are found out by the length."""
    found = {event.json["seq"]: (event.name, event.data) for event in events}
    assert len(found) == len(events)
    return found


def _is_the_whole_stream(events: list[Event], text: str = TEXT) -> None:
    stream = Stream(events)
    assert stream.seqs == list(range(1, len(events) + 1))
    assert stream.text == text
    assert stream.done["status"] == "complete"


def _is_problem(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == code


async def _nobody_follows(backend: Backend, generation_id: str) -> None:
    log = backend.house.engine.log(generation_id)
    assert log is not None
    await eventually(lambda: not log.followed)


async def _conversations(user: User) -> list[dict[str, Any]]:
    async with asyncio.timeout(5):
        while not (items := (await user.http.get("/conversations")).json()["items"]):
            await asyncio.sleep(0.02)
    found: list[dict[str, Any]] = items
    return found


def _request(user: User, message: str) -> bytes:
    body = json.dumps({"message": message}).encode()
    head = (
        f"POST /ai/chat/stream HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {user.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _post_and_leave(backend: Backend, user: User, message: str, *, after: float, answered: bool = True) -> None:
    url = httpx.URL(backend.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(_request(user, message))
    if answered:
        assert b" 200 " in await reader.readuntil(b"\r\n")
    await asyncio.sleep(after)
    writer.close()
    await writer.wait_closed()


@asynccontextmanager
async def _raw(backend: Backend, user: User, message: str) -> AsyncIterator[socket.socket]:
    """A connection with a tiny buffer that has posted a message and reads nothing."""
    loop = asyncio.get_running_loop()
    url = httpx.URL(backend.url)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.setblocking(False)
        await loop.sock_connect(connection, (url.host, url.port))
        await loop.sock_sendall(connection, _request(user, message))
        yield connection


async def _all_of(connection: socket.socket) -> bytes:
    """What still comes over a connection until its end, which may be a reset."""
    loop = asyncio.get_running_loop()
    body = bytearray()
    try:
        async with asyncio.timeout(10):
            while chunk := await loop.sock_recv(connection, 1 << 20):
                body += chunk
    except ConnectionResetError:
        pass
    return bytes(body)


async def _expire_logs(database_url: str) -> None:
    engine = create_async_engine(parse_url(database_url))
    try:
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE generation_logs SET expires_at = '2020-01-01 00:00:00.000000'"))
    finally:
        await engine.dispose()
