"""Answers keep their meaning from each vendor to each door: streamed and whole they say what the vendor sent."""

import json
from itertools import product

import pytest

from tests.chat.conftest import Service
from tests.roundtrips import abilities, relaying
from tests.roundtrips.answers import STOP_SEQUENCE, scripted
from tests.roundtrips.cases import Call, Case, Say, Turn
from tests.roundtrips.chance import drawn
from tests.roundtrips.clients import STREAMED, WHOLE
from tests.roundtrips.doors import DOORS
from tests.roundtrips.telling import told
from tests.sse import parse
from tests.upstream import Answer, ToolCall, Upstream

PAIRS = list(product(abilities.DOORS, relaying.VENDORS))
SERVED = list(product(abilities.DOORS, ("compatible", "deepseek", "anthropic", "ollama")))
EACH = 8
"""Answers of one test, each with a seed of its own."""


@pytest.mark.parametrize("first", [0, EACH])
@pytest.mark.parametrize(("door", "vendor"), PAIRS)
def test_an_answer_says_the_same_streamed_and_whole(door: str, vendor: str, first: int) -> None:
    for seed in range(first, first + EACH):
        rng = drawn(f"{vendor} {seed}")
        answer = scripted(rng, vendor)
        events = relaying.logged(vendor, answer.answer, rng)
        assert WHOLE[door](relaying.whole(door, events)) == told(answer, door), seed
        assert STREAMED[door](relaying.streamed(door, events)) == told(answer, door), seed


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("door", "vendor"), SERVED)
async def test_it_says_the_same_over_the_wire(
    patient: Service, upstream: Upstream, door: str, vendor: str, stream: bool
) -> None:
    rng = drawn(f"{door} {vendor} {stream}")
    answer = scripted(rng, "openai" if vendor == "compatible" else vendor)
    upstream.script(answer.answer)
    takes = "stop" in abilities.DOORS[door]
    case = Case((Turn("user", (Say("Hi"),)),), options={"stop": (STOP_SEQUENCE,)} if takes else {})
    body = DOORS[door].spelled(case, rng) | {"model": abilities.MODELS[vendor], "stream": stream}
    got = await patient.alice.http.post(DOORS[door].path, json=body | {"stream_options": {"include_usage": True}})

    assert got.status_code == 200, got.text
    read = STREAMED[door] if stream else WHOLE[door]
    assert read(got.content) == told(answer, door, sequence=STOP_SEQUENCE if takes else None)


@pytest.mark.parametrize("vendor", relaying.VENDORS)
def test_a_response_holds_the_same_items_streamed_and_whole(vendor: str) -> None:
    for seed in range(8):
        rng = drawn(f"{vendor} {seed}")
        events = relaying.logged(vendor, scripted(rng, vendor).answer, rng)
        last = parse(relaying.streamed("responses", events))[-1].json["response"]
        assert last == json.loads(relaying.whole("responses", events)), seed


@pytest.mark.parametrize("vendor", ["openai", "openai-responses", "anthropic"])
def test_a_call_that_was_cut_is_told_as_far_as_it_came(vendor: str) -> None:
    """But by Ollama's protocol, which knows whole calls alone."""
    rng = drawn("cut")
    calls = (ToolCall("weather", '{"city": "Köln"}', id="call_1"), ToolCall("weather", '{"ci', id="call_2", index=1))
    events = relaying.logged(vendor, Answer(("Let me see.", *calls), finish="length"), rng)

    chat = json.loads(relaying.whole("chat", events))["choices"][0]
    assert (chat["message"]["tool_calls"][1]["function"]["arguments"], chat["finish_reason"]) == ('{"ci', "length")
    response = json.loads(relaying.whole("responses", events))
    assert [item["status"] for item in response["output"]] == ["completed", "incomplete", "incomplete"]
    assert parse(relaying.streamed("responses", events))[-1].json["response"] == response
    message = json.loads(relaying.whole("messages", events))
    assert (message["content"][2]["input"], message["stop_reason"]) == ({"INVALID_JSON": '{"ci'}, "max_tokens")
    pieces = [
        each.json["delta"].get("partial_json")
        for each in parse(relaying.streamed("messages", events))
        if each.name == "content_block_delta"
    ]
    assert pieces == [None, '{"city": "Köln"}', '{"ci']
    wanted = [Say("Let me see."), Call("call_1", "weather", {"city": "Köln"})]
    for read in (
        WHOLE["ollama"](relaying.whole("ollama", events)),
        STREAMED["ollama"](relaying.streamed("ollama", events)),
    ):
        assert (read.parts, read.finish) == (wanted, "length")
