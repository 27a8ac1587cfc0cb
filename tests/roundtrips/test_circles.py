"""What a model said goes back, just as its client got it, with what its tools answered: to any model of any vendor."""

import json
from itertools import product
from typing import Any

import pytest

from tests.roundtrips import abilities, relaying
from tests.roundtrips.answers import scripted
from tests.roundtrips.cases import Call, Case, Part, Result, Say, Tool, Turn
from tests.roundtrips.chance import drawn, schema, text
from tests.roundtrips.doors import DOORS
from tests.roundtrips.hearing import lost
from tests.roundtrips.telling import told
from tests.roundtrips.vendors import sent

Json = dict[str, Any]
HISTORY = {"chat": "messages", "responses": "input", "messages": "messages", "ollama": "messages"}


def answered(door: str, answer: Json) -> list[Json]:
    """What a client adds to its history."""
    match door:
        case "chat":
            return [answer["choices"][0]["message"]]
        case "responses":
            return list(answer["output"])
        case "messages":
            return [{"role": answer["role"], "content": answer["content"]}]
        case _:
            return [answer["message"]]


@pytest.mark.parametrize(
    ("door", "before", "behind"), list(product(abilities.DOORS, relaying.VENDORS, abilities.VENDORS))
)
def test_a_conversation_goes_on_with_any_vendor(door: str, before: str, behind: str) -> None:
    for seed in range(4):
        rng = drawn(f"{door} {before} {behind} {seed}")
        answer = scripted(rng, before)
        got = json.loads(relaying.whole(door, relaying.logged(before, answer.answer, rng)))

        parts = tuple(told(answer, door).parts)
        results: list[Part] = [Result(call.id, text(rng)) for call in parts if isinstance(call, Call)]
        asked, more = Turn("user", (Say("Hi"),)), Turn("user", tuple(results) or (Say("And?"),))
        tools = tuple(Tool(name, None, schema(rng)) for name in ("weather", "get_time", "search-web"))
        case = Case((asked, Turn("assistant", parts), more), tools=tools)

        body = DOORS[door].spelled(case, rng)
        spelled = body[HISTORY[door]]
        newest = 1 if door == "messages" else len(more.parts)
        body[HISTORY[door]] = [spelled[0], *answered(door, got), *spelled[-newest:]]
        assert lost(case, behind, sent(door, behind, body)) == [], seed
