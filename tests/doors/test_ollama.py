"""Ollama's own client at `/ollama/api`, with a model of each vendor's behind it."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import ollama
import pytest

from tests.doors.conftest import Service
from tests.upstream import Upstream
from tests.upstream.scenarios import Answer, Cut, Reasoning, Refuse, Stall, ToolArguments, ToolCall

VENDORS = ("ollama/llama", "openai/gpt", "deepseek/chat", "anthropic/claude-sonnet-4-6")
HELLO: Any = [{"role": "user", "content": "Hello"}]
SEPARATED = "a\u2028b\u2029c\u0085d"
"""Where Unicode ends a line, as the client then does too."""
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SCHEMA: Any = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def weather(city: str) -> str:
    """How it is there.

    Args:
      city: Which.
    """
    return f"rain in {city}"


def reaching(service: Service, token: str | None = None) -> ollama.AsyncClient:
    """The client, with nothing changed but the address and the key."""
    headers = {"Authorization": f"Bearer {token or service.alice.token}"}
    return ollama.AsyncClient(f"{service.backend.url}/ollama", headers=headers)


async def collect(parts: AsyncIterator[ollama.ChatResponse], into: list[ollama.ChatResponse]) -> None:
    """What came before the stream failed is there then."""
    async for part in parts:
        into += (part,)


@pytest.fixture(scope="module")
async def every_vendor() -> AsyncIterator[Upstream]:
    """With a list of models that can do this and that."""
    async with Upstream(models=("gpt", "other:7b", "reasoning", "gpt-oss", "vision")) as vendor:
        yield vendor


@pytest.fixture(scope="module")
async def of_the_file(patient: Service) -> AsyncIterator[ollama.AsyncClient]:
    async with reaching(patient) as client:
        yield client


@pytest.fixture
def client(of_the_file: ollama.AsyncClient, vendor: Upstream) -> ollama.AsyncClient:
    return of_the_file


@pytest.mark.parametrize("model", VENDORS)
async def test_a_conversation_goes_on(client: ollama.AsyncClient, vendor: Upstream, model: str) -> None:
    vendor.script(Answer(("Hel", "lo, 世界", f" 🙂{SEPARATED}"), usage=(9, 3)))
    whole = await client.chat(model, HELLO)
    parts = [part async for part in await client.chat(model, HELLO, stream=True)]

    said = "".join(part.message.content or "" for part in parts)
    assert whole.message.content == said == f"Hello, 世界 🙂{SEPARATED}"
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert {part.message.role for part in (whole, *parts)} == {"assistant"}
    for last in (whole, parts[-1]):
        assert (last.model, last.done, last.done_reason) == (model, True, "stop")
        assert (last.prompt_eval_count, last.eval_count) == (9, 3)
        times = (last.load_duration, last.prompt_eval_duration, last.eval_duration)
        assert last.total_duration is not None
        assert last.total_duration >= sum(time or 0 for time in times) > 0


@pytest.mark.parametrize("model", VENDORS)
async def test_a_prompt_is_answered(client: ollama.AsyncClient, vendor: Upstream, model: str) -> None:
    vendor.script(Answer(("Hel", "lo, 世界"), usage=(9, 3)))
    whole = await client.generate(model, "Hello", system="Be brief.")
    parts = [part async for part in await client.generate(model, "Hello", system="Be brief.", stream=True)]

    assert whole.response == "".join(part.response or "" for part in parts) == "Hello, 世界"
    for last in (whole, parts[-1]):
        assert (last.model, last.done, last.done_reason, last.eval_count) == (model, True, "stop", 3)
    sent = json.dumps([vendor.calls[-1].body.get("system", ""), vendor.calls[-1].body["messages"]])
    assert "Be brief." in sent


async def test_a_stream_is_lines_of_json_and_not_asked_for_but_usual(patient: Service, vendor: Upstream) -> None:
    answer = await patient.alice.http.post("/ollama/api/chat", json={"model": "openai/gpt", "messages": HELLO})
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.split("\n")[:-1]]
    assert answer.text.endswith("\n")
    assert all(line.keys() == {"model", "created_at", "message", "done"} for line in lines[:-1])
    waited = await patient.alice.http.post(
        "/ollama/api/chat", json={"model": "openai/gpt", "messages": HELLO, "stream": False}
    )
    assert waited.headers["content-type"] == "application/json"


@pytest.mark.parametrize("model", VENDORS)
async def test_tools_are_called_and_their_results_go_back(
    client: ollama.AsyncClient, vendor: Upstream, model: str
) -> None:
    calls = (
        "Let me see.",
        ToolCall("weather", '{"ci', id="call_a", index=0),
        ToolArguments(f'ty": "Köln{SEPARATED}"}}', index=0),
        ToolCall("weather", '{"city": "北京"}', id="call_b", index=1),
    )
    vendor.script(Answer(calls, finish="stop" if model.startswith("ollama") else "tool_calls"))
    whole = (await client.chat(model, HELLO, tools=[weather])).message
    parts = [part async for part in await client.chat(model, HELLO, tools=[weather], stream=True)]
    streamed = [call for part in parts for call in part.message.tool_calls or ()]

    assert [call.function.arguments for call in streamed] == [{"city": f"Köln{SEPARATED}"}, {"city": "北京"}]
    assert list(whole.tool_calls or ()) == streamed
    assert (parts[-1].message.tool_calls, parts[-1].done_reason) == (None, "stop")

    vendor.script(Answer(("Rain.",)))
    results = [
        {"role": "tool", "tool_name": call.function.name, "content": weather(**call.function.arguments)}
        for call in streamed
    ]
    told = await client.chat(model, [*HELLO, whole, *results], tools=[weather])
    assert told.message.content == "Rain."
    sent = json.dumps(vendor.calls[-1].body["messages"], ensure_ascii=False)
    assert sent.count("Köln") == 2
    assert sent.count("rain in 北京") == 1


async def test_a_call_of_a_tool_that_is_no_object_is_an_error_unless_it_was_cut_off(
    client: ollama.AsyncClient, vendor: Upstream
) -> None:
    for arguments in ("[1]", '{"city"', "[" * 5000):
        vendor.script(Answer((ToolCall("weather", arguments),), finish="tool_calls"))
        with pytest.raises(ollama.ResponseError, match="no JSON object") as whole:
            await client.chat("openai/gpt", HELLO, tools=[weather])
        assert whole.value.status_code == 502
        with pytest.raises(ollama.ResponseError, match="no JSON object"):
            [part async for part in await client.chat("openai/gpt", HELLO, tools=[weather], stream=True)]
    begun = (ToolCall("weather", "{}", id="a", index=0), ToolCall("weather", '{"city"', id="b", index=1))
    vendor.script(Answer(begun, finish="length"))
    cut = await client.chat("openai/gpt", HELLO, tools=[weather])
    assert (cut.done_reason, len(cut.message.tool_calls or ())) == ("length", 1)


@pytest.mark.parametrize("model", ["ollama/reasoning", "deepseek/chat", "anthropic/claude-sonnet-4-6"])
async def test_thoughts_are_told_apart(client: ollama.AsyncClient, vendor: Upstream, model: str) -> None:
    vendor.script(Answer((Reasoning("Hm"), Reasoning("m."), "Yes.")))
    whole = await client.chat(model, HELLO, think=True)
    parts = [part async for part in await client.chat(model, HELLO, think="high", stream=True)]
    assert (whole.message.thinking, whole.message.content) == ("Hmm.", "Yes.")
    assert "".join(part.message.thinking or "" for part in parts) == "Hmm."
    assert "".join(part.message.content or "" for part in parts) == "Yes."

    prompted = await client.generate(model, "Hello", think=False)
    parted = [part async for part in await client.generate(model, "Hello", stream=True)]
    assert (prompted.thinking, prompted.response) == ("Hmm.", "Yes.")
    assert "".join(part.thinking or "" for part in parted) == "Hmm."

    vendor.script(Answer())
    await client.chat(model, [*HELLO, whole.message, *HELLO])  # which go back as they came, or not at all
    assert vendor.calls[-1].body["messages"][-1]["role"] == "user"


async def test_how_much_to_think_reaches_the_vendor(client: ollama.AsyncClient, vendor: Upstream) -> None:
    for model, think, sent in (
        ("ollama/reasoning", True, True),
        ("ollama/reasoning", False, False),
        ("ollama/reasoning", None, None),
        ("ollama/gpt-oss", "high", "high"),
    ):
        await client.chat(model, HELLO, think=think)
        assert vendor.calls[-1].body.get("think") == sent


@pytest.mark.parametrize("model", ["ollama/llama", "openai/gpt-4o", "anthropic/claude-sonnet-4-6"])
async def test_an_answer_of_a_form_is_asked_for(client: ollama.AsyncClient, vendor: Upstream, model: str) -> None:
    vendor.script(Answer(('{"city":', '"Köln"}')))
    told = await client.chat(model, HELLO, format=SCHEMA)
    assert json.loads(told.message.content or "") == {"city": "Köln"}
    assert '"required": ["city"]' in json.dumps(vendor.calls[-1].body)
    await client.generate(model, "Hello", format=SCHEMA)
    assert '"required": ["city"]' in json.dumps(vendor.calls[-1].body)


async def test_any_json_is_asked_for_where_a_vendor_knows_such_a_thing(
    client: ollama.AsyncClient, vendor: Upstream
) -> None:
    await client.chat("ollama/llama", HELLO, format="json")
    assert vendor.calls[-1].body["format"] == "json"
    await client.chat("deepseek/chat", HELLO, format="json")
    assert vendor.calls[-1].body["response_format"] == {"type": "json_object"}
    await client.chat("deepseek/chat", HELLO, format="")
    assert "response_format" not in vendor.calls[-1].body
    with pytest.raises(ollama.ResponseError, match="format"):
        await client.chat("anthropic/claude-sonnet-4-6", HELLO, format="json")


async def test_pictures_reach_the_vendor(client: ollama.AsyncClient, vendor: Upstream) -> None:
    shown: Any = [{"role": "user", "content": "What is it?", "images": [PNG]}]
    encoded = base64.b64encode(PNG).decode()
    for model in ("ollama/vision", "openai/gpt-4o", "anthropic/claude-sonnet-4-6"):
        await client.chat(model, shown)
        assert encoded in json.dumps(vendor.calls[-1].body["messages"])
        await client.generate(model, "What is it?", images=[PNG])
        assert encoded in json.dumps(vendor.calls[-1].body["messages"])
    for given, images in (("messages[0].images[0]", ["###"]), ("messages[0].images[0]", ["bm9uZQ=="])):
        with pytest.raises(ollama.ResponseError) as refusal:
            await client.chat("ollama/vision", [{"role": "user", "content": "?", "images": images}])
        assert (refusal.value.status_code, given in refusal.value.error) == (400, True)


async def test_options_reach_the_vendor_or_are_refused_by_name(client: ollama.AsyncClient, vendor: Upstream) -> None:
    options: Any = {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "seed": 7,
        "stop": ["END"],
        "num_predict": 77,
        "num_ctx": 2048,
        "mirostat": 1,
    }
    await client.chat("ollama/llama", HELLO, options=options, keep_alive="5m")
    sent = vendor.calls[-1].body
    assert {name: sent["options"][name] for name in options} == options
    assert sent["keep_alive"] == "5m"

    del options["mirostat"]
    del options["top_k"]
    await client.chat("openai/gpt-4o", HELLO, options=options, keep_alive=0)
    sent = vendor.calls[-1].body
    assert (sent["temperature"], sent["top_p"], sent["seed"], sent["stop"]) == (0.5, 0.9, 7, ["END"])
    assert 77 in (sent.get("max_tokens"), sent.get("max_completion_tokens"))
    assert "keep_alive" not in sent

    before = len(vendor.calls)
    for options, field in (
        ({"seed": 7}, "options.seed"),
        ({"mirostat": 1}, "options"),
        ({"top_p": 7}, "options.top_p"),
    ):
        with pytest.raises(ollama.ResponseError) as refusal:
            await client.chat("anthropic/claude-sonnet-4-6", HELLO, options=options)
        assert (refusal.value.status_code, field in refusal.value.error) == (400, True), refusal.value.error
    assert len(vendor.calls) == before


async def test_of_nothing_asked_a_model_is_only_looked_for(client: ollama.AsyncClient, vendor: Upstream) -> None:
    for model in ("ollama/llama", "openai/gpt"):
        loaded = await client.chat(model)
        assert (loaded.model, loaded.done, loaded.done_reason, loaded.message.content) == (model, True, "load", "")
        let_go = await client.generate(model, keep_alive=0)
        assert (let_go.done_reason, let_go.response) == ("unload", "")
        parts = [part async for part in await client.generate(model, "", stream=True)]
        assert [part.done_reason for part in parts] == ["load"]
    with pytest.raises(ollama.ResponseError) as unknown:
        await client.generate("nobody-has-this")
    assert unknown.value.status_code == 404
    assert not vendor.calls


async def test_models_go_by_what_ollamas_clients_call_them(client: ollama.AsyncClient, vendor: Upstream) -> None:
    for name, meant in (
        ("gpt", "gpt"),
        ("gpt:latest", "gpt"),
        ("other:7b", "other:7b"),
        ("ollama/gpt:latest", "gpt"),
        ("openai/gpt:latest", "gpt"),
        ("claude-sonnet-4-6:latest", "claude-sonnet-4-6"),
    ):
        assert (await client.chat(name, HELLO)).model == name
        call = vendor.calls[-1]
        assert call.body["model"].removesuffix(":latest") == meant
        own = not name.startswith(("openai", "claude"))
        assert call.path.endswith("/api/chat") == own, name


async def test_the_clients_own_errors_are_raised(
    client: ollama.AsyncClient, patient: Service, vendor: Upstream
) -> None:
    async def refused(model: str = "openai/gpt", messages: Any = HELLO, **asked: Any) -> tuple[int, str]:
        with pytest.raises(ollama.ResponseError) as whole:
            await client.chat(model, messages, **asked)
        with pytest.raises(ollama.ResponseError) as streamed:
            [part async for part in await client.chat(model, messages, stream=True, **asked)]
        assert (whole.value.status_code, whole.value.error) == (streamed.value.status_code, streamed.value.error)
        return whole.value.status_code, whole.value.error

    assert await refused("nothing") == (404, "model 'nothing' not found")
    status, told = await refused(messages=[{"role": "robot", "content": "x"}])
    assert (status, "messages[0].role" in told) == (400, True)
    status, told = await refused(messages=[{"role": "tool", "content": "x"}])
    assert (status, "messages[0]" in told) == (400, True)
    status, told = await refused(messages=[{"role": "system", "content": "x"}])
    assert (status, "messages" in told) == (400, True)
    status, told = await refused(think="somewhat")
    assert (status, "think" in told) == (400, True)
    status, told = await refused(logprobs=True)
    assert (status, "logprobs" in told) == (400, True)
    assert not vendor.calls
    vendor.script(Refuse(400, "context_length"))
    assert (await refused())[0] == 400
    vendor.script(Refuse(401))
    assert (await refused())[0] == 502
    async with reaching(patient, "sk-wrong") as stranger:
        with pytest.raises(ollama.ResponseError) as unknown:
            await stranger.chat("openai/gpt", HELLO)
    assert (unknown.value.status_code, unknown.value.error) == (401, "Valid credentials are required.")


@pytest.mark.parametrize("name", ["suffix", "template", "raw"])
async def test_what_no_other_vendor_has_of_a_prompt_is_refused(
    client: ollama.AsyncClient, vendor: Upstream, name: str
) -> None:
    asked: Any = {name: True if name == "raw" else "x"}
    with pytest.raises(ollama.ResponseError, match=name) as refusal:
        await client.generate("ollama/llama", "Hello", **asked)
    assert (refusal.value.status_code, vendor.calls) == (400, [])


async def test_a_cut_answer_is_an_error_and_never_looks_whole(client: ollama.AsyncClient, vendor: Upstream) -> None:
    vendor.script(Answer(("Hel", "lo"), fault=Cut(1)))
    for model in ("openai/gpt", "ollama/llama"):
        parts: list[ollama.ChatResponse] = []
        with pytest.raises(ollama.ResponseError):
            await collect(await client.chat(model, HELLO, stream=True), parts)
        assert "".join(part.message.content or "" for part in parts) == "Hel"
        assert not any(part.done for part in parts)
        with pytest.raises(ollama.ResponseError) as whole:
            await client.generate(model, "Hello")
        assert whole.value.status_code == 502


async def test_an_answer_without_room_says_so(client: ollama.AsyncClient, vendor: Upstream) -> None:
    vendor.script(Answer(("Hel",), finish="length"))
    parts = [part async for part in await client.chat("openai/gpt", HELLO, stream=True)]
    assert parts[-1].done_reason == (await client.generate("openai/gpt", "Hello")).done_reason == "length"


async def test_too_many_at_once_are_refused_for_a_moment(
    client: ollama.AsyncClient, patient: Service, vendor: Upstream
) -> None:
    vendor.script(Answer(hold=True))
    most = patient.backend.house.settings.max_concurrent_generations_per_user or 0
    running = [asyncio.create_task(client.chat("openai/gpt", HELLO)) for _ in range(most)]
    await vendor.requested(most)
    with pytest.raises(ollama.ResponseError) as busy:
        await client.chat("openai/gpt", HELLO)
    for each in running:
        each.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert busy.value.status_code == 429
    assert "{" not in busy.value.error
    await vendor.wait_for(lambda: all(call.ended for call in vendor.calls))


async def test_a_silent_stream_has_lines_that_say_nothing(hasty: Service, vendor: Upstream) -> None:
    vendor.script(Answer(("Hel", "lo"), first_delay=0.25, fault=Stall(1)))
    parts: list[ollama.ChatResponse] = []
    async with reaching(hasty) as client:
        with pytest.raises(ollama.ResponseError):
            await collect(await client.chat("openai/gpt", HELLO, stream=True), parts)
    said = [part.message.content for part in parts]
    assert said[0] == said[-1] == ""
    assert "".join(filter(None, said)) == "Hel"


@pytest.mark.parametrize("stream", [True, False])
async def test_who_leaves_ends_the_answer_and_pays_for_what_was_said(
    client: ollama.AsyncClient, patient: Service, vendor: Upstream, stream: bool
) -> None:
    async def requests() -> int:
        answer = await patient.alice.http.get("/users/me/usage")
        return sum(item["requests"] for item in answer.json()["items"])

    async def read() -> None:
        if not stream:
            await client.generate("ollama/leaving", "Hello")
            return
        parts: Any = await client.chat("ollama/leaving", HELLO, stream=True)
        async with aclosing(parts):
            async for _ in parts:
                pass

    vendor.script(Answer(("Hel", "lo"), hold=True))
    before = await requests()
    reading = asyncio.create_task(read())
    await vendor.release()
    reading.cancel()
    ended = await vendor.ended(within=10)
    assert (ended.ended, ended.sent_chunks) == ("aborted", 1)
    async with asyncio.timeout(15):
        while await requests() == before:
            await asyncio.sleep(0.02)


async def test_nothing_is_stored_but_what_was_used(
    client: ollama.AsyncClient, patient: Service, vendor: Upstream
) -> None:
    before = (await patient.alice.http.get("/conversations")).json()["items"]
    await client.chat("ollama/booked", HELLO)
    assert (await patient.alice.http.get("/conversations")).json()["items"] == before
    used = {item["model"]: item for item in (await patient.alice.http.get("/users/me/usage")).json()["items"]}
    assert used["ollama/booked"]["requests"] == 1
    assert used["ollama/booked"]["output_tokens"] > 0
