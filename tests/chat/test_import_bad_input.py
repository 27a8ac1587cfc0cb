"""Whatever is sent to be imported: a clear refusal, nothing half stored, and never a fault of ours."""

import asyncio
import copy
import json
import socket
from random import Random
from typing import Any

import pytest
from sqlalchemy import func, select, text

from app.models.chat import conversations, messages
from tests.accounts.behind import alter, rows
from tests.accounts.signing import ask, is_problem
from tests.backend import Backend, User
from tests.chat.conversation_files import (
    IMPORT,
    Document,
    answer,
    bring,
    brought,
    chain,
    document,
    exported,
    full,
    question,
)
from tests.conftest import Serve

JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def alice(backend: Backend) -> User:
    return await backend.user("alice")


def without(told: Document, name: str) -> Document:
    return {key: value for key, value in told.items() if key != name}


def asking(*told: Document) -> Document:
    return document(*told)


WRONG: dict[str, tuple[Document, list[str | int]]] = {
    "another format": ({**document(), "format": "chatgpt"}, ["format"]),
    "no format": (without(document(), "format"), ["format"]),
    "a version to come": ({**document(), "version": 2}, ["version"]),
    "a version that is true": ({**document(), "version": True}, ["version"]),
    "something more": ({**document(), "user_id": "x"}, ["user_id"]),
    "no messages": (without(document(), "messages"), ["messages"]),
    "messages by name": ({**document(), "messages": {}}, ["messages"]),
    "no title": ({**document(), "conversation": {}}, ["conversation", "title"]),
    "a title too long": (document(title="x" * 201), ["conversation", "title"]),
    "NUL in the title": (document(title="a\x00b"), ["conversation", "title"]),
    "a model too long": (document(model="x" * 256), ["conversation", "model"]),
    "a prompt too long": (document(system_prompt="x" * 200_001), ["conversation", "system_prompt"]),
    "an owner": (document(user_id="x"), ["conversation", "user_id"]),
    "a path to nowhere": (
        asking(question("1")) | {"conversation": {"title": "", "leaf_id": "2"}},
        ["conversation", "leaf_id"],
    ),
    "its own parent": (asking(question("1", parent_id="1")), ["messages", 0, "parent_id"]),
    "a circle": (asking(question("1", parent_id="2"), question("2", parent_id="1")), ["messages", 0, "parent_id"]),
    "an id twice": (asking(question("1"), question("1")), ["messages", 1, "id"]),
    "a parent that is not there": (asking(question("1", parent_id="2")), ["messages", 0, "parent_id"]),
    "an answer to nothing": (asking(answer("1", None)), ["messages", 0, "parent_id"]),
    "an answer to an answer": (asking(question("1"), answer("2", "1"), answer("3", "2")), ["messages", 2, "parent_id"]),
    "an id that is a number": (asking(question("1") | {"id": 1}), ["messages", 0, "id"]),
    "an empty id": (asking(question("")), ["messages", 0, "id"]),
    "somebody else speaks": (asking(question("1") | {"role": "system"}), ["messages", 0, "role"]),
    "content in parts": (asking(question("1") | {"content": []}), ["messages", 0, "content"]),
    "nothing said": (asking(question("1", " \n")), ["messages", 0, "content"]),
    "NUL in a message": (asking(question("1", "a\x00b")), ["messages", 0, "content"]),
    "a status of its own": (asking(question("1"), answer("2", "1", status="done")), ["messages", 1, "status"]),
    "a question that failed": (asking(question("1", status="failed")), ["messages", 0, "status"]),
    "a question that was rated": (asking(question("1", feedback={"rating": 1})), ["messages", 0, "feedback"]),
    "a question with sources": (asking(question("1", sources={"sources": []})), ["messages", 0, "sources"]),
    "an answer with files": (
        asking(question("1"), answer("2", "1", files=[{"file_id": "f", "name": "n"}])),
        ["messages", 1, "files"],
    ),
    "a file's id too long": (
        asking(question("1", files=[{"file_id": "f" * 37, "name": "n"}])),
        ["messages", 0, "files", 0, "file_id"],
    ),
    "NUL in a file's name": (asking(question("1", files=[{"file_id": "f", "name": "\0"}])), ["messages", 0, "files"]),
    "a source without a page": (
        asking(question("1"), answer("2", "1", sources={"sources": [{"n": 1}]})),
        ["messages", 1, "sources", "sources", 0],
    ),
    "a time without a zone": (asking(question("1", created_at="2026-01-01T00:00:00")), ["messages", 0, "created_at"]),
    "a time that is a number": (asking(question("1", created_at=1767225600)), ["messages", 0, "created_at"]),
    "a time to come": (asking(question("1", created_at="2999-01-01T00:00:00Z")), ["messages", 0, "created_at"]),
    "the first time": (asking(question("1", created_at="0001-01-01T00:00:00+10:00")), ["messages", 0]),
    "the last time": (asking(question("1", created_at="9999-12-31T23:59:59-10:00")), ["messages", 0]),
    "a bad rating": (
        asking(question("1"), answer("2", "1", feedback={"rating": 0})),
        ["messages", 1, "feedback", "rating"],
    ),
    "a rating that is true": (
        asking(question("1"), answer("2", "1", feedback={"rating": True})),
        ["messages", 1, "feedback", "rating"],
    ),
    "a cost that is a number": (
        asking(question("1"), answer("2", "1", usage={"input_tokens": 1, "output_tokens": 1, "cost": 0.5})),
        ["messages", 1, "usage", "cost"],
    ),
    "a cost beyond measure": (
        asking(question("1"), answer("2", "1", usage={"input_tokens": 1, "output_tokens": 1, "cost": "1e30"})),
        ["messages", 1, "usage", "cost"],
    ),
    "fewer than no tokens": (
        asking(question("1"), answer("2", "1", usage={"input_tokens": -1, "output_tokens": 1})),
        ["messages", 1, "usage", "input_tokens"],
    ),
    "tokens beyond measure": (
        asking(question("1"), answer("2", "1", usage={"input_tokens": 10**30, "output_tokens": 1})),
        ["messages", 1, "usage", "input_tokens"],
    ),
    "an unknown failure": (
        asking(question("1"), answer("2", "1", error={"code": "x", "detail": "", "retryable": True})),
        ["messages", 1, "error", "code"],
    ),
    "reasoning as text": (asking(question("1"), answer("2", "1", reasoning="Hm")), ["messages", 1, "reasoning"]),
    "a summary of nothing": (
        {**document(), "compactions": [{"message_id": "1", "tokens": 1}]},
        ["compactions", 0, "message_id"],
    ),
    "too many messages": (document(*chain(10_001)), ["messages"]),
}


@pytest.mark.parametrize("told", WRONG.values(), ids=WRONG)
async def test_what_does_not_hold_together_is_refused_and_it_is_said_where(
    alice: User, told: tuple[Document, list[str | int]]
) -> None:
    sent, where = told
    refused = await bring(alice, sent)
    assert is_problem(refused, 422, "validation_error")
    found = refused.json()["errors"]
    assert ["body", *where] in [each["loc"][: len(where) + 1] for each in found], found
    assert all(each["msg"] and len(each["msg"]) < 200 for each in found)
    assert (await alice.http.get("/conversations")).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_json"),
        (b"nonsense", 400, "invalid_json"),
        (b'{"format":', 400, "invalid_json"),
        (b"\xff\xfe", 400, "invalid_json"),
        (b'{"format":"\xff"}', 400, "invalid_json"),
        (b"[]", 422, "validation_error"),
        (b"null", 422, "validation_error"),
        (b'"text"', 422, "validation_error"),
        (b"[" * 100_000, 422, "validation_error"),
        (b'{"messages":' + b"[" * 100_000, 422, "validation_error"),
        (b'{"messages":[{"reasoning":[{"text":' + b"[" * 100_000, 422, "validation_error"),
        (b'{"format":"\\ud800 half"}', 422, "validation_error"),
        (b'{"version":' + b"9" * 100_000 + b"}", 422, "validation_error"),
        (b'{"' + b"x" * 20_000_000 + b'":1}', 422, "validation_error"),
        (b'{"format":"' + b"x" * 20_000_000 + b'"}', 422, "validation_error"),
        (b'{"messages":[' + b'{ "id":"1"},' * 250_001 + b"1]}", 422, "validation_error"),
    ],
    ids=lambda each: repr(each)[:40],
)
async def test_what_is_no_document_is_refused(alice: User, body: bytes, status: int, code: str) -> None:
    refused = await alice.http.post(IMPORT, content=body, headers=JSON)
    assert is_problem(refused, status, code)
    assert len(refused.content) < 2000


@pytest.mark.parametrize("media_type", ["text/plain", "multipart/form-data; boundary=x", "application/xml", ""])
async def test_it_is_taken_only_as_json(alice: User, media_type: str) -> None:
    sent = json.dumps(document()).encode()
    refused = await alice.http.post(IMPORT, content=sent, headers={"Content-Type": media_type})
    assert is_problem(refused, 415, "unsupported_media_type")


async def test_the_bounds_of_a_message_are_those_of_a_post(serve: Serve) -> None:
    backend = await serve(max_message_chars=10, max_answer_bytes=1024)
    alice = await backend.user("alice")
    await brought(alice, document(question("1", "好" * 10), answer("2", "1", "好" * 341)))
    for told in (
        [question("1", "好" * 11)],
        [question("1"), answer("2", "1", "好" * 342)],
        [question("1"), answer("2", "1", "x", reasoning=[{"text": "x" * 1024}])],
    ):
        refused = await bring(alice, document(*told))
        assert is_problem(refused, 422, "validation_error")
        assert refused.json()["errors"][0]["loc"] == ["body", "messages", len(told) - 1, "content"]


async def test_it_may_be_as_long_as_it_is_set_and_no_other_body_may(serve: Serve) -> None:
    backend = await serve(max_import_bytes=4_000_000)
    alice = await backend.user("alice")
    told = json.dumps(document(question("1"), answer("2", "1", "x" * 3_900_000))).encode()
    assert (await alice.http.post(IMPORT, content=told, headers=JSON)).status_code == 201
    longer = told + b" " * 200_000
    for body in (longer, _in_chunks(longer)):
        refused = await alice.http.post(IMPORT, content=body, headers=JSON)
        assert is_problem(refused, 413, "payload_too_large")
    for method, path in (
        ("PATCH", IMPORT),
        ("POST", f"{IMPORT}/x"),
        ("POST", "/conversations/imports"),
        ("POST", "/ai/chat"),
    ):
        assert (await alice.http.request(method, path, content=told, headers=JSON)).status_code in (404, 405, 413)
    assert is_problem(await alice.http.post("/ai/chat", content=told, headers=JSON), 413, "payload_too_large")


async def _in_chunks(body: bytes) -> Any:
    for start in range(0, len(body), 65536):
        yield body[start : start + 65536]


async def test_a_hundred_megabytes_are_refused_without_being_read(backend: Backend, alice: User) -> None:
    host, _, port = backend.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {IMPORT} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {alice.token}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 104857600\r\n\r\n{{".encode())
    async with asyncio.timeout(10):
        assert (await reader.readline()).startswith(b"HTTP/1.1 413")
    writer.close()


async def test_a_stranger_is_refused_before_the_body_is_read(backend: Backend) -> None:
    refused = await ask(backend, "POST", IMPORT, content=b"\xff", headers=JSON)
    assert is_problem(refused, 401, "unauthenticated")


async def test_somebody_who_sends_slowly_keeps_nobody_waiting(backend: Backend, alice: User) -> None:
    bob = await backend.user("bob")
    host, _, port = backend.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as slow:
        head = f"POST {IMPORT} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {alice.token}\r\n"
        slow.send(f"{head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{".encode())
        await asyncio.sleep(0.1)
        await brought(bob, document(*chain(1)))


async def test_a_database_that_fails_on_the_way_leaves_nothing_half_stored(alice: User, database_url: str) -> None:
    await alter(database_url, text("ALTER TABLE feedback RENAME TO elsewhere"))
    refused = await bring(alice, full())
    await alter(database_url, text("ALTER TABLE elsewhere RENAME TO feedback"))
    assert is_problem(refused, 503, "database_unavailable")
    for table in (conversations, messages):
        [found] = await rows(database_url, select(func.count().label("found")).select_from(table))
        assert found["found"] == 0
    await brought(alice, full())


# Anything at all

_WORDS: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        1.0,
        10**30,
        -0.5,
        "",
        "x",
        "1",
        "2",
        "\x00",
        "好",
        "user",
        "assistant",
        "streaming",
    ),
    *([], {}, [[]], [None], {"rating": 1}, "2026-01-01T00:00:00Z", "9999-99-99", "x" * 300, "\u2028"),
]


def _mutated(told: Document, random: Random) -> Any:
    """With something changed, added, removed or doubled, anywhere."""
    told = copy.deepcopy(told)
    for _ in range(random.randint(1, 3)):
        part: Any = told
        while isinstance(part, (dict, list)) and part:
            key = random.choice(list(part) if isinstance(part, dict) else range(len(part)))
            if random.random() < 0.35 or not isinstance(part[key], (dict, list)) or not part[key]:
                _change(part, key, random)
                break
            part = part[key]
    return told


def _change(part: Any, key: Any, random: Random) -> None:
    match random.randrange(4):
        case 0:
            part[key] = random.choice(_WORDS)
        case 1:
            del part[key]
        case 2 if isinstance(part, dict):
            part[random.choice(["id", "parent_id", "role", "x", "content", "feedback"])] = random.choice(_WORDS)
        case _ if isinstance(part, list):
            part.append(copy.deepcopy(part[key]))
        case _:
            part[key] = [part[key]]


async def test_no_mutation_is_a_fault_of_ours(alice: User, database_kind: str) -> None:
    random = Random(20261121)  # noqa: S311
    seen: set[int] = set()
    for _ in range(400):
        body = json.dumps(_mutated(full(), random)).encode()
        if random.random() < 0.15:
            place = random.randrange(len(body))
            body = body[:place] + bytes([random.randrange(256)]) + body[place + random.randrange(3) :]
        told = await alice.http.post(IMPORT, content=body, headers=JSON)
        assert told.status_code in (200, 201, 400, 422), (told.text, body)
        if told.status_code == 201:
            await brought_again(alice, told.json()["id"])
        seen.add(told.status_code)
    assert {201, 400, 422} <= seen


async def brought_again(user: User, made: str) -> None:
    """Whatever was taken can be told, and taken again."""
    again = await bring(user, await exported(user, made))
    assert again.status_code == 201, again.text
