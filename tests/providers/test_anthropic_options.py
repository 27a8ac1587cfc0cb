"""What a client may ask of an answer beside the conversation, in the words of Anthropic's API, or not at all."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from app.core.errors import NotSupported
from app.domain.failures import FailureCode, GenerationFailure
from app.domain.prompts import (
    AnswerFormat,
    CacheMark,
    Effort,
    Image,
    ImageLink,
    ModelMessage,
    Options,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
)
from app.providers import shipped
from app.providers.anthropic.abilities import check
from app.providers.anthropic.adapter import AnthropicProvider
from app.providers.anthropic.requests import messages_call
from tests.providers.anthropic_requests import asking, assistant, body, system, user
from tests.providers.loopback import Loopback, page, silence
from tests.upstream import Upstream

ADAPTIVE = {"type": "adaptive", "display": "summarized"}
MARK = {"type": "ephemeral"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}


def refused(*messages: ModelMessage, **fields: Any) -> str | None:
    """The feature for which a request is not even sent; None where it is."""
    try:
        check(asking(*messages, **fields))
    except NotSupported as error:
        return error.feature
    return None


# How it is drawn


def test_sampling_goes_with_the_version_that_has_it() -> None:
    call = messages_call(asking(options=Options(top_p=0.9, top_k=40)))
    assert (call.body["top_p"], call.body["top_k"]) == (0.9, 40)
    assert call.headers["anthropic-version"] == "2023-06-01"
    assert messages_call(asking()).headers == {}


@pytest.mark.parametrize(
    ("model", "asked", "sent", "feature"),
    [
        ("claude-sonnet-4-6", {"top_p": 0.9, "temperature": 1.0}, {"top_p": 0.9}, None),
        ("claude-sonnet-4-6", {"top_p": 1.0, "temperature": 0.2}, {"temperature": 0.2}, None),
        ("claude-sonnet-4-6", {"top_p": 0.9, "temperature": 0.2}, None, "top_p"),  # one or the other
        ("claude-3-7-sonnet-20250219", {"top_p": 0.9, "temperature": 0.2}, {"top_p": 0.9, "temperature": 0.2}, None),
        ("glm-5", {"top_p": 0.9, "top_k": 9, "temperature": 0.2}, {"top_p": 0.9, "top_k": 9, "temperature": 0.2}, None),
        ("claude-sonnet-5-5", {"temperature": 0.2}, {}, None),  # which all clients send
        ("claude-sonnet-5-5", {"top_p": 1.0}, {}, None),
        ("claude-sonnet-5-5", {"top_p": 0.9}, None, "top_p"),
        ("claude-opus-4-7", {"top_k": 9}, None, "top_k"),
        ("claude-haiku-4-5", {"top_p": 0.95, "temperature": 0.2, "effort": Effort.LOW}, {"top_p": 0.95}, None),
        ("claude-haiku-4-5", {"top_p": 0.9, "effort": Effort.LOW}, None, "top_p"),
        ("claude-haiku-4-5", {"top_k": 9, "effort": Effort.LOW}, None, "top_k"),
        ("claude-haiku-4-5", {"top_k": 9, "effort": Effort.NONE}, {"top_k": 9}, None),
    ],
)
def test_each_model_draws_in_its_own_way(
    model: str, asked: dict[str, Any], sent: dict[str, Any] | None, feature: str | None
) -> None:
    beside = {name: asked[name] for name in ("temperature", "effort") if name in asked}
    options = Options(top_p=asked.get("top_p"), top_k=asked.get("top_k"))
    assert refused(model=model, options=options, **beside) == feature
    if sent is not None:
        told = body(model=model, options=options, **beside)
        assert {name: told[name] for name in ("temperature", "top_p", "top_k") if name in told} == sent


def test_stop_sequences_have_their_name() -> None:
    assert body(options=Options(stop=("END", "###")))["stop_sequences"] == ["END", "###"]
    assert "stop_sequences" not in body()


@pytest.mark.parametrize(
    "options",
    [
        Options(seed=1),
        Options(min_p=0.1),
        Options(presence_penalty=0.5),
        Options(frequency_penalty=0.5),
        Options(repeat_penalty=1.1),
        Options(logit_bias={"1": 1.0}),
        Options(verbosity="low"),
        Options(more={"mirostat": 1}),
        Options(format=AnswerFormat()),
    ],
)
def test_what_the_api_has_no_word_for_is_not_asked(options: Options) -> None:
    assert refused(options=options) is not None


def test_an_unbounded_answer_has_the_room_that_its_model_has() -> None:
    def room(model: str) -> object:
        return body(model=model, bounded=False, max_tokens=99)["max_tokens"]

    assert (room("claude-sonnet-5-5"), room("my-model")) == (32_000, 8192)
    assert body(max_tokens=99)["max_tokens"] == 99


# Formats


def test_a_schema_is_told_beside_an_effort() -> None:
    sent = body(options=Options(format=AnswerFormat(SCHEMA, "a", "What?", strict=True)), effort=Effort.LOW)
    assert sent["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}}


def test_models_that_do_not_keep_to_schemas_are_not_asked_to() -> None:
    options = Options(format=AnswerFormat(SCHEMA))
    assert refused(options=options, model="claude-sonnet-4-20250514") == "json_schema"
    assert refused(options=options, model="claude-haiku-4-5") is None
    assert refused(options=options, model="glm-5") is None


# Thinking


@pytest.mark.parametrize(
    ("model", "wish", "thinking", "effort"),
    [
        # as it is said, where the model knows that
        ("claude-haiku-4-5", Thinking("enabled", 2000), {"type": "enabled", "budget_tokens": 2000}, None),
        (
            "claude-sonnet-4-6",
            Thinking("enabled", 2000, "omitted"),
            {"type": "enabled", "budget_tokens": 2000, "display": "omitted"},
            None,
        ),
        ("claude-sonnet-4-6", Thinking("adaptive"), {"type": "adaptive"}, None),
        ("claude-sonnet-5-5", Thinking("adaptive", None, "omitted"), {"type": "adaptive", "display": "omitted"}, None),
        ("claude-opus-5", Thinking("disabled"), {"type": "disabled"}, None),
        ("glm-5", Thinking("enabled", 2000), {"type": "enabled", "budget_tokens": 2000}, None),
        # else the nearest
        ("claude-opus-4-8", Thinking("enabled", 2000), ADAPTIVE, "low"),
        ("claude-sonnet-5-5", Thinking("enabled", 8000), ADAPTIVE, "medium"),
        ("claude-opus-5-5", Thinking("enabled", 31_999, "omitted"), ADAPTIVE | {"display": "omitted"}, "high"),
        ("claude-haiku-4-5", Thinking("adaptive"), {"type": "enabled", "budget_tokens": 3072}, None),
        ("claude-sonnet-5-5", Thinking("disabled"), {"type": "between_tools"}, None),
        ("claude-opus-5-5", Thinking("disabled"), ADAPTIVE, "low"),
        ("claude-3-5-haiku-latest", Thinking("enabled", 2000), None, None),
    ],
)
def test_a_wish_in_the_vendors_words_is_granted_as_nearly_as_can_be(
    model: str, wish: Thinking, thinking: dict[str, Any] | None, effort: str | None
) -> None:
    sent = body(model=model, options=Options(thinking=wish))
    assert sent.get("thinking") == thinking
    assert sent.get("output_config") == (effort and {"effort": effort})


@pytest.mark.parametrize(
    ("model", "effort", "sent"),
    [
        ("claude-sonnet-4-6", Effort.MINIMAL, "low"),
        ("claude-sonnet-4-6", Effort.XHIGH, "high"),
        ("claude-sonnet-4-6", Effort.MAX, "max"),
        ("claude-sonnet-5-5", Effort.XHIGH, "xhigh"),
        ("claude-opus-4-7", Effort.MAX, "max"),
    ],
)
def test_an_effort_that_a_model_lacks_is_the_nearest(model: str, effort: Effort, sent: str) -> None:
    assert body(model=model, effort=effort)["output_config"] == {"effort": sent}


@pytest.mark.parametrize(("effort", "budget"), [(Effort.MINIMAL, 1250), (Effort.XHIGH, 8000), (Effort.MAX, 8750)])
def test_every_effort_is_a_budget_too(effort: Effort, budget: int) -> None:
    sent = body(model="claude-haiku-4-5", effort=effort, max_tokens=10_000)
    assert sent["thinking"] == {"type": "enabled", "budget_tokens": budget}


def test_a_model_that_does_not_think_makes_no_great_effort_either() -> None:
    sent = body(model="claude-opus-5", options=Options(thinking=Thinking("disabled")), effort=Effort.MAX)
    assert (sent["thinking"], sent["output_config"]) == ({"type": "disabled"}, {"effort": "high"})


# An answer that has begun


def test_an_answer_that_has_begun_is_gone_on_from_without_thoughts() -> None:
    sent = body(user("Q"), assistant("The best is ("), model="claude-haiku-4-5", effort=Effort.HIGH)
    assert sent["messages"][-1] == {"role": "assistant", "content": "The best is ("}
    assert sent["thinking"] == {"type": "disabled"}


@pytest.mark.parametrize(
    ("model", "feature"), [("claude-haiku-4-5", None), ("glm-5", None), ("claude-sonnet-4-6", "messages")]
)
def test_models_that_only_answer_are_not_given_a_beginning(model: str, feature: str | None) -> None:
    assert refused(user("Q"), assistant("A"), model=model) == feature


# What is told midway


def test_a_system_message_behind_a_user_is_told_as_one_where_the_model_takes_it() -> None:
    told = (user("Q1"), system("Be brief."), assistant("A1"), user("Q2"), system("Be long."))
    roles = [message["role"] for message in body(*told, model="claude-sonnet-5-5")["messages"]]
    assert roles == ["user", "system", "assistant", "user", "system"]
    older = body(*told)["messages"]
    assert [message["role"] for message in older] == ["user", "user", "assistant", "user", "user"]
    assert older[1]["content"] == "Be brief."


def test_anywhere_else_it_is_a_users_text() -> None:
    told = (system("1"), user("Q1"), system("2"), system("3"), assistant("A1"), system("4"), user("Q2"))
    roles = [message["role"] for message in body(*told, model="claude-sonnet-5-5")["messages"]]
    assert roles == ["user", "user", "user", "system", "assistant", "user", "user"]


# What is cached


def test_marks_are_set_behind_what_they_follow() -> None:
    first = user("A", "B", CacheMark("1h"), "C", Image(b"", "image/png"), CacheMark())
    second = assistant(CacheMark(), Reasoning("Hm.", signature="s"), CacheMark(), "D", " ", CacheMark("5m"))
    sent = body(first, second, user(ToolResult("t", "r"), CacheMark()), user("Q"))["messages"]
    assert sent[0]["content"][0] == {"type": "text", "text": "AB", "cache_control": MARK | {"ttl": "1h"}}
    assert sent[0]["content"][1] == {"type": "text", "text": "C"}
    assert sent[0]["content"][2]["cache_control"] == MARK
    assert sent[1]["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "text", "text": "D ", "cache_control": MARK | {"ttl": "5m"}},
    ]
    assert sent[2]["content"][0]["cache_control"] == MARK
    assert sent[3]["content"] == "Q"  # whoever sets marks sets them all


def test_a_system_prompt_may_have_marks() -> None:
    parts = [Text("Long."), CacheMark(), Text("Short.")]
    sent = body(user("1"), assistant("2"), user("3"), system_prompt="Long.Short.", system_parts=parts)
    assert sent["system"] == [
        {"type": "text", "text": "Long.", "cache_control": MARK},
        {"type": "text", "text": "Short."},
    ]
    assert str(sent).count("cache_control") == 1
    assert body(system_prompt="Long.Short.", system_parts=[Text("Long."), Text("Short.")])["system"] == "Long.Short."


def test_a_mark_on_a_tool_is_one_too() -> None:
    tool = Tool("f", None, {}, cache=CacheMark())
    assert str(body(user("1"), assistant("2"), user("3"), tools=[tool])).count("cache_control") == 1


# Links


def test_a_link_to_a_picture_goes_to_the_vendor_where_it_is_public() -> None:
    link = user(ImageLink("https://a.org/b.png", "high"), "What?")
    assert body(link)["messages"][0]["content"][0] == {
        "type": "image",
        "source": {"type": "url", "url": "https://a.org/b.png"},
    }
    assert refused(link) is None
    inner = ImageLink("http://169.254.169.254/latest")
    assert refused(user(inner)) == "image_link"
    assert refused(user(ToolResult("t", "", parts=(inner,)))) == "image_link"


# How long it is


@pytest.fixture
async def claude(vendor: Loopback) -> AsyncIterator[AnthropicProvider]:
    provider = AnthropicProvider(api_key=SecretStr("sk-test"), base_url=vendor.url, connect_timeout=5)
    yield provider
    await provider.aclose()


async def test_a_prompt_is_counted_as_it_would_be_sent(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [page(200, b'{"input_tokens":2095}')]
    request = asking(
        user("Q"),
        model="claude-opus-5",
        system_prompt="Be brief.",
        temperature=0.5,
        tools=[Tool("f", None, {})],
        tool_choice=ToolChoice("auto"),
        options=Options(stop=("x",), format=AnswerFormat(SCHEMA)),
    )
    assert await claude.count_tokens(request) == 2095
    [sent] = vendor.requests
    assert (sent.method, sent.path) == ("POST", "/v1/messages/count_tokens")
    assert sent.headers["authorization"] == "Bearer sk-test"
    assert sent.body == {
        "model": "claude-opus-5",
        "messages": [{"role": "user", "content": "Q"}],
        "system": "Be brief.",
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "auto"},
        "thinking": ADAPTIVE,
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    }


@pytest.mark.parametrize(
    ("status", "answer", "code"),
    [
        (401, b'{"error":{"type":"authentication_error"}}', FailureCode.UPSTREAM_AUTH),
        (404, b"{}", FailureCode.UPSTREAM_ERROR),
        (200, b'{"input_tokens":"many"}', FailureCode.UPSTREAM_PROTOCOL),
        (200, b"[" * 70_000, FailureCode.UPSTREAM_PROTOCOL),
    ],
)
async def test_a_count_that_is_none_is_a_failure(
    vendor: Loopback, claude: AnthropicProvider, status: int, answer: bytes, code: FailureCode
) -> None:
    vendor.replies = [page(status, answer)]
    with pytest.raises(GenerationFailure) as failure:
        await claude.count_tokens(asking())
    assert failure.value.code is code


async def test_leaving_a_count_ends_the_call(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [silence()]
    counting = asyncio.create_task(claude.count_tokens(asking()))
    while not vendor.requests:
        await asyncio.sleep(0.001)
    counting.cancel()
    await asyncio.wait_for(vendor.left.wait(), 5)


async def test_the_loopback_vendor_counts(upstream: Upstream) -> None:
    provider = AnthropicProvider(api_key=SecretStr("k"), base_url=upstream.url, connect_timeout=5)
    short, long = [await provider.count_tokens(asking(user(words))) for words in ("Hi", "Hi there you all")]
    await provider.aclose()
    assert 0 < short < long


def test_the_cards_of_the_table_say_what_their_names_do() -> None:
    for card in shipped.cards("anthropic"):
        assert refused(model=card.id) is None
