"""Claims about the loopback vendor as an Ollama: each scenario in its bytes. Its official client reads them all."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.backend import PLAIN
from tests.upstream import (
    Answer,
    Cut,
    Filler,
    Frame,
    InBandError,
    Page,
    Reasoning,
    Refusal,
    Refuse,
    Reset,
    ToolArguments,
    ToolCall,
    Upstream,
    Usage,
    Wire,
    named,
)

ABC = ("a", "b", "c")
BUSY = "server busy, please try again.  maximum pending requests exceeded"


@pytest.fixture
async def client(upstream: Upstream) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=upstream.url, timeout=5, trust_env=False, verify=PLAIN) as client:
        yield client


def asking(message: str = "Hi", *, model: str = "m", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": message}], **more}


async def raw(client: httpx.AsyncClient, **asked: Any) -> bytes:
    response = await client.post("/api/chat", json=asking(**asked))
    assert response.status_code == 200, response.text
    return response.content


async def chat(client: httpx.AsyncClient, **asked: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (await raw(client, **asked)).splitlines()]


def joined(lines: list[dict[str, Any]], field: str = "content") -> str:
    return "".join(line["message"].get(field, "") for line in lines)


async def test_a_stream_is_what_is_answered_unless_one_wants_none(
    upstream: Upstream, client: httpx.AsyncClient
) -> None:
    upstream.script(Answer(("Hel", "lo ", "wörld 🌍\n"), usage=Usage(9, 3, cached=4)))
    response = await client.post("/api/chat", json=asking())
    *said, last = [json.loads(line) for line in response.text.split("\n")[:-1]]
    whole = (await client.post("/api/chat", json=asking(stream=False))).json()

    assert response.headers["content-type"] == "application/x-ndjson"
    assert [line["message"]["content"] for line in said] == ["Hel", "lo ", "wörld 🌍\n"]
    assert [(line["done"], line["model"], line["message"]["role"]) for line in said] == [(False, "m", "assistant")] * 3
    assert (last["done"], last["done_reason"], last["message"]["content"]) == (True, "stop", "")
    assert (last["prompt_eval_count"], last["prompt_eval_cached_count"], last["eval_count"]) == (9, 4, 3)
    assert whole == last | {"message": {"role": "assistant", "content": "Hello wörld 🌍\n"}}


@pytest.mark.parametrize("stream", [True, False])
async def test_thinking_and_tool_calls(upstream: Upstream, client: httpx.AsyncClient, stream: bool) -> None:
    calls = (ToolCall("f", id="c1"), ToolArguments('{"a"'), ToolArguments(":1}"), ToolCall("g", index=1, id="c2"))
    upstream.script(Answer((Reasoning("Hm."), *calls), finish="tool_calls"))
    lines = await chat(client, stream=stream)
    called = [call for line in lines for call in line["message"].get("tool_calls", ())]
    assert [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in called] == [
        ("c1", "f", {"a": 1}),
        ("c2", "g", {}),
    ]
    assert (joined(lines, "thinking"), joined(lines), lines[-1]["done_reason"]) == ("Hm.", "", "stop")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_model_that_declines_just_says_so(upstream: Upstream, client: httpx.AsyncClient, stream: bool) -> None:
    upstream.script(Answer((Refusal("I can"), Refusal("not."))))
    assert joined(await chat(client, stream=stream)) == "I cannot."


@pytest.mark.parametrize(
    "wire",
    [
        Wire(newline=b"\r\n"),
        Wire(packets=1),
        Wire(packets="burst"),
        Wire(gzip=True),
        Wire(transfer="close"),
        Wire(space=False, comments=True),
    ],
)
async def test_the_same_lines_in_other_bytes(upstream: Upstream, client: httpx.AsyncClient, wire: Wire) -> None:
    upstream.script(Answer(ABC, wire=wire))
    lines = await chat(client)
    assert (joined(lines), len(lines), lines[-1]["done"]) == ("abc", 4, True)


async def test_a_mark_before_the_first_line(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script(Answer(ABC, wire=Wire(bom=True)))
    assert (await raw(client)).startswith(b'\xef\xbb\xbf{"model"')


async def test_markers_can_be_left_out(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script([Answer(finish=None), Answer(done=False), Answer(usage=None)])
    unfinished, unended, uncounted = [await raw(client) for _ in range(3)]
    assert unfinished.endswith(b'"content":"!"},"done":false}\n')
    assert json.loads(unended.splitlines()[-1])["done"]
    assert not unended.endswith(b"\n")
    assert b"eval_count" not in uncounted


async def test_pieces_that_are_no_text(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script(Answer((rb"\ud83d", Frame(b"oops\n"), Filler(5))))
    lines = (await raw(client)).splitlines()
    assert b'"content":"\\ud83d"' in lines[0]
    assert (lines[1], json.loads(lines[2])["message"]["content"]) == (b"oops", "aaaaa")


async def test_faults_come_after_so_many_lines(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script(
        [Answer(ABC, fault=Cut(2)), Answer(ABC, fault=InBandError(2, "overloaded")), Answer(ABC, fault=Reset(0))]
    )
    assert joined(await chat(client)) == "ab"
    assert (await chat(client))[-1] == {"error": BUSY}
    with pytest.raises(httpx.TransportError):
        await chat(client)
    assert [(call.sent_chunks, call.ended) for call in upstream.calls] == [(2, "fault"), (2, "fault"), (0, "fault")]


@pytest.mark.parametrize("stream", [True, False])
async def test_it_has_no_word_for_a_filter(upstream: Upstream, client: httpx.AsyncClient, stream: bool) -> None:
    upstream.script(Answer(ABC, finish="content_filter"))
    assert (await chat(client, stream=stream))[-1].keys() == {"error"}


@pytest.mark.parametrize(
    ("refuse", "status", "error"),
    [
        (Refuse(503), 503, BUSY),
        (Refuse(404), 404, "model 'loopback' not found"),
        (Refuse(400, "context_length"), 400, "the input length exceeds the context length"),
        (Refuse(418, message="short and stout"), 418, "short and stout"),
        (Refuse(200, "server_error"), 200, "llama runner process has terminated: exit status 2"),
    ],
)
async def test_an_error_is_a_sentence(
    upstream: Upstream, client: httpx.AsyncClient, refuse: Refuse, status: int, error: str
) -> None:
    upstream.script(refuse)
    response = await client.post("/api/chat", json=asking())
    assert (response.status_code, response.json()) == (status, {"error": error})


async def test_what_it_tells_of_itself_and_its_models(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.models = ("llama3.2", "me/vision:Q4-ctx-4096", "embed", "gpt-oss", "old")
    tags = (await client.get("/api/tags")).json()["models"]
    shown = {t["name"]: (await client.post("/api/show", json={"model": t["name"]})).json() for t in tags}

    assert "version" in (await client.get("/api/version")).json()
    assert [t["name"] for t in tags] == [
        "llama3.2:latest",
        "me/vision:Q4-ctx-4096",
        *(f"{n}:latest" for n in ("embed", "gpt-oss", "old")),
    ]
    assert len({t["digest"] for t in tags}) == 5
    assert [shown[t["name"]].get("capabilities") for t in tags] == [
        ["completion", "tools"],
        ["completion", "tools", "vision"],
        ["embedding"],
        ["completion", "tools", "thinking"],
        None,
    ]
    assert shown["me/vision:Q4-ctx-4096"]["model_info"]["llama.context_length"] == 4096
    assert (await client.post("/api/show", json={"model": "llama3.2"})).status_code == 200
    assert (await client.post("/api/show", json={"model": "nope"})).json() == {"error": "model 'nope' not found"}
    assert upstream.calls == []


async def test_whatever_its_list_is_scripted_to_be_the_rest_is_too(
    upstream: Upstream, client: httpx.AsyncClient
) -> None:
    upstream.models = Page()
    for response in [
        await client.get("/api/tags"),
        await client.get("/api/version"),
        await client.post("/api/show", json={"model": "m"}),
    ]:
        assert response.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/api/chat", "/api/pull", "/api/delete", "/api"])
async def test_other_routes_are_not_there(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize(
    "name", [*(n for n in named.PLAIN if n not in ("stall", "endless-headers")), "count-5", "burst-9"]
)
async def test_every_name_means_the_same_here(client: httpx.AsyncClient, name: str) -> None:
    """As far as it can be said: an answer that OpenAI's client would have is answered, an error is one."""
    statuses, bodies = [], []
    for path in ("/api/chat", "/v1/chat/completions"):
        try:
            response = await client.post(path, json=asking(model=name, stream=True))
        except httpx.TransportError as error:
            statuses.append(type(error).__name__)
        else:
            statuses.append(str(response.status_code))
            bodies.append(response.content)
    assert statuses[0] == statuses[1]
    if name in ("echo", "bytes", "crlf", "nospace", "comments", "gzip", "close", "length"):
        assert joined([json.loads(line) for line in bodies[0].splitlines()]) == "You said: Hi"
