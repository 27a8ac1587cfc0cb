"""`openai` for JavaScript, and the AI SDK with `@ai-sdk/openai-compatible`, at `/v1`."""

import json

import pytest

from tests.chat.conftest import Service
from tests.clients.node import Told, cases
from tests.upstream import Answer, ToolCall, Upstream

CALL = Answer((ToolCall("weather", '{"city": "北京"}'),), finish="tool_calls")


@pytest.fixture(scope="module")
async def told(service: Service, vendor: Upstream) -> Told:
    for model in ("weather-js", "weather-sdk"):
        vendor.script([CALL, Answer(("Rain.",))], model=model)
    vendor.script(Answer((json.dumps({"city": "北京"}),)), model="json-sdk")
    return await cases("openai.mjs", url=service.backend.url, token=service.alice.token)


def test_models_are_listed(told: Told) -> None:
    models = told("models")
    assert ["openai/echo", "model", "number"] in models["found"]
    assert models["one"] == "openai/echo"
    assert (models["unknown"]["status"], models["unknown"]["code"]) == (404, "model_not_found")


def test_an_answer_is_waited_for(told: Told) -> None:
    created = told("create")
    assert (created["message"], created["finish"], created["model"]) == ("You said: Hello 😀", "stop", "openai/echo")
    assert created["usage"]["total_tokens"] == sum(
        created["usage"][f"{kind}_tokens"] for kind in ("prompt", "completion")
    )


def test_an_answer_is_streamed(told: Told) -> None:
    assert told("stream") == {"text": "You said: Hello 😀", "ids": 1, "usage": True, "finish": ["stop"]}


def test_tools_are_run(told: Told) -> None:
    assert told("tools") == {"said": "Rain.", "asked": ["北京"]}


def test_a_refusal_has_the_class_that_its_client_knows(told: Told) -> None:
    refusals = told("refusals")
    model, key, field, upstream = (refusals[name] for name in ("model", "key", "field", "upstream"))
    assert (model["status"], model["code"], model["param"]) == (404, "model_not_found", "model")
    assert (key["status"], key["code"]) == (401, "invalid_api_key")
    assert (field["status"], field["param"], field["type"]) == (400, "messages", "invalid_request_error")
    assert (upstream["status"], upstream["type"]) == (502, "server_error")


def test_an_answer_that_fails_on_its_way_throws_after_what_came(told: Told) -> None:
    failure = told("failure")
    assert failure["text"] == "1 2 3 "
    assert failure["error"]["message"]


async def test_leaving_ends_the_answer_at_its_vendor(told: Told, vendor: Upstream) -> None:
    told("abort")
    assert told("sdk abort") == "abort"
    left = [call for call in vendor.calls if call.model.startswith("stall-after-")]
    await vendor.wait_for(lambda: all(call.ended is not None for call in left))
    assert [call.ended for call in left] == ["aborted", "aborted"]


def test_texts_become_vectors(told: Told) -> None:
    embeddings = told("embeddings")
    assert [index for index, _, _ in embeddings] == [0, 1]
    assert all(length > 0 and finite for _, length, finite in embeddings)
    assert told("sdk embeddings") == [length for _, length, _ in embeddings]


def test_responses_go_on_from_each_other(told: Told) -> None:
    assert told("responses") == {"whole": "You said: Hello 😀", "next": "You said: More", "text": "You said: Hello"}


def test_the_sdk_generates_and_streams(told: Told) -> None:
    text = told("sdk text")
    assert (text["text"], text["finishReason"], text["model"]) == ("You said: Hello 😀", "stop", "openai/echo")
    assert text["total"] > 0
    assert told("sdk stream") == {"text": True, "thought": True, "used": True, "finishReason": "stop"}


def test_the_sdk_runs_tools_and_makes_objects(told: Told) -> None:
    assert told("sdk tools") == {"text": "Rain.", "results": ["rain in 北京"], "steps": 2}
    assert told("sdk object") == {"city": "北京"}


def test_the_sdk_throws_what_can_be_acted_upon(told: Told) -> None:
    refusals = told("sdk refusals")
    model, key, upstream = (refusals[name] for name in ("model", "key", "upstream"))
    assert (model["name"], model["status"], model["isRetryable"]) == ("AI_APICallError", 404, False)
    assert "nobody/nothing" in model["message"]
    assert (key["status"], key["isRetryable"]) == (401, False)
    assert (upstream["status"], upstream["isRetryable"]) == (503, True)
    failure = told("sdk failure")
    assert failure["text"] == "1 2 3 "
    assert len(failure["errors"]) == 1
