"""What the doors answer, held strictly against the types that the vendors' own SDKs have for it.

The SDKs make their objects without a look at them: what is missing, or of another type, is found by whoever reads it.
"""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import anthropic.types
import httpx
import ollama
import openai.types
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from tests.doors.conftest import Service
from tests.upstream import Upstream

# Each vendor's answers: with thoughts, with calls of tools, cut by their bound, declined, without a bill.
MODELS = [
    f"{vendor}/{scenario}"
    for vendor in ("openai", "anthropic", "ollama")
    for scenario in ("echo", "reasoning", "tools", "length", "filter", "refuse", "no-usage")
    if (vendor, scenario) != ("ollama", "filter")  # it has no such ending
]
SAID = "Grüße, 世界 🙂"
SAYING: Any = [{"role": "user", "content": SAID}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
FUNCTION: Any = {"name": "get_weather", "description": "Of a city", "parameters": PARAMETERS}
# What is told beside: thoughts, as DeepSeek tells them; whether it is kept; which function, as OpenAI told it once.
MORE = {"reasoning_content", "store", "name"}
# One model is one for OpenAI's and for Anthropic's clients at once.
OF_BOTH = {*openai.types.Model.model_fields, *anthropic.types.ModelInfo.model_fields}


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def valid(kind: Any, data: str, *, more: set[str] = MORE) -> Any:
    """The object that it is, with every field that it needs and none that nobody knows."""
    told = adapter(kind).validate_json(data, strict=True)
    assert set(unknown(told)) <= more, data
    return told


def unknown(told: object) -> Iterator[str]:
    """The names of fields that the types do not have, at any depth."""
    if isinstance(told, BaseModel):
        yield from told.model_extra or ()
        for name in type(told).model_fields:
            yield from unknown(getattr(told, name))
    elif isinstance(told, list):
        for each in told:
            yield from unknown(each)


def events(answer: httpx.Response) -> list[tuple[str | None, str]]:
    """The name and the data of each."""
    assert answer.headers["content-type"] == "text/event-stream"
    found = []
    for block in answer.text.removesuffix("\n\n").split("\n\n"):
        name, _, data = block.rpartition("data: ")
        assert "\n" not in data
        found.append((name.removeprefix("event: ").removesuffix("\n") or None, data))
    return found


async def posted(service: Service, path: str, **body: Any) -> httpx.Response:
    answer: httpx.Response = await service.alice.http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.parametrize("model", MODELS)
async def test_a_chat_completion_and_its_chunks(patient: Service, vendor: Upstream, model: str) -> None:
    asked: Any = {"model": model, "messages": SAYING, "tools": [{"type": "function", "function": FUNCTION}]}
    whole = valid(ChatCompletion, (await posted(patient, "/v1/chat/completions", **asked)).text)
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens

    asked |= {"stream": True, "stream_options": {"include_usage": True}}
    *told, last = events(await posted(patient, "/v1/chat/completions", **asked))
    chunks = [valid(ChatCompletionChunk, data) for _, data in told]
    assert last == (None, "[DONE]")
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert [bool(chunk.choices) for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason


@pytest.mark.parametrize("model", MODELS)
async def test_a_response_and_its_events(patient: Service, vendor: Upstream, model: str) -> None:
    sealed: Any = {"store": False, "include": ["reasoning.encrypted_content"]}
    asked: Any = {"model": model, "input": SAID, "tools": [{"type": "function", **FUNCTION}], **sealed}
    whole = valid(Response, (await posted(patient, "/v1/responses", **asked)).text)

    named = events(await posted(patient, "/v1/responses", **asked, stream=True))
    told = [valid(ResponseStreamEvent, data) for _, data in named]
    assert [event.type for event in told] == [name for name, _ in named]
    assert [event.sequence_number for event in told] == list(range(len(told)))
    ended = told[-1].response
    assert (ended.status, ended.incomplete_details) == (whole.status, whole.incomplete_details)
    assert [item.type for item in ended.output] == [item.type for item in whole.output]


@pytest.mark.parametrize("store", [True, False])
async def test_a_response_repeats_what_it_was_asked(patient: Service, vendor: Upstream, store: bool) -> None:
    schema = {"type": "json_schema", "name": "city", "schema": PARAMETERS, "strict": True}
    asked: Any = {
        "model": "openai/echo",
        "input": SAID,
        "instructions": "Be brief.",
        "store": store,
        "metadata": {"from": "a test"},
        "max_output_tokens": 100,
        "temperature": 1,
        "top_p": 1,
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"format": schema, "verbosity": "low"},
        **({} if store else {"tools": [{"type": "function", **FUNCTION}], "tool_choice": "required"}),
    }
    told = valid(Response, (await posted(patient, "/v1/responses", **asked)).text)
    told_back = told.model_dump(exclude_none=True, by_alias=True)
    assert {name: told_back[name] for name in asked if name not in ("input", "tools")} == {
        name: value for name, value in asked.items() if name not in ("input", "tools")
    }
    assert [tool.name for tool in told.tools] == ([] if store else ["get_weather"])


@pytest.mark.parametrize("model", MODELS)
async def test_a_message_and_its_events(patient: Service, vendor: Upstream, model: str) -> None:
    tools = [{"name": "get_weather", "input_schema": PARAMETERS}]
    asked: Any = {"model": model, "max_tokens": 100, "messages": SAYING, "tools": tools}
    whole = valid(anthropic.types.Message, (await posted(patient, "/v1/messages?beta=true", **asked)).text)

    named = events(await posted(patient, "/v1/messages?beta=true", **asked, stream=True))
    told = [valid(anthropic.types.RawMessageStreamEvent, data) for _, data in named]
    assert [event.type for event in told] == [name for name, _ in named]
    assert [told[0].type, told[-2].type, told[-1].type] == ["message_start", "message_delta", "message_stop"]
    begun = [event.content_block.type for event in told if event.type == "content_block_start"]
    assert begun == [block.type for block in whole.content]
    assert told[-2].delta.stop_reason == whole.stop_reason


@pytest.mark.parametrize("model", MODELS)
async def test_the_lines_of_ollamas_chat(patient: Service, vendor: Upstream, model: str) -> None:
    asked: Any = {"model": model, "messages": SAYING, "tools": [{"type": "function", "function": FUNCTION}]}
    whole = valid(ollama.ChatResponse, (await posted(patient, "/ollama/api/chat", **asked, stream=False)).text)
    lines = (await posted(patient, "/ollama/api/chat", **asked)).text.splitlines()
    told = [valid(ollama.ChatResponse, line) for line in lines]
    assert [line.done for line in told] == [False] * (len(told) - 1) + [True]
    assert "".join(line.message.content or "" for line in told) == whole.message.content
    assert (told[-1].done_reason, told[-1].eval_count) == (whole.done_reason, whole.eval_count)


@pytest.mark.parametrize("model", ["openai/reasoning", "anthropic/length", "ollama/echo"])
async def test_the_lines_of_ollamas_generate(patient: Service, vendor: Upstream, model: str) -> None:
    asked: Any = {"model": model, "prompt": SAID}
    whole = valid(ollama.GenerateResponse, (await posted(patient, "/ollama/api/generate", **asked, stream=False)).text)
    lines = (await posted(patient, "/ollama/api/generate", **asked)).text.splitlines()
    told = [valid(ollama.GenerateResponse, line) for line in lines]
    assert ("".join(line.response for line in told), told[-1].done) == (whole.response, True)
    assert valid(ollama.GenerateResponse, (await posted(patient, "/ollama/api/generate", model=model)).text).done


@pytest.mark.parametrize("model", ["openai/text-embedding-3-small", "ollama/bge-m3"])
async def test_vectors(patient: Service, vendor: Upstream, model: str) -> None:
    of_openai = (await posted(patient, "/v1/embeddings", model=model, input=[SAID, "b"])).text
    of_ollama = (await posted(patient, "/ollama/api/embed", model=model, input=[SAID, "b"])).text
    older = (await posted(patient, "/ollama/api/embeddings", model=model, prompt=SAID)).text
    assert [each.index for each in valid(openai.types.CreateEmbeddingResponse, of_openai).data] == [0, 1]
    assert len(valid(ollama.EmbedResponse, of_ollama).embeddings) == 2
    assert valid(ollama.EmbeddingsResponse, older).embedding


async def test_models(patient: Service, vendor: Upstream) -> None:
    http = patient.alice.http
    listed = (await http.get("/v1/models")).json()["data"]
    one = (await http.get("/v1/models/openai/gpt-5")).json()
    for model in (*listed, one):
        for kind in (openai.types.Model, anthropic.types.ModelInfo):
            assert valid(kind, json.dumps(model), more=OF_BOTH).id == model["id"]

    assert valid(ollama.ListResponse, (await http.get("/ollama/api/tags")).text).models
    assert not valid(ollama.ProcessResponse, (await http.get("/ollama/api/ps")).text).models
    shown = await posted(patient, "/ollama/api/show", model="openai/gpt-5")
    assert "completion" in valid(ollama.ShowResponse, shown.text).capabilities


async def test_a_count_of_tokens(patient: Service, vendor: Upstream) -> None:
    counted = await posted(patient, "/v1/messages/count_tokens", model="openai/gpt-5", messages=SAYING)
    assert valid(anthropic.types.MessageTokensCount, counted.text).input_tokens > 0
