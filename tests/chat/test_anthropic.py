"""Claude through the whole service: thoughts are shown, kept, and given back to the model that had them."""

from typing import Any

import pytest

from tests.backend import Backend, User
from tests.conftest import Serve
from tests.sse import Stream
from tests.upstream import Answer, Reasoning, Record, Upstream, Usage
from tests.upstream.dialects.anthropic import SIGNATURE


@pytest.fixture
async def backend(serve: Serve, upstream: Upstream) -> Backend:
    """With the loopback vendor as Anthropic, beside OpenAI."""
    return await serve(
        anthropic_api_key="sk-ant-loopback",
        anthropic_base_url=f"{upstream.url}/anthropic",
        default_model="anthropic/claude-sonnet-5-5",
    )


@pytest.fixture
async def alice(backend: Backend) -> User:
    return await backend.user()


def thoughts(stream: Stream) -> str:
    return "".join(event["text"] for event in stream.named("reasoning"))


def thought_blocks(call: Record) -> list[dict[str, Any]]:
    """What the vendor was given back of what its model thought."""
    contents = [message["content"] for message in call.body["messages"] if isinstance(message["content"], list)]
    return [block for content in contents for block in content if "thinking" in block["type"]]


async def test_what_claude_thought_is_shown_kept_and_given_back_to_it_alone(alice: User, upstream: Upstream) -> None:
    thinking = (Reasoning("Let "), Reasoning("me 想."), Reasoning(redacted="gAAA"))
    upstream.script([Answer((*thinking, "The answer ", "is 42.")), Answer(("Yes.",))])

    first = await alice.chat("Q1", reasoning_effort="high")
    conversation = first.start["conversation_id"]

    assert (thoughts(first), first.text) == ("Let me 想.", "The answer is 42.")
    asked = upstream.calls[0].body
    assert asked["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert asked["output_config"] == {"effort": "high"}
    kept = (await alice.messages(conversation))[1]
    assert (kept["content"], kept["reasoning"]) == ("The answer is 42.", "Let me 想.")

    await alice.chat("Q2", conversation_id=conversation)
    assert thought_blocks(upstream.calls[1]) == [
        {"type": "thinking", "thinking": "Let me 想.", "signature": SIGNATURE},
        {"type": "redacted_thinking", "data": "gAAA"},
    ]
    assert upstream.calls[1].body["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral"}

    for other in ("anthropic/claude-opus-5-5", "openai/echo"):
        await alice.chat("Q3", conversation_id=conversation, model=other)
        assert thought_blocks(upstream.calls[-1]) == []
        assert SIGNATURE not in str(upstream.calls[-1].body)


async def test_thoughts_that_are_not_shown_are_given_back_too(alice: User, upstream: Upstream) -> None:
    upstream.script(Answer((Reasoning(signature="c2lsZW50"), "42")))
    first = await alice.chat("Q1")
    await alice.chat("Q2", conversation_id=first.start["conversation_id"])
    assert thoughts(first) == ""
    assert thought_blocks(upstream.calls[1]) == [{"type": "thinking", "thinking": "", "signature": "c2lsZW50"}]


async def test_usage_is_the_whole_prompt(alice: User, upstream: Upstream) -> None:
    upstream.script(Answer(("42",), usage=Usage(100, 6, cached=60, reasoning=2, written=30)))
    (usage,) = (await alice.chat("Q1")).named("usage")
    assert (usage["input_tokens"], usage["output_tokens"]) == (100, 6)


@pytest.mark.parametrize(
    ("model", "code", "text"),
    [
        ("cut-after-2", "upstream_cut", "1 2 "),
        ("reset-after-2", "upstream_cut", "1 2 "),
        ("error-after-2", "upstream_error", "1 2 "),
        ("garbage-after-2", "upstream_protocol", "1 2 "),
        ("status-401", "upstream_auth", ""),
        ("status-529", "upstream_overloaded", ""),
        ("context-length", "context_too_long", ""),
        ("refuse", "refused", ""),
        ("html", "upstream_protocol", ""),
    ],
)
async def test_a_fault_is_said_as_with_any_vendor(alice: User, model: str, code: str, text: str) -> None:
    stream = await alice.chat("Q1", model=f"anthropic/{model}")
    assert (stream.failure["code"], stream.text, stream.done["status"]) == (code, text, "failed")


@pytest.mark.parametrize("model", ["bytes", "crlf", "gzip", "bom", "comments", "no-usage", "no-done", "length"])
async def test_an_answer_is_whole_in_every_spelling(alice: User, model: str) -> None:
    stream = await alice.chat("Hi 你好", model=f"anthropic/{model}")
    assert (stream.done["status"], stream.text) == (
        "complete",
        "Hello!" if model == "no-usage" else "You said: Hi 你好",
    )


async def test_its_models_are_listed(alice: User, upstream: Upstream) -> None:
    upstream.models = ("claude-sonnet-5-5", "claude-haiku-4-5-20251001")
    items = (await alice.http.get("/ai/models")).json()["items"]
    listed = {item["id"]: item for item in items if item["provider"] == "anthropic"}
    assert set(listed) == {"anthropic/claude-sonnet-5-5", "anthropic/claude-haiku-4-5-20251001"}
    assert listed["anthropic/claude-sonnet-5-5"]["default"]
    assert listed["anthropic/claude-haiku-4-5-20251001"]["context_window"] == 200_000
    assert listed["anthropic/claude-haiku-4-5-20251001"]["inputs"] == ["text", "image", "pdf"]
