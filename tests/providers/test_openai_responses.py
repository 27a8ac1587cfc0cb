"""What OpenAI's Responses API is asked, which alone lets its newest models call tools."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from app.core.errors import NotSupported
from app.domain.failures import FailureCode
from app.domain.prompts import (
    AnswerFormat,
    CacheMark,
    Effort,
    Image,
    ImageLink,
    ModelMessage,
    ModelRequest,
    Options,
    Part,
    Pdf,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from app.domain.providers import Provider
from app.providers import seals, shipped
from app.providers.openai.adapter import OpenAIProvider
from app.providers.openai.response_requests import response_body
from app.providers.openai.servers import Server
from tests.providers.adapters import asking, outcome, run, text_of
from tests.upstream import Answer, Page, Refuse, Upstream

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("get_weather", "The weather now.", SCHEMA)
LINK = "https://example.com/cat.png"


def request(model: str = "gpt-6.1-terra", **fields: Any) -> ModelRequest:
    return replace(asking(shipped.card("openai", model)), **{"tools": [WEATHER], **fields})


def told(*messages: ModelMessage) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = response_body(request(messages=messages))["input"]
    return items


@pytest.fixture
async def provider(upstream: Upstream) -> AsyncIterator[Provider]:
    made = OpenAIProvider(
        "openai", api_key=SecretStr("k"), base_url=f"{upstream.url}/v1", connect_timeout=5, server=Server.OFFICIAL
    )
    yield made
    await made.aclose()


# Which of the two is asked


@pytest.mark.parametrize(
    ("model", "tools", "path"),
    [
        ("gpt-6.1-terra", [WEATHER], "/v1/responses"),
        ("gpt-6-astra", [WEATHER], "/v1/responses"),
        ("gpt-6.1-sol", [WEATHER], "/v1/responses"),
        ("gpt-7", [WEATHER], "/v1/responses"),
        ("gpt-6.1-terra", [], "/v1/chat/completions"),
        ("gpt-6-luna", [WEATHER], "/v1/chat/completions"),
        ("gpt-5.4", [WEATHER], "/v1/chat/completions"),
        ("gpt-4o", [WEATHER], "/v1/chat/completions"),
    ],
)
async def test_tools_of_the_newest_models_are_asked_there_and_nothing_else(
    upstream: Upstream, provider: Provider, model: str, tools: list[Tool], path: str
) -> None:
    wanted = request(model, tools=tools)
    provider.check(wanted)
    assert text_of(await run(provider, wanted)) == "You said: Hi"
    assert upstream.calls[0].path == path


async def test_another_server_is_asked_for_tools_as_for_all_else(upstream: Upstream) -> None:
    gateway = OpenAIProvider("openai", api_key=SecretStr("k"), base_url=f"{upstream.url}/v1", connect_timeout=5)
    await run(gateway, request())
    await gateway.aclose()
    assert upstream.calls[0].path == "/v1/chat/completions"


# The request


def test_nothing_is_kept_there_and_what_was_thought_comes_sealed() -> None:
    assert response_body(request(system_prompt="Be brief.", temperature=0.5)) == {
        "model": "gpt-6.1-terra",
        "instructions": "Be brief.",
        "input": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "max_output_tokens": 64,
        "reasoning": {"summary": "auto"},
        "tools": [
            {
                "type": "function",
                "name": "get_weather",
                "description": "The weather now.",
                "parameters": SCHEMA,
                "strict": False,
            }
        ],
    }
    assert "max_output_tokens" not in response_body(request(bounded=False))


def test_a_tool_is_strict_only_where_it_is_said() -> None:
    """For what OpenAI is not told of here, it is."""
    tools = [replace(WEATHER, strict=strict) for strict in (None, False, True)]
    assert [tool["strict"] for tool in response_body(request(tools=tools))["tools"]] == [False, False, True]
    [bare] = response_body(request(tools=[Tool("clock", None, {})]))["tools"]
    parameters = {"type": "object", "properties": {}}
    assert bare == {"type": "function", "name": "clock", "parameters": parameters, "strict": False}


@pytest.mark.parametrize(
    ("choice", "spelled"),
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("none"), "none"),
        (ToolChoice("required"), "required"),
        (ToolChoice("named", "get_weather"), {"type": "function", "name": "get_weather"}),
    ],
)
def test_how_to_choose_among_tools_is_told(choice: ToolChoice, spelled: object) -> None:
    body = response_body(request(tool_choice=choice, parallel_calls=False))
    assert (body["tool_choice"], body["parallel_tool_calls"]) == (spelled, False)


def test_options_stand_where_this_api_has_them() -> None:
    wanted = AnswerFormat(SCHEMA, "Weather report!", "Of one city.", strict=True)
    options = Options(top_p=0.5, verbosity="low", format=wanted)
    bare = replace(shipped.card("openai", "gpt-6.1-terra"), takes_temperature=True, reasons=False)
    body = response_body(replace(request(options=options, temperature=0.25), model=bare))
    assert (body["top_p"], body["temperature"], "reasoning" in body) == (0.5, 0.25, False)
    assert body["text"] == {
        "verbosity": "low",
        "format": {
            "type": "json_schema",
            "name": "Weather_report_",
            "description": "Of one city.",
            "schema": SCHEMA,
            "strict": True,
        },
    }
    loose = response_body(request(options=Options(format=AnswerFormat())))
    assert loose["text"] == {"format": {"type": "json_object"}}


@pytest.mark.parametrize(
    ("model", "efforts"),
    [
        ("gpt-6.1-terra", "none low low medium high xhigh max"),
        ("gpt-6-astra", "low low low medium high xhigh max"),
    ],
)
def test_an_effort_is_the_nearest_of_more_than_chat_completions_has(model: str, efforts: str) -> None:
    asked = [response_body(request(model, effort=effort))["reasoning"] for effort in Effort]
    assert [each["effort"] for each in asked] == efforts.split()


@pytest.mark.parametrize(
    ("fields", "reasoning"),
    [
        ({}, {"summary": "auto"}),
        ({"effort": Effort.HIGH}, {"effort": "high", "summary": "auto"}),
        ({"effort": Effort.NONE}, {"effort": "none"}),
        ({"options": Options(thinking=Thinking("enabled", 2048))}, {"effort": "low", "summary": "auto"}),
        ({"options": Options(thinking=Thinking("adaptive", display="omitted"))}, {"effort": "medium"}),
    ],
)
def test_what_is_thought_is_summed_up_where_anything_is(fields: dict[str, Any], reasoning: dict[str, str]) -> None:
    assert response_body(request(**fields))["reasoning"] == reasoning


# The conversation


def said(*parts: Part) -> ModelMessage:
    return ModelMessage("user", parts)


def answered(*parts: Part) -> ModelMessage:
    return ModelMessage("assistant", parts)


def test_what_is_shown_stands_among_what_is_said() -> None:
    parts = (Text("?"), Image(b"\x89PNG", "image/png", "low"), ImageLink(LINK), CacheMark(), Pdf(b"%PDF", "a.pdf"))
    [item] = told(said(*parts))
    assert item == {
        "role": "user",
        "content": [
            {"type": "input_text", "text": "?"},
            {"type": "input_image", "image_url": "data:image/png;base64,iVBORw==", "detail": "low"},
            {"type": "input_image", "image_url": LINK, "detail": "auto"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
        ],
    }


def test_what_the_model_did_keeps_its_order() -> None:
    thought = Reasoning("Hm.", signature=seals.mark("c2Vhb"))
    calls = (ToolCall("c1", "get_weather", '{"city":"Köln"}'), ToolCall("c2", "clock", ""))
    history = (
        said(Text("Hi")),
        answered(thought, Text("Let me "), Text("look."), *calls),
        said(Text("Well?"), ToolResult("c1", "Rain"), ToolResult("c2", "", parts=[Text("Noon"), ImageLink(LINK)])),
        ModelMessage("system", "Be brief."),
    )
    message = {"type": "message", "role": "assistant"}
    assert told(*history) == [
        {"role": "user", "content": "Hi"},
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Hm."}],
            "encrypted_content": "c2Vhb",
        },
        message | {"content": [{"type": "output_text", "text": "Let me look.", "annotations": []}]},
        {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": '{"city":"Köln"}'},
        {"type": "function_call", "call_id": "c2", "name": "clock", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "Rain"},
        {
            "type": "function_call_output",
            "call_id": "c2",
            "output": [
                {"type": "input_text", "text": "Noon"},
                {"type": "input_image", "image_url": LINK, "detail": "auto"},
            ],
        },
        {"role": "user", "content": "Well?"},
        {"role": "developer", "content": "Be brief."},
    ]


@pytest.mark.parametrize(
    "foreign",
    [
        Reasoning("Hm."),
        Reasoning("Hm.", signature="c2Vhb"),
        Reasoning(redacted="c2Vhb"),
        Reasoning("Hm.", signature=""),
    ],
)
def test_thoughts_without_a_seal_of_openais_own_are_left_out(foreign: Reasoning) -> None:
    [_, answer] = told(said(Text("Hi")), answered(foreign, Text("42")))
    assert answer["content"][0]["text"] == "42"


def test_a_thought_that_was_not_shown_goes_back_all_the_same_but_not_alone() -> None:
    hidden = Reasoning(signature=seals.mark("c2Vhb"))
    assert told(answered(hidden, Text("42")))[0] == {"type": "reasoning", "summary": [], "encrypted_content": "c2Vhb"}
    assert told(said(Text("Hi")), answered(hidden)) == [{"role": "user", "content": "Hi"}]


def test_a_call_with_another_vendors_long_id_finds_its_result() -> None:
    long = "toolu_" + "x" * 60
    call, result = told(answered(ToolCall(long, "f", "{}")), said(ToolResult(long, "1")))
    assert call["call_id"] == result["call_id"] != long


# What it cannot do

DOES: dict[str, ModelRequest] = {
    "tool_choice": request(tool_choice=ToolChoice("required")),
    "parallel_calls": request(parallel_calls=False),
    "top_p": request(options=Options(top_p=0.5)),
    "verbosity": request(options=Options(verbosity="low")),
    "json_object": request(options=Options(format=AnswerFormat())),
    "json_schema": request(options=Options(format=AnswerFormat(SCHEMA))),
    "image_link": request(messages=[said(ImageLink(LINK))]),
    "pdf": request(messages=[said(Pdf(b"%PDF"))]),
    "tool_images": request(messages=[said(ToolResult("c", "", parts=[Image(b"\x89PNG", "image/png")]))]),
    "idle": request(options=Options(top_p=1, presence_penalty=0, frequency_penalty=0.0, logit_bias={})),
}
CANNOT: dict[str, ModelRequest] = {
    "stop": request(options=Options(stop=["END"])),
    "seed": request(options=Options(seed=7)),
    "presence_penalty": request(options=Options(presence_penalty=0.5)),
    "frequency_penalty": request(options=Options(frequency_penalty=0.5)),
    "logit_bias": request(options=Options(logit_bias={"1": 1})),
    "top_k": request(options=Options(top_k=40)),
    "min_p": request(options=Options(min_p=0.1)),
    "repeat_penalty": request(options=Options(repeat_penalty=1.1)),
    "more": request(options=Options(more={"mirostat": 1})),
    "top_p": request("gpt-6-astra", options=Options(top_p=0.5)),
    "max_tokens": request(max_tokens=15),
    "image_link": request(messages=[said(ImageLink("http://127.0.0.1/"))]),
}


@pytest.mark.parametrize("feature", DOES)
async def test_what_it_can_do_is_asked(provider: Provider, feature: str) -> None:
    provider.check(DOES[feature])
    assert not {"presence_penalty", "frequency_penalty", "logit_bias"} & response_body(DOES[feature]).keys()


@pytest.mark.parametrize("feature", CANNOT)
async def test_what_it_cannot_do_is_not_asked(provider: Provider, feature: str) -> None:
    with pytest.raises(NotSupported) as refused:
        provider.check(CANNOT[feature])
    assert refused.value.feature == feature


async def test_a_guess_of_ours_is_no_bound(provider: Provider) -> None:
    provider.check(request(max_tokens=1, bounded=False))


# Accounts

NO_SUMMARIES = Page(
    b'{"error":{"message":"Your organization must be verified to generate reasoning summaries.",'
    b'"type":"invalid_request_error","param":"reasoning.summary","code":"unsupported_value"}}',
    status=400,
    content_type="application/json",
)


async def test_an_account_that_may_see_no_thoughts_is_asked_without_them(
    upstream: Upstream, provider: Provider
) -> None:
    upstream.script([NO_SUMMARIES, Answer(("Fine.",))])
    for _ in range(2):
        assert text_of(await run(provider, request(effort=Effort.LOW))) == "Fine."
    told = [call.body["reasoning"] for call in upstream.calls]
    assert told == [{"effort": "low", "summary": "auto"}, {"effort": "low"}, {"effort": "low"}]


async def test_any_other_refusal_is_one(upstream: Upstream, provider: Provider) -> None:
    upstream.script([NO_SUMMARIES, Refuse(429, headers={"retry-after": "7"})])
    _, failure = await outcome(provider, request())
    assert failure is not None
    assert (failure.code, failure.retry_after) == (FailureCode.UPSTREAM_RATE_LIMITED, 7)
    assert len(upstream.calls) == 2
