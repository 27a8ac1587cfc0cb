"""The real Ollama behind this service: its bytes as they are for users, its models for administrators."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import ollama
import pytest

from tests.backend import PASSWORD, User
from tests.chat.conftest import Service, serving
from tests.upstream import (
    Answer,
    Cut,
    Drop,
    Filler,
    Frame,
    InBandError,
    Page,
    Reasoning,
    Refuse,
    Reset,
    Scenario,
    Silence,
    Stall,
    ToolCall,
    Upstream,
    Wire,
)

ADMIN = "admin@example.com"
SOON = 10.0
"""Seconds; it takes milliseconds, and machines have bad moments."""
HELLO: dict[str, Any] = {"model": "llama3.2", "messages": [{"role": "user", "content": "Hello"}]}
PROMPT: dict[str, Any] = {"model": "llama3.2", "prompt": "Hello"}
HOSTILE = ('{"error":"no"}\n', "\u2028\x00 汉 😀", '"done":true', '\\"error\\"')
ODD = Frame(b'{ "done" :false,  "message": {"content":"x"}, "more":[1.50]}\n\n')
KEPT = hashlib.sha256(b"a file").hexdigest()


@asynccontextmanager
async def behind(vendor: Upstream, template: Path, folder: Path, **settings: Any) -> AsyncIterator[Service]:
    """An app whose Ollama may say nothing for longer than any test takes, and whose readers may not."""
    admin = {"first_admin_email": ADMIN, "first_admin_password": PASSWORD}
    limits = {"ollama_silence_timeout": 60, "reader_timeout": 0.3}
    async with serving(vendor, template, folder, **{**limits, **admin, **settings}) as service:
        yield service


@pytest.fixture(scope="module")
async def service(
    every_vendor: Upstream, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    async with behind(every_vendor, sqlite_template, tmp_path_factory.mktemp("proxy")) as service:
        yield service


@pytest.fixture(scope="module")
async def impatient(
    every_vendor: Upstream, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[User]:
    """Somebody at an app whose Ollama may say nothing for less than a second."""
    folder = tmp_path_factory.mktemp("impatient")
    async with behind(every_vendor, sqlite_template, folder, ollama_silence_timeout=0.4) as service:
        yield service.alice


@pytest.fixture(scope="module")
async def admin(service: Service) -> User:
    return await service.backend.user("admin")


@pytest.fixture
def alice(service: Service) -> User:
    return service.alice


_people = iter(range(1000))


@pytest.fixture
async def newcomer(service: Service) -> User:
    """Somebody who has used nothing yet."""
    return await service.backend.user(f"newcomer-{next(_people)}")


async def used(user: User) -> list[tuple[str, int, int, int]]:
    """What the ledger has of a user: model, tokens in and out, and how many of the calls were estimated."""
    answer = await user.http.get("/users/me/usage")
    return [
        (each["model"], each["input_tokens"], each["output_tokens"], each["estimated"])
        for each in answer.json()["items"]
    ]


async def soon_used(user: User) -> list[tuple[str, int, int, int]]:
    """The same once there is any: a call that the vendor sees end is booked a moment later."""
    async with asyncio.timeout(10):
        while not (rows := await used(user)):
            await asyncio.sleep(0.02)
    return rows


async def key_for(user: User, *scopes: str) -> dict[str, str]:
    made = await user.http.post("/users/me/api-keys", json={"name": "key", "scopes": list(scopes)})
    return {"Authorization": f"Bearer {made.json()['key']}"}


def errors_in(content: bytes) -> list[str]:
    return [read["error"] for line in content.splitlines() if line.strip() and "error" in (read := json.loads(line))]


# Byte for byte


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("body", "wire"),
    [
        (HELLO, Wire()),
        (HELLO, Wire(packets=7)),
        (HELLO, Wire(newline=b"\r\n")),
        (HELLO, Wire(transfer="close")),
        (PROMPT, Wire()),
        (PROMPT, Wire(packets="burst")),
    ],
    ids=["lines", "sevens", "crlf", "closing", "generated", "generated-burst"],
)
async def test_what_it_answers_passes_byte_for_byte(
    vendor: Upstream, alice: User, body: dict[str, Any], stream: bool, wire: Wire
) -> None:
    chunks = (*HOSTILE, ODD, Reasoning("Hm."), ToolCall("f", '{"done":true}')) if "messages" in body else (*HOSTILE,)
    vendor.script(Answer(chunks if stream else HOSTILE, wire=wire), repeating=True)
    path = "chat" if "messages" in body else "generate"
    asked = json.dumps({"stream": stream, **body}, indent=1)
    async with httpx.AsyncClient(trust_env=False) as http:
        own = await http.post(f"{vendor.url}/api/{path}", content=asked)
    passed = await alice.http.post(f"/ollama/{path}", content=asked)

    assert (passed.status_code, passed.content) == (200, own.content)
    assert passed.headers["content-type"] == own.headers["content-type"]
    assert [call.body for call in vendor.calls] == [json.loads(asked)] * 2
    assert vendor.calls[1].headers["content-length"] == str(len(asked))


async def test_a_line_passes_when_it_comes(vendor: Upstream, alice: User) -> None:
    vendor.script(Answer(("a", "b"), hold=True))
    async with alice.http.stream("POST", "/ollama/chat", json=HELLO) as answer:
        # The head comes with the first line; that of a response that is held comes at once.
        lines = answer.aiter_lines()
        for text in ("a", "b"):
            line, _ = await asyncio.wait_for(asyncio.gather(anext(lines), vendor.release()), SOON)
            assert json.loads(line)["message"]["content"] == text
        await vendor.finish()
        assert json.loads(await anext(lines))["done"] is True


async def test_nothing_of_the_caller_is_told(vendor: Upstream, alice: User) -> None:
    await alice.http.post("/ollama/chat?a=b", json=HELLO, headers={"X-Secret": "s", "Cookie": "c=d"})
    [call] = vendor.calls
    assert not {"authorization", "cookie", "x-secret", "x-api-key"} & call.headers.keys()
    assert (call.path, call.query) == ("/api/chat", "")


async def test_its_list_is_its_own(vendor: Upstream, alice: User) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        own = await http.get(f"{vendor.url}/api/tags")
    passed = await alice.http.get("/ollama/tags")
    assert (passed.content, passed.headers["content-type"]) == (own.content, own.headers["content-type"])


# Who leaves


@pytest.mark.parametrize("scenario", [Answer(("a", "b"), hold=True), Silence()], ids=["midway", "while-it-loads"])
async def test_leaving_ends_the_call_upstream(vendor: Upstream, newcomer: User, scenario: Scenario) -> None:
    vendor.script(scenario)

    async def read() -> None:
        async with newcomer.http.stream("POST", "/ollama/chat", json=HELLO) as answer:
            await anext(answer.aiter_bytes())
            await anext(answer.aiter_bytes())

    reading = asyncio.create_task(read())
    await vendor.requested()
    if isinstance(scenario, Answer):
        await vendor.release()
    reading.cancel()
    await asyncio.wait({reading})
    assert (await vendor.ended(within=SOON)).ended == "aborted"
    [(model, _, _, estimated)] = await soon_used(newcomer)
    assert (model, estimated) == ("ollama/llama3.2", 1)


async def test_who_takes_nothing_is_dropped(vendor: Upstream, newcomer: User) -> None:
    vendor.script(Answer((Filler(64 << 20),)))
    async with newcomer.http.stream("POST", "/ollama/chat", json=HELLO):
        assert (await vendor.ended(within=20)).ended == "aborted"
    assert [row[0] for row in await soon_used(newcomer)] == ["ollama/llama3.2"]


# What it costs


@pytest.mark.parametrize("stream", [True, False])
async def test_what_it_reports_is_booked(vendor: Upstream, newcomer: User, stream: bool) -> None:
    vendor.script(Answer(usage=(9, 3)))
    await newcomer.http.post("/ollama/chat", json={**HELLO, "model": "llama3.2:latest", "stream": stream})
    await newcomer.http.post("/ollama/generate", json={**PROMPT, "stream": stream})
    async with asyncio.timeout(10):
        while (booked := await used(newcomer)) != [("ollama/llama3.2", 18, 6, 0)]:
            assert booked in ([], [("ollama/llama3.2", 9, 3, 0)])
            await asyncio.sleep(0.02)


async def test_what_it_does_not_report_is_estimated(vendor: Upstream, newcomer: User) -> None:
    vendor.script(Answer(("a", "b", "c"), finish=None))
    await newcomer.http.post("/ollama/generate", json={**PROMPT, "prompt": "a word " * 40})
    [(_, inputs, outputs, estimated)] = await soon_used(newcomer)
    assert (inputs > 40, outputs, estimated) == (True, 3, 1)


async def test_loading_a_model_costs_nothing(vendor: Upstream, newcomer: User) -> None:
    vendor.script(Answer((), finish="load", usage=None))
    await newcomer.http.post("/ollama/chat", json={**HELLO, "messages": []})
    assert await soon_used(newcomer) == [("ollama/llama3.2", 0, 0, 0)]


async def test_a_refusal_is_booked_with_nothing(vendor: Upstream, newcomer: User) -> None:
    vendor.script(Refuse(503))
    await newcomer.http.post("/ollama/chat", json=HELLO)
    assert await soon_used(newcomer) == [("ollama/llama3.2", 0, 0, 1)]


async def test_it_is_measured_like_any_other_call(vendor: Upstream, alice: User) -> None:
    await alice.http.post("/ollama/chat", json=HELLO)
    shown = (await alice.http.get("/metrics")).text
    assert 'ai_upstream_attempts_total{outcome="complete",provider="ollama"}' in shown
    assert 'ai_generations_ended_total{code="none",provider="ollama",status="complete"}' in shown


# What goes wrong


@pytest.mark.parametrize(
    ("scenario", "status", "words"),
    [
        (Refuse(404), 404, "model 'llama3.2' not found"),
        (Refuse(400, message="secret does not support tools"), 400, "rejected"),
        (Refuse(400, "context_length"), 400, "too long"),
        (Refuse(401, message="secret"), 502, "credentials"),
        (Refuse(500, message="secret /var/lib/ollama"), 502, "internal error"),
        (Refuse(503), 503, "overloaded"),
        (Refuse(429), 503, "limits"),
        (Page(b"<html>secret", 502), 502, "internal error"),
        (Page(b"", 302, headers={"location": "http://127.0.0.1:9/secret"}), 502, "understood"),
        (Drop(), 502, "reached"),
        (Drop(reset=True), 502, "reached"),
    ],
)
async def test_a_refusal_has_its_status_and_our_words(
    vendor: Upstream, alice: User, scenario: Scenario, status: int, words: str
) -> None:
    vendor.script(scenario)
    answer = await alice.http.post("/ollama/chat", json=HELLO)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert set(answer.json()) == {"error"}
    assert words in answer.json()["error"]
    assert "secret" not in answer.text


async def test_a_silence_is_given_up(vendor: Upstream, impatient: User) -> None:
    vendor.script(Silence())
    answer = await impatient.http.post("/ollama/chat", json=HELLO)
    assert (answer.status_code, answer.headers["content-type"]) == (504, "application/json")
    assert set(answer.json()) == {"error"}
    assert "in time" in answer.json()["error"]


async def test_a_silence_in_the_midst_is_told_behind_all_that_came(vendor: Upstream, impatient: User) -> None:
    vendor.script(Answer(("a", "b", "c"), fault=Stall(2)))
    answer = await impatient.http.post("/ollama/chat", json=HELLO)
    *said, told = [json.loads(line) for line in answer.content.splitlines()]
    assert [each["message"]["content"] for each in said] == ["a", "b"]
    assert "in time" in told["error"]


@pytest.mark.parametrize("wire", [Wire(), Wire(packets=1), Wire(packets="burst"), Wire(packets=50)], ids=str)
async def test_an_error_in_the_midst_has_our_words(vendor: Upstream, alice: User, wire: Wire) -> None:
    vendor.script(Answer(("a", "b"), wire=wire, fault=InBandError(2, message="secret: exit status 2 in /root")))
    answer = await alice.http.post("/ollama/chat", json=HELLO)
    lines = answer.content.splitlines()
    assert [json.loads(line)["message"]["content"] for line in lines[:2]] == ["a", "b"]
    assert [json.loads(line) for line in lines[2:]] == [{"error": "The provider had an internal error."}]


@pytest.mark.parametrize(
    ("fault", "words"),
    [(Cut(2, terminated=False), "cut"), (Reset(2), "cut"), (Cut(2), None)],
)
async def test_a_cut_is_told_behind_all_that_came(vendor: Upstream, alice: User, fault: Any, words: str | None) -> None:
    """Where it just ends, without a last line, nothing was cut."""
    vendor.script(Answer(("a", "b", "c"), fault=fault))
    answer = await alice.http.post("/ollama/chat", json=HELLO)
    said = [json.loads(line) for line in answer.content.splitlines()]
    assert [each["message"]["content"] for each in said[:2]] == ["a", "b"]
    assert len(said) == (2 if words is None else 3)
    assert words is None or words in said[2]["error"]


async def test_half_a_line_passes_and_the_error_has_one_of_its_own(vendor: Upstream, alice: User) -> None:
    vendor.script(Answer((Frame(b'{"model":"m","mess'), "b"), fault=Cut(1, terminated=False)))
    half, told = (await alice.http.post("/ollama/chat", json=HELLO)).content.splitlines()
    assert half == b'{"model":"m","mess'
    assert "cut" in json.loads(told)["error"]


async def test_one_object_that_is_cut_is_visibly_broken(vendor: Upstream, alice: User) -> None:
    vendor.script(Answer(("a", "b", "c"), fault=Cut(2, terminated=False)))
    with pytest.raises(httpx.RemoteProtocolError):
        await alice.http.post("/ollama/chat", json={**HELLO, "stream": False})


async def test_a_whole_answer_stays_whole_whatever_happens_to_the_connection(vendor: Upstream, alice: User) -> None:
    whole = Frame(b'{"message":{"content":"a"},"done":true,"eval_count":1}\n')
    vendor.script(Answer((whole, "b"), fault=Cut(1, terminated=False)))
    assert (await alice.http.post("/ollama/chat", json=HELLO)).content == whole.data


# Who may


@pytest.mark.parametrize(
    ("model", "pattern", "allowed"),
    [
        ("llama3.2", "models:ollama/llama3.2", True),
        ("llama3.2:latest", "models:ollama/llama3.2", True),
        ("llama3.2", "models:ollama/llama3.2:latest", True),
        ("llama3.2", "models:llama3.2", True),
        ("llama3.2:8b", "models:ollama/llama3.2", False),
        ("llama3.2:8b", "models:ollama/*:latest", False),
        ("other", "models:ollama/llama3.2", False),
        ("gpt-5", "models:openai/*", False),
    ],
)
async def test_a_key_reaches_the_models_that_it_is_for(
    vendor: Upstream, alice: User, model: str, pattern: str, allowed: bool
) -> None:
    headers = await key_for(alice, pattern)
    answer = await alice.http.post("/ollama/chat", json={**HELLO, "model": model}, headers=headers)
    assert (answer.status_code, len(vendor.calls)) == ((200, 1) if allowed else (403, 0))


async def test_a_key_for_some_models_sees_those_alone(vendor: Upstream, alice: User) -> None:
    vendor.models = ("echo", "llama3.2", "llama3.2:8b")
    shown = await alice.http.get("/ollama/tags", headers=await key_for(alice, "models:ollama/llama3.2"))
    assert [each["name"] for each in shown.json()["models"]] == ["llama3.2:latest"]
    assert (await alice.http.get("/ollama/tags", headers=await key_for(alice, "files"))).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"messages":[]}',
        b'{"model":""}',
        b'{"model":7}',
        b'{"model":null}',
        b'{"model":"llama3.2","Model":"other"}',
        b'{"MODEL":"llama3.2"}',
        b'{"model":"llama3.2"}{"model":"other"}',
        b'{"model":"a\\u0000b"}',
        b'{"model":"\\ud83d"}',
        b'{"model":"' + b"a" * 300 + b'"}',
        b"[" * 200_000,
    ],
)
async def test_what_leaves_a_doubt_which_model_is_meant_is_not_passed_on(
    vendor: Upstream, alice: User, body: bytes
) -> None:
    answer = await alice.http.post("/ollama/chat", content=body)
    assert (answer.status_code, set(answer.json())) == (400, {"error"})
    assert vendor.calls == []


async def test_of_two_models_the_last_counts_as_it_does_there(vendor: Upstream, alice: User) -> None:
    headers = await key_for(alice, "models:ollama/llama3.2")
    answer = await alice.http.post("/ollama/chat", content=b'{"model":"llama3.2","model":"x"}', headers=headers)
    assert answer.status_code == 403


MANAGED = (
    ("POST", "/ollama/api/pull"),
    ("POST", "/ollama/api/push"),
    ("POST", "/ollama/api/create"),
    ("POST", "/ollama/api/copy"),
    ("DELETE", "/ollama/api/delete"),
    ("HEAD", f"/ollama/api/blobs/sha256:{KEPT}"),
    ("POST", f"/ollama/api/blobs/sha256:{KEPT}"),
)


@pytest.mark.parametrize(("method", "path"), MANAGED)
async def test_its_models_are_for_administrators(
    vendor: Upstream, alice: User, admin: User, method: str, path: str
) -> None:
    for headers in ({}, await key_for(alice, "chat")):
        assert (await alice.http.request(method, path, headers=headers)).status_code == 403
    plain = await admin.http.request(method, path, headers=await key_for(admin, "chat"))
    assert plain.status_code == 403
    assert vendor.requests == []


async def test_how_far_a_model_is_comes_while_it_goes_on(vendor: Upstream, admin: User) -> None:
    vendor.script(Answer(("pulling manifest", "downloading"), hold=True))
    async with admin.http.stream("POST", "/ollama/api/pull", json={"model": "new"}) as answer:
        lines = answer.aiter_lines()
        line, _ = await asyncio.wait_for(asyncio.gather(anext(lines), vendor.release()), SOON)
        assert json.loads(line) == {"status": "pulling manifest"}
    assert (await vendor.ended(within=SOON)).ended == "aborted"


async def test_a_pull_that_fails_says_so(vendor: Upstream, admin: User) -> None:
    vendor.script(Answer(("pulling manifest",), fault=InBandError(1, message="pull model: file does not exist")))
    answer = await admin.http.post("/ollama/api/pull", json={"model": "new"})
    assert errors_in(answer.content) == ["The provider does not know this model."]


async def test_models_are_made_copied_published_and_deleted(vendor: Upstream, admin: User) -> None:
    vendor.models = ("echo",)
    for path, body in (("push", {"model": "echo"}), ("create", {"model": "b", "from": "echo"})):
        answer = await admin.http.post(f"/ollama/api/{path}", json=body)
        assert json.loads(answer.content.splitlines()[-1]) == {"status": "success"}
        assert vendor.calls[-1].body == body
    copied = await admin.http.post("/ollama/api/copy", json={"source": "echo", "destination": "c"})
    deleted = await admin.http.request("DELETE", "/ollama/api/delete", json={"model": "echo"})
    missing = await admin.http.request("DELETE", "/ollama/api/delete", json={"model": "nope"})
    assert [(copied.status_code, copied.content), (deleted.status_code, deleted.content)] == [(200, b"")] * 2
    assert (missing.status_code, set(missing.json())) == (404, {"error"})


async def test_ollamas_own_client_manages_its_models(
    service: Service, vendor: Upstream, admin: User, alice: User, tmp_path: Path
) -> None:
    vendor.models = ("echo",)
    address = f"{service.backend.url}/ollama"
    (tmp_path / "part").write_bytes(b"a file")
    async with ollama.AsyncClient(address, headers={"Authorization": f"Bearer {admin.token}"}) as client:
        assert [each.status async for each in await client.pull("new", stream=True)][-1] == "success"
        assert (await client.copy("echo", "copy")).status == "success"
        assert (await client.delete("echo")).status == "success"
        assert await client.create_blob(tmp_path / "part") == f"sha256:{KEPT}"
        vendor.script(Answer(("pulling",), fault=InBandError(1)))
        with pytest.raises(ollama.ResponseError, match="internal error"):
            _ = [each async for each in await client.pull("new", stream=True)]
    async with ollama.AsyncClient(address, headers={"Authorization": f"Bearer {alice.token}"}) as client:
        with pytest.raises(ollama.ResponseError) as refused:
            await client.pull("new")
    assert refused.value.status_code == 403


async def test_files_are_passed_on_while_they_come(vendor: Upstream, admin: User) -> None:
    pieces = [bytes([n]) * 100_000 for n in range(64)]
    digest = hashlib.sha256(b"".join(pieces)).hexdigest()

    async def coming() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    answer = await admin.http.post(f"/ollama/api/blobs/sha256:{digest}", content=coming())
    assert (answer.status_code, answer.content) == (201, b"")
    assert vendor.requests[-1].body == {"size": 6_400_000, "sha256": digest}
    refused = await admin.http.post(f"/ollama/api/blobs/sha256:{KEPT}", content=b"another file")
    assert (refused.status_code, "/root" in refused.text) == (400, False)


async def test_whether_a_file_is_there_can_be_asked(vendor: Upstream, admin: User) -> None:
    there = await admin.http.head("/ollama/api/blobs/sha256:" + "e" * 64)
    missing = await admin.http.head("/ollama/api/blobs/sha256:" + "1" * 64)
    assert (there.status_code, missing.status_code) == (200, 404)


async def test_a_file_that_breaks_off_is_none_there_either(vendor: Upstream, admin: User) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield b"half"
        raise OSError("gone")

    before = vendor.connections
    with pytest.raises(OSError, match="gone"):
        await admin.http.post(f"/ollama/api/blobs/sha256:{KEPT}", content=breaking())
    await asyncio.sleep(0.05)
    assert not any(request.path.endswith(KEPT) for request in vendor.requests)
    assert vendor.connections <= before + 1


@pytest.mark.parametrize(
    "path",
    [
        "/ollama/api/blobs/sha256:abc",
        "/ollama/api/blobs/sha256:" + "A" * 64,
        "/ollama/api/blobs/" + "0" * 64,
        f"/ollama/api/blobs/sha256:{'0' * 64}/../../delete",
        f"/ollama/api/blobs/..%2f..%2fapi%2fdelete%3f{'0' * 64}",
        f"/ollama/api/blobs/sha256:{'0' * 64}%0a",
        f"/ollama/api/blobs/sha256:{'0' * 64}%3Fx=1",
        "/ollama/api/unknown",
        "/ollama/%2e%2e/api/pull",
        "/ollama/chat/../api/pull",
        "/ollama/api/chat/extra",
    ],
)
async def test_no_trick_with_a_path_reaches_anything(vendor: Upstream, admin: User, path: str) -> None:
    address = admin.http.base_url
    for method in ("POST", "HEAD", "GET"):
        reader, writer = await asyncio.open_connection(address.host, address.port)  # no client sends it as it is
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {admin.token}\r\n\r\n"
        )
        writer.write(head.encode())
        assert (await reader.read()).split()[1] in (b"404", b"405"), method
        writer.close()
    assert vendor.requests == []


# With other settings


async def test_a_user_who_is_gone_is_not_written_to_any_more(vendor: Upstream, admin: User, newcomer: User) -> None:
    vendor.script(Answer(("a", "b"), hold=True))
    async with newcomer.http.stream("POST", "/ollama/chat", json=HELLO) as answer:
        me = (await newcomer.http.get("/users/me")).json()["id"]
        await admin.http.patch(f"/users/{me}", json={"is_active": False})
        assert (await vendor.ended(within=20)).ended == "aborted"
        assert errors_in(await answer.aread())


async def test_limits_slots_and_the_end_of_a_process(
    every_vendor: Upstream, vendor: Upstream, sqlite_template: Path, tmp_path: Path
) -> None:
    limits = {"rate_limit_ai": "2/minute", "max_concurrent_generations_per_user": 1}
    async with behind(every_vendor, sqlite_template, tmp_path, **limits) as limited:
        http, house = limited.alice.http, limited.backend.house
        vendor.script(Answer(("a", "b"), hold=True))
        async with http.stream("POST", "/ollama/chat", json=HELLO) as answer:
            await vendor.release()
            second = await http.post("/ollama/chat", json=HELLO)
            assert (second.status_code, set(second.json())) == (429, {"error"})
            await house.ollama_proxy.drain(0)
            [told] = errors_in(await answer.aread())
            assert "shutting down" in told
        vendor.script(Answer())
        assert [(await http.post("/ollama/chat", json=HELLO)).status_code for _ in range(2)] == [200, 429]
        assert "ratelimit-limit" in second.headers or "retry-after" in second.headers


async def test_without_an_ollama_it_says_so(vendor: Upstream, sqlite_template: Path, tmp_path: Path) -> None:
    async with behind(vendor, sqlite_template, tmp_path, ollama_base_url=None, ollama_discovery=False) as alone:
        http, admin = alone.alice.http, await alone.backend.user("admin")
        for answer in (
            await http.post("/ollama/chat", json=HELLO),
            await http.post("/ollama/generate", json=PROMPT),
            await http.get("/ollama/tags"),
            await admin.http.post("/ollama/api/pull", json={"model": "new"}),
        ):
            assert (answer.status_code, answer.json()) == (503, {"error": "No Ollama server is configured."})


async def test_one_on_this_machine_is_found(vendor: Upstream, sqlite_template: Path, tmp_path: Path) -> None:
    async with behind(vendor, sqlite_template, tmp_path, ollama_base_url=None, ollama_host=vendor.url) as found:
        assert (await found.alice.http.post("/ollama/chat", json=HELLO)).status_code == 200
