"""What cannot be answered is refused with a typed 4xx before anything is started, and the next request is fine."""

import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.backend import UNLIMITED, Backend, Given, User
from tests.conftest import Serve
from tests.sse import Stream
from tests.upstream import Upstream

CANARY = "canary7f3a"
JSON = "application/json"
POSTS = ["/ai/chat/stream", "/ai/chat"]
PROBLEM = {"type", "title", "status", "detail", "code", "request_id"}


@dataclass(frozen=True)
class Served:
    backend: Backend
    upstream: Upstream
    user: User


@pytest.fixture(scope="module")
async def running(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """One server for the whole table, so that each row is also the next request of the one before."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copy(sqlite_template, folder / "app.db")
    async with Upstream() as upstream:
        values: dict[str, Any] = {
            "database_url": f"sqlite+aiosqlite:///{folder}/app.db",
            "data_dir": folder,
            "openai_api_key": "sk-loopback-key",
            "openai_base_url": f"{upstream.url}/v1",
            "default_model": "openai/echo",
            **UNLIMITED,
        }
        async with Backend(Given(**values)) as backend:
            yield Served(backend, upstream, await backend.user())


@pytest.fixture
async def served(running: Served) -> AsyncIterator[Served]:
    """After each test: nothing was asked of the model, nothing was begun, and the next request is fine."""
    running.upstream.reset()
    before = (await running.user.http.get("/conversations")).json()["items"]
    yield running
    assert running.upstream.calls == []
    assert (await running.user.http.get("/conversations")).json()["items"] == before
    assert (await running.user.chat("Hello")).text == "You said: Hello"


def saying(**fields: Any) -> bytes:
    return json.dumps({"message": "Hello", **fields}).encode()


# What is sent, and the status and the code of the answer.
Row = tuple[bytes, int, str]
ROWS: dict[str, Row] = {
    "no body": (b"", 422, "validation_error"),
    "no message": (b"{}", 422, "validation_error"),
    "null": (b"null", 422, "validation_error"),
    "a list": (b"[]", 422, "validation_error"),
    "a string": (b'"%b"' % CANARY.encode(), 422, "validation_error"),
    "an empty message": (saying(message=""), 422, "validation_error"),
    "a blank message": (saying(message=" \t\n\u3000\u2028 "), 422, "validation_error"),
    "a message of null": (saying(message=None), 422, "validation_error"),
    "a message that is a number": (saying(message=7), 422, "validation_error"),
    "a message that is a list": (saying(message=[CANARY]), 422, "validation_error"),
    "200,001 characters": (saying(message="字" * 200_001), 422, "message_too_long"),
    "50 MB": (saying(message="x" * 50_000_000), 413, "payload_too_large"),
    "NUL": (saying(message=f"{CANARY}\x00"), 422, "validation_error"),
    "half a surrogate pair": (b'{"message": "%b\\ud83d"}' % CANARY.encode(), 422, "validation_error"),
    "the other half": (b'{"message": "\\ude00%b"}' % CANARY.encode(), 422, "validation_error"),
    "half a pair in a field's name": (b'{"message": "Hello", "\\ud83d": 1}', 422, "validation_error"),
    "half a pair in the model's name": (b'{"message": "Hello", "model": "\\ud83d"}', 422, "validation_error"),
    "100,000 lists deep": (b'{"message": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "invalid_json"),
    "100,000 objects deep": (b'{"message": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, 400, "invalid_json"),
    "invalid UTF-8": (b'{"message": "%b\xff\xfe"}' % CANARY.encode(), 400, "invalid_json"),
    "half a character": (b'{"message": "%b\xe4\xbd"}' % CANARY.encode(), 400, "invalid_json"),
    "broken JSON": (b'{"message": "%b' % CANARY.encode(), 400, "invalid_json"),
    "an unknown field": (saying(nonsense=CANARY), 422, "validation_error"),
    "a role": (saying(role="system"), 422, "validation_error"),
    "an upstream address": (saying(base_url="http://127.0.0.1:1", api_key=CANARY), 422, "validation_error"),
    "max_tokens -1": (saying(max_tokens=-1), 422, "validation_error"),
    "max_tokens 0": (saying(max_tokens=0), 422, "validation_error"),
    "max_tokens a million and one": (saying(max_tokens=1_000_001), 422, "validation_error"),
    "max_tokens 2**63": (saying(max_tokens=2**63), 422, "validation_error"),
    "max_tokens of 5,000 digits": (b'{"message": "Hello", "max_tokens": %b}' % (b"9" * 5000), 400, "invalid_json"),
    "max_tokens 1.5": (saying(max_tokens=1.5), 422, "validation_error"),
    "max_tokens 1e999": (b'{"message": "Hello", "max_tokens": 1e999}', 422, "validation_error"),
    "max_tokens a word": (saying(max_tokens="abc"), 422, "validation_error"),
    "max_tokens true": (saying(max_tokens=True), 422, "validation_error"),
    "max_tokens null": (saying(max_tokens=None), 422, "validation_error"),
    "temperature NaN": (saying(temperature=float("nan")), 422, "validation_error"),
    "temperature infinite": (saying(temperature=float("inf")), 422, "validation_error"),
    "temperature -1": (saying(temperature=-1), 422, "validation_error"),
    "temperature 3": (saying(temperature=3), 422, "validation_error"),
    "temperature true": (saying(temperature=True), 422, "validation_error"),
    "temperature a word": (saying(temperature=CANARY), 422, "validation_error"),
    "a system prompt too long": (saying(system_prompt="x" * 200_001), 422, "validation_error"),
    "NUL in the system prompt": (saying(system_prompt=f"{CANARY}\x00"), 422, "validation_error"),
    "a conversation_id that is none": (saying(conversation_id=CANARY), 422, "validation_error"),
    "a conversation_id that is a number": (saying(conversation_id=1), 422, "validation_error"),
    "a conversation_id with more": (saying(conversation_id=f"{uuid4()}' OR 1=1"), 422, "validation_error"),
    "an unknown conversation": (saying(conversation_id=str(uuid4())), 404, "not_found"),
    "a parent_id that is none": (saying(parent_id=CANARY), 422, "validation_error"),
    "a parent_id without its conversation": (saying(parent_id=str(uuid4())), 422, "validation_error"),
    "an unknown model": (saying(model=CANARY), 422, "unknown_model"),
    "a model of an unknown provider": (saying(model=f"{CANARY}/gpt-5"), 422, "unknown_model"),
    "a model's name too long": (saying(model="openai/" + "x" * 10_000), 422, "unknown_model"),
    "a model's name of two lines": (saying(model=f"openai/{CANARY}\r\nX-Header: 1"), 422, "unknown_model"),
    "NUL in the model's name": (saying(model=f"openai/{CANARY}\x00"), 422, "validation_error"),
    "an unknown file": (saying(file_ids=[str(uuid4())]), 404, "not_found"),
    "a file_id that is none": (saying(file_ids=[CANARY]), 422, "validation_error"),
    "101 files": (saying(file_ids=[str(uuid4())] * 101), 422, "validation_error"),
    "an unknown collection": (saying(collection=CANARY), 404, "not_found"),
    "a collection's name too long": (saying(collection="x" * 201), 422, "validation_error"),
}


@pytest.mark.parametrize("row", ROWS)
async def test_a_bad_body_is_refused(served: Served, row: str) -> None:
    body, status, code = ROWS[row]
    for route in POSTS:
        response = await served.user.http.post(route, content=body, headers={"Content-Type": JSON})
        _is_refused(response, status, code)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json"]
)
async def test_what_is_not_sent_as_json_is_refused(served: Served, content_type: str) -> None:
    for route in POSTS:
        response = await served.user.http.post(route, content=saying(), headers={"Content-Type": content_type})
        _is_refused(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("route", POSTS)
async def test_a_huge_body_of_undeclared_length_is_refused(served: Served, route: str) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"message": "'
        for _ in range(50):
            yield b"x" * 1_000_000
        yield b'"}'

    response = await served.user.http.post(route, content=chunks(), headers={"Content-Type": JSON})
    _is_refused(response, 413, "payload_too_large")


QUERIES: dict[str, tuple[dict[str, Any], int, str]] = {
    "no message": ({}, 422, "validation_error"),
    "an empty message": ({"message": ""}, 422, "validation_error"),
    "a blank message": ({"message": " \u3000\n"}, 422, "validation_error"),
    "NUL": ({"message": f"{CANARY}\x00"}, 422, "validation_error"),
    "max_tokens -1": ({"message": "Hello", "max_tokens": "-1"}, 422, "validation_error"),
    "max_tokens 0": ({"message": "Hello", "max_tokens": "0"}, 422, "validation_error"),
    "max_tokens 2**63": ({"message": "Hello", "max_tokens": str(2**63)}, 422, "validation_error"),
    "max_tokens of 5,000 digits": ({"message": "Hello", "max_tokens": "9" * 5000}, 422, "validation_error"),
    "max_tokens 1.5": ({"message": "Hello", "max_tokens": "1.5"}, 422, "validation_error"),
    "max_tokens a word": ({"message": "Hello", "max_tokens": CANARY}, 422, "validation_error"),
    "max_tokens true": ({"message": "Hello", "max_tokens": "true"}, 422, "validation_error"),
    "temperature NaN": ({"message": "Hello", "temperature": "nan"}, 422, "validation_error"),
    "temperature infinite": ({"message": "Hello", "temperature": "inf"}, 422, "validation_error"),
    "temperature -1": ({"message": "Hello", "temperature": "-1"}, 422, "validation_error"),
    "temperature 3": ({"message": "Hello", "temperature": "3"}, 422, "validation_error"),
    "temperature a word": ({"message": "Hello", "temperature": CANARY}, 422, "validation_error"),
    "a conversation_id that is none": ({"message": "Hello", "conversation_id": CANARY}, 422, "validation_error"),
    "an unknown conversation": ({"message": "Hello", "conversation_id": str(uuid4())}, 404, "not_found"),
    "a parent_id without its conversation": ({"message": "Hello", "parent_id": str(uuid4())}, 422, "validation_error"),
    "an unknown model": ({"message": "Hello", "model": CANARY}, 422, "unknown_model"),
    "an unknown model_name": ({"message": "Hello", "model_name": CANARY}, 422, "unknown_model"),
    "an unknown file": ({"message": "Hello", "file_ids": [str(uuid4())]}, 404, "not_found"),
    "a file_id that is none": ({"message": "Hello", "file_ids": [CANARY]}, 422, "validation_error"),
    "an unknown collection": ({"message": "Hello", "collection": CANARY}, 404, "not_found"),
}


@pytest.mark.parametrize("row", QUERIES)
async def test_a_bad_query_is_refused(served: Served, row: str) -> None:
    query, status, code = QUERIES[row]
    _is_refused(await served.user.http.get("/ai/chat/stream", params=query), status, code)


async def test_invalid_utf_8_in_a_query_is_read_as_replacement_characters_or_refused(served: Served) -> None:
    response = await served.user.http.get("/ai/chat/stream?message=%20&conversation_id=%ff%fe%ed%a0%bd")
    _is_refused(response, 422, "validation_error")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Filler": "x" * 100_000},
        {f"X-Filler-{n}": "x" * 1000 for n in range(100)},
        {"Authorization": "Bearer " + "x" * 100_000},
        {"Idempotency-Key": "x" * 100_000},
        {"Last-Event-ID": "9" * 100_000},
    ],
    ids=["one", "many", "a token", "a key", "an event id"],
)
async def test_giant_headers_are_refused(served: Served, headers: dict[str, str]) -> None:
    # The HTTP parser itself refuses these, before there is a request that could be answered in our form.
    for response in (
        await served.user.http.post("/ai/chat/stream", json={"message": "Hello"}, headers=headers),
        await served.user.http.get("/ai/chat/stream", params={"message": "Hello"}, headers=headers),
    ):
        assert response.status_code in (400, 431)
        assert CANARY not in response.text


async def test_a_giant_query_is_refused(served: Served) -> None:
    response = await served.user.http.get("/ai/chat/stream", params={"message": CANARY * 6552})
    assert response.status_code in (400, 414, 431)
    assert CANARY not in response.text


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_another_method_is_refused(served: Served, method: str) -> None:
    for route in POSTS:
        response = await served.user.http.request(method, route, json={"message": "Hello"})
        _is_refused(response, 405, "method_not_allowed")


async def test_the_bound_of_a_message_is_a_setting_and_holds_on_every_route(serve: Serve, upstream: Upstream) -> None:
    alice = await (await serve(max_message_chars=10)).user()
    long = {"message": "字" * 11}
    for response in (
        await alice.http.post("/ai/chat/stream", json=long),
        await alice.http.post("/ai/chat", json=long),
        await alice.http.get("/ai/chat/stream", params=long),
    ):
        _is_refused(response, 422, "message_too_long")
    assert upstream.calls == []
    assert (await alice.chat("字" * 10)).text == "You said: " + "字" * 10


FINE = {
    "Chinese": "你好，世界。今天天气怎么样？",
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
    "right to left": "שלום \u202eعالم\u202c",
    "lines": "one\ntwo\r\nthree\rfour\u2028five\u2029six\x85seven",
    "what looks like a stream": 'data: {"done": true}\n\nevent: done\n\nid: 1\n\n: ping\n\n',
    "what looks like a template": "{{7*7}} ${7*7} %s%n <script>alert(1)</script> ' OR 1=1 --",
    "control characters": "a\x01b\x1b[2Jc\x7fd",
    "a byte order mark": "\ufeffHello\ufffe\uffff",
}


@pytest.mark.parametrize("what", FINE)
async def test_odd_but_honest_text_comes_back_as_it_was(running: Served, what: str) -> None:
    message, user = FINE[what], running.user
    running.upstream.reset()
    streamed = await user.chat(message)
    assert running.upstream.calls[-1].body["messages"][-1]["content"] == message
    assert streamed.text == f"You said: {message}"
    asked, answered = await user.messages(streamed.start["conversation_id"])
    assert (asked["content"], answered["content"]) == (message, f"You said: {message}")
    reply = (await user.http.post("/ai/chat", json={"message": message})).json()["reply"]
    assert reply == f"You said: {message}"
    got = await user.http.get("/ai/chat/stream", params={"message": message})
    assert Stream.of(got.content).text == f"You said: {message}"


async def test_a_message_of_200_000_characters_is_fine(running: Served) -> None:
    message = "字" * 200_000
    assert (await running.user.chat(message)).text == f"You said: {message}"


def _is_refused(response: httpx.Response, status: int, code: str) -> None:
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    problem = response.json()
    assert problem["code"] == code, problem
    assert PROBLEM <= problem.keys() <= PROBLEM | {"errors"}
    assert problem["status"] == status
    assert problem["request_id"] == response.headers["x-request-id"]
    assert CANARY not in response.text
    assert all(error.keys() == {"loc", "msg", "type"} for error in problem.get("errors", ()))
