"""What servers of OpenAI's protocol are asked: each in its own words, and none for what it cannot do."""

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
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from app.domain.providers import Provider
from app.providers import shipped
from app.providers.openai.adapter import OpenAIProvider
from app.providers.openai.requests import chat_body
from app.providers.openai.servers import Server
from tests.providers.adapters import asking, outcome
from tests.providers.loopback import END, Loopback, events

OFFICIAL, DEEPSEEK, OTHER = Server.OFFICIAL, Server.DEEPSEEK, Server.OTHER
ADDRESSES = {OFFICIAL: None, DEEPSEEK: "https://api.deepseek.com/v1", OTHER: "http://127.0.0.1:9/v1"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("get_weather", "The weather now.", SCHEMA)
PNG = b"\x89PNG"


def request(model: str = "gpt-4o", **fields: Any) -> ModelRequest:
    vendor = "deepseek" if model.startswith("deepseek") else "openai"
    return replace(asking(shipped.card(vendor, model)), **fields)


def saying(*parts: Part, model: str = "gpt-4o") -> ModelRequest:
    return request(model, messages=[ModelMessage("user", parts)])


@pytest.fixture(scope="module")
async def providers() -> AsyncIterator[dict[Server, Provider]]:
    made = {
        server: OpenAIProvider(
            "deepseek" if server is DEEPSEEK else "openai", api_key=SecretStr("k"), base_url=address, connect_timeout=1
        )
        for server, address in ADDRESSES.items()
    }
    yield dict(made)
    for provider in made.values():
        await provider.aclose()


# Tools


async def test_tools_and_how_to_choose_among_them_are_told(vendor: Loopback, provider: OpenAIProvider) -> None:
    vendor.replies = [events(END)]
    clock = Tool("clock", None, {}, strict=True)
    _, failure = await outcome(
        provider,
        request(tools=[WEATHER, clock], tool_choice=ToolChoice("named", "clock"), parallel_calls=False),
    )
    assert failure is None
    body = vendor.requests[0].body
    assert body["tools"] == [
        {
            "type": "function",
            "function": {"name": "get_weather", "description": "The weather now.", "parameters": SCHEMA},
        },
        {
            "type": "function",
            "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}, "strict": True},
        },
    ]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "clock"}}
    assert body["parallel_tool_calls"] is False


@pytest.mark.parametrize("mode", ["auto", "none", "required"])
def test_a_choice_is_one_word_where_it_names_no_tool(mode: Any) -> None:
    assert chat_body(request(tools=[WEATHER], tool_choice=ToolChoice(mode)), OTHER)["tool_choice"] == mode
    # Servers refuse a choice among nothing.
    assert "tool_choice" not in chat_body(request(tool_choice=ToolChoice(mode), parallel_calls=True), OTHER)


async def test_a_schema_that_no_request_can_hold_is_refused_before_it_is_sent(
    vendor: Loopback, provider: OpenAIProvider
) -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"properties": deep}
    for schema in ({"title": "half a pair: \ud83d"}, deep):
        seen, failure = await outcome(provider, request(tools=[Tool("f", None, schema)]))
        assert failure is not None
        assert (seen, failure.code, failure.rejected) == ([], FailureCode.UPSTREAM_ERROR, True)
    assert vendor.requests == []


@pytest.mark.parametrize("model", ["gpt-5.2", "gpt-5.4-mini", "gpt-5.6-terra", "gpt-6-sol", "gpt-6-luna"])
def test_models_that_call_tools_only_at_rest_are_put_to_rest(model: str) -> None:
    wished = request(model, tools=[WEATHER], effort=Effort.HIGH)
    assert chat_body(wished, OFFICIAL)["reasoning_effort"] == "none"
    # A gateway may have other ways to reach them.
    assert chat_body(wished, OTHER)["reasoning_effort"] == "high"
    assert chat_body(replace(wished, tools=()), OFFICIAL)["reasoning_effort"] == "high"


@pytest.mark.parametrize("model", ["o3", "gpt-5", "gpt-5-mini", "gpt-5.1"])
def test_models_that_call_tools_while_they_reason_are_let(model: str) -> None:
    assert chat_body(request(model, tools=[WEATHER], effort=Effort.LOW), OFFICIAL)["reasoning_effort"] == "low"
    assert "reasoning_effort" not in chat_body(request(model, tools=[WEATHER]), OFFICIAL)


def test_deepseek_thinks_less_rather_than_that_it_calls_another_tool() -> None:
    thinking = request("deepseek-flash", tools=[WEATHER], effort=Effort.HIGH)
    for choice in (ToolChoice("required"), ToolChoice("named", "get_weather")):
        body = chat_body(replace(thinking, tool_choice=choice), DEEPSEEK)
        assert body["thinking"] == {"type": "disabled"}
        assert "tool_choice" in body
        assert "reasoning_effort" not in body
    body = chat_body(replace(thinking, tool_choice=ToolChoice("auto"), parallel_calls=True), DEEPSEEK)
    assert (body["thinking"], body["reasoning_effort"]) == ({"type": "enabled"}, "high")
    assert not {"tool_choice", "parallel_tool_calls"} & body.keys()
    assert (
        "strict"
        not in chat_body(replace(thinking, tools=[replace(WEATHER, strict=True)]), DEEPSEEK)["tools"][0]["function"]
    )


# Options

EVERYTHING = Options(
    top_p=0.5,
    stop=["END", "\n"],
    seed=7,
    presence_penalty=0.25,
    frequency_penalty=-0.25,
    logit_bias={"50256": -100.0, "1": 0.5},
)


def test_options_are_told_by_their_names() -> None:
    body = chat_body(request(options=EVERYTHING), OFFICIAL)
    given = {name: body[name] for name in body.keys() - chat_body(request(), OFFICIAL).keys()}
    assert given == {
        "top_p": 0.5,
        "stop": ["END", "\n"],
        "seed": 7,
        "presence_penalty": 0.25,
        "frequency_penalty": -0.25,
        "logit_bias": {"50256": -100, "1": 0.5},
    }
    assert chat_body(request("gpt-5.1", options=Options(verbosity="low")), OFFICIAL)["verbosity"] == "low"


def test_the_options_of_other_servers_are_told_by_all_their_names() -> None:
    body = chat_body(request("qwen3", options=Options(top_k=40, min_p=0.1, repeat_penalty=1.1)), OTHER)
    names = ("top_k", "min_p", "repetition_penalty", "repeat_penalty")
    assert [body[name] for name in names] == [40, 0.1, 1.1, 1.1]


def test_a_bound_that_nobody_set_is_not_told() -> None:
    assert chat_body(request(), OFFICIAL)["max_completion_tokens"] == 64
    assert chat_body(request(), OTHER)["max_tokens"] == 64
    for server in Server:
        assert not {"max_tokens", "max_completion_tokens"} & chat_body(request(bounded=False), server).keys()


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (AnswerFormat(), {"type": "json_object"}),
        (AnswerFormat(SCHEMA), {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}),
        (
            AnswerFormat(SCHEMA, "Weather report!", "Of one city.", strict=True),
            {
                "type": "json_schema",
                "json_schema": {
                    "name": "Weather_report_",
                    "description": "Of one city.",
                    "schema": SCHEMA,
                    "strict": True,
                },
            },
        ),
    ],
)
def test_a_format_is_told(wanted: AnswerFormat, told: dict[str, Any]) -> None:
    assert chat_body(request(options=Options(format=wanted)), OFFICIAL)["response_format"] == told


def options(**fields: Any) -> ModelRequest:
    return request(options=Options(**fields))


LINK = ImageLink("https://example.com/cat.png")
LESS_TOP_K = (OTHER,)
NO_DEEPSEEK = (OFFICIAL, OTHER)
EACH = (OFFICIAL, DEEPSEEK, OTHER)
# The feature, a request for it, and who does it.
FEATURES: dict[str, tuple[ModelRequest, tuple[Server, ...]]] = {
    "tools": (request(tools=[WEATHER]), EACH),
    "tool_choice": (request(tools=[WEATHER], tool_choice=ToolChoice("required")), EACH),
    "parallel_calls": (request(tools=[WEATHER], parallel_calls=False), NO_DEEPSEEK),
    "top_p": (options(top_p=0.5), EACH),
    "top_k": (options(top_k=40), LESS_TOP_K),
    "min_p": (options(min_p=0.1), LESS_TOP_K),
    "repeat_penalty": (options(repeat_penalty=1.1), LESS_TOP_K),
    "stop": (options(stop=["END"]), EACH),
    "seed": (options(seed=7), NO_DEEPSEEK),
    "presence_penalty": (options(presence_penalty=0.5), EACH),
    "frequency_penalty": (options(frequency_penalty=0.5), EACH),
    "logit_bias": (options(logit_bias={"1": 1}), NO_DEEPSEEK),
    "verbosity": (request("gpt-5", options=Options(verbosity="low")), NO_DEEPSEEK),
    "json_object": (options(format=AnswerFormat()), EACH),
    "json_schema": (options(format=AnswerFormat(SCHEMA)), NO_DEEPSEEK),
    "more": (options(more={"mirostat": 1}), ()),
    "image_link": (saying(LINK), NO_DEEPSEEK),
    "pdf": (saying(Pdf(b"%PDF")), EACH),
    "tool_images": (saying(ToolResult("c", "", parts=[Image(PNG, "image/png")])), ()),
}


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("server", EACH, ids=lambda server: server.name.lower())
async def test_who_cannot_do_it_is_not_asked(providers: dict[Server, Provider], feature: str, server: Server) -> None:
    wanted, who = FEATURES[feature]
    if server in who:
        providers[server].check(wanted)
        return
    with pytest.raises(NotSupported) as refused:
        providers[server].check(wanted)
    assert refused.value.feature == feature


OLD_REASONING = {"top_p": 0.5, "presence_penalty": 0.5, "frequency_penalty": 0.5, "logit_bias": {"1": 1}, "stop": ["a"]}


@pytest.mark.parametrize(
    ("model", "refused"),
    [
        ("o3", {**OLD_REASONING, "verbosity": "low"}),
        ("o4-mini", {**OLD_REASONING, "verbosity": "low"}),
        ("gpt-5", OLD_REASONING),
        ("gpt-5-nano-2025-08-07", OLD_REASONING),
        ("gpt-6-astra", OLD_REASONING),
        ("gpt-5.1", {"logit_bias": {"1": 1}}),
        ("gpt-6.1-terra", {"logit_bias": {"1": 1}}),
        ("gpt-4o", {"verbosity": "low", "stop": ["a", "b", "c", "d", "e"]}),
    ],
)
async def test_what_one_model_refuses_is_not_asked_of_it(
    providers: dict[Server, Provider], model: str, refused: dict[str, Any]
) -> None:
    for name, value in refused.items():
        wanted = request(model, options=Options(**{name: value}))
        with pytest.raises(NotSupported) as not_supported:
            providers[OFFICIAL].check(wanted)
        assert not_supported.value.feature == name
        providers[OTHER].check(wanted)


IDLE = Options(top_p=1.0, presence_penalty=0, frequency_penalty=0.0, logit_bias={}, min_p=0, repeat_penalty=1.0)
PENALTIES = {"presence_penalty", "frequency_penalty"}


@pytest.mark.parametrize(
    ("model", "server", "told"),
    [
        ("gpt-5", OFFICIAL, set()),
        ("o3", OFFICIAL, set()),
        ("gpt-4o", OFFICIAL, {"top_p", "logit_bias"} | PENALTIES),
        ("deepseek-flash", DEEPSEEK, {"top_p"} | PENALTIES),
    ],
)
async def test_options_that_ask_for_nothing_are_no_reason_to_refuse(
    providers: dict[Server, Provider], model: str, server: Server, told: set[str]
) -> None:
    wanted = request(model, options=IDLE)
    providers[server].check(wanted)
    assert chat_body(wanted, server).keys() - chat_body(request(model), server).keys() == told


# Effort

LADDERS = {
    "o3": "low low low medium high high high",
    "gpt-5-mini": "minimal minimal low medium high high high",
    "gpt-5-2025-08-07": "minimal minimal low medium high high high",
    "gpt-5.1": "none low low medium high high high",
    "gpt-5.4": "none low low medium high xhigh xhigh",
    "gpt-6-luna": "none low low medium high xhigh xhigh",
    "gpt-6-astra": "low low low medium high xhigh xhigh",
    "gpt-6.1-sol": "low low low medium high xhigh xhigh",
    "gpt-6.1-terra": "none low low medium high xhigh xhigh",
}


@pytest.mark.parametrize("model", LADDERS)
def test_an_effort_is_the_nearest_that_the_model_has(model: str) -> None:
    told = [chat_body(request(model, effort=effort), OFFICIAL)["reasoning_effort"] for effort in Effort]
    assert told == LADDERS[model].split()


def test_an_effort_of_deepseek_is_in_its_own_words() -> None:
    told = [chat_body(request("deepseek-flash", effort=effort), DEEPSEEK) for effort in Effort]
    assert [body["thinking"]["type"] for body in told] == ["disabled"] + 6 * ["enabled"]
    assert [body.get("reasoning_effort") for body in told] == [None, "low", "low", "medium", "high", "high", "max"]


@pytest.mark.parametrize(
    ("thinking", "effort", "told"),
    [
        (Thinking("disabled"), None, "none"),
        (Thinking("disabled"), Effort.HIGH, "none"),
        (Thinking("enabled", 1024), None, "low"),
        (Thinking("enabled", 4096), None, "low"),
        (Thinking("enabled", 16_384), None, "medium"),
        (Thinking("enabled", 32_000), None, "high"),
        (Thinking("enabled"), None, "medium"),
        (Thinking("enabled", 32_000), Effort.LOW, "low"),
        (Thinking("adaptive"), None, "medium"),
        (Thinking("adaptive", display="omitted"), Effort.XHIGH, "xhigh"),
    ],
)
def test_thinking_is_the_nearest_effort(thinking: Thinking, effort: Effort | None, told: str) -> None:
    wished = Options(thinking=thinking)
    assert chat_body(request("gpt-5.4", effort=effort, options=wished), OFFICIAL)["reasoning_effort"] == told
    assert "reasoning_effort" not in chat_body(request("gpt-4o", effort=effort, options=wished), OFFICIAL)


# Messages


def test_pictures_are_told_with_how_closely_to_look() -> None:
    parts = (Text("?"), Image(PNG, "image/png", "low"), ImageLink(LINK.url, "high"), CacheMark("5m"), LINK)
    [message] = chat_body(saying(*parts), OTHER)["messages"]
    assert message["content"] == [
        {"type": "text", "text": "?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw==", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": LINK.url, "detail": "high"}},
        {"type": "image_url", "image_url": {"url": LINK.url}},
    ]


async def test_a_picture_that_is_not_in_public_is_not_asked_for(providers: dict[Server, Provider]) -> None:
    for server in NO_DEEPSEEK:
        with pytest.raises(NotSupported) as refused:
            providers[server].check(saying(ImageLink("http://169.254.169.254/latest/")))
        assert refused.value.feature == "image_link"


async def test_a_conversation_with_tools_is_told_part_by_part(providers: dict[Server, Provider]) -> None:
    long = "toolu_" + "x" * 60
    history = [
        ModelMessage("user", [Text("Weather?"), CacheMark()]),
        ModelMessage("assistant", [Text("Let me look."), ToolCall(long, "get_weather", '{"city":"Paris"}')]),
        ModelMessage("user", [ToolResult(long, "Rain, 12 °C."), Text("Well?")]),
        ModelMessage("system", [Text("Be "), Text("brief.")]),
        ModelMessage("system", "Now."),
    ]
    asked = request(messages=history, system_prompt="You are kind.")
    providers[OFFICIAL].check(asked)
    system, question, call, result, again, brief, now = chat_body(asked, OFFICIAL)["messages"]
    assert (system, question) == (
        {"role": "system", "content": "You are kind."},
        {"role": "user", "content": "Weather?"},
    )
    [called] = call["tool_calls"]
    assert (call["content"], called["function"]) == (
        "Let me look.",
        {"name": "get_weather", "arguments": '{"city":"Paris"}'},
    )
    assert result == {"role": "tool", "tool_call_id": called["id"], "content": "Rain, 12 °C."}
    assert len(called["id"]) <= 40
    assert again == {"role": "user", "content": "Well?"}
    assert (brief, now) == ({"role": "system", "content": "Be brief."}, {"role": "system", "content": "Now."})
