"""Cases made at random, of what a door and a vendor have both: the same seed makes the same case."""

import json
import string
from collections.abc import Callable, Collection, Iterator, Mapping
from random import Random
from typing import Any

from tests.roundtrips.cases import (
    OPENAI_SEAL,
    Call,
    Case,
    Format,
    Link,
    Mark,
    Paper,
    Part,
    Result,
    Say,
    Show,
    Thought,
    Tool,
    Turn,
)

# Nothing that a protocol's framing, quoting or line ends could trip over is missing here.
_PIECES = (
    *("Hello", "world", "it's", '"quoted"', "back\\slash", "\\u0041", "\\n", "{", '}"', "</s>", "<tool_call>", "%s %b"),
    *(
        "你好，世界",
        "北京的天气怎么样？",
        "「引用」",
        "日本語",
        "한국어",
        "Größe",
        "naïve",
        "עברית",
        "العربية",
        "हिन्दी",
    ),
    *("🙂", "👩‍👩‍👧‍👦", "🇨🇳", "👍🏽", "𝔘𝔫𝔦", "e\u0301", "\ufeff", "\u200b", "\u202e", "\uffff"),
    *("\n", "\n\n", "\r\n", "\r", "\t", "\x01", "\x08", "\x0b", "\x1b[0m", "\x1f", "\x7f", "\x85", "\u2028", "\u2029"),
    *("data: [DONE]\n\n", "event: error\n", '{"done":true}\n', "data:", "[DONE]", "null", "```json\n{}\n```"),
)
_PICTURES = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff\xe0",
    "image/gif": b"GIF89a",
    "image/webp": b"RIFF\x10\x00\x00\x00WEBP",
}
_NAMES = ("weather", "get_time", "search-web", "Bash", "mcp__files__read", "f1")
_SAFE = string.ascii_letters + string.digits

Says = Collection[str]


def drawn(seed: object) -> Random:
    """The same again for the same seed."""
    return Random(str(seed))  # noqa: S311  # no secret


def text(rng: Random, most: int = 8) -> str:
    """Never blank, for some vendors refuse that, and leave it out here."""
    said = [rng.choice(_PIECES) for _ in range(rng.randint(1, most))]
    said.insert(rng.randrange(len(said) + 1), rng.choice(("Hm", "好", "🙂")))
    return rng.choice(("", " ")).join(said) * (rng.randint(50, 300) if rng.random() < 0.05 else 1)


def value(rng: Random, depth: int = 3) -> Any:
    """Any JSON."""
    if depth and rng.random() < 0.4:
        if rng.random() < 0.5:
            return [value(rng, depth - 1) for _ in range(rng.randint(0, 3))]
        return mapping(rng, depth - 1)
    return rng.choice(
        (None, True, False, 0, -1, rng.randint(-(2**70), 2**70), rng.random(), 1e21, text(rng, 3), "", "1", [], {})
    )


def mapping(rng: Random, depth: int = 3) -> dict[str, Any]:
    return {text(rng, 2) if rng.random() < 0.3 else key: value(rng, depth) for key in "abc"[: rng.randint(0, 3)]}


def schema(rng: Random) -> dict[str, Any]:
    properties = {
        name: {"type": rng.choice(("string", "number", "array")), "description": text(rng, 3), "enum": value(rng)}
        for name in ("city", "größe", "单位")[: rng.randint(1, 3)]
    }
    return {"type": "object", "properties": properties, "required": sorted(properties), "additionalProperties": False}


def picture(rng: Random, says: Says = ()) -> Show:
    kind, head = rng.choice(list(_PICTURES.items()))
    detail = rng.choice((None, "low", "high", "auto")) if "detail" in says else None
    return Show(head + rng.randbytes(rng.randint(0, 200)), kind, detail)


def call_id(rng: Random) -> str:
    word = "".join(rng.choices(_SAFE, k=8))
    return rng.choice((f"call_{word}", f"toolu_01{word}", f"functions.f:{word}", f"call|{word}", word + "x" * 60))


def case(rng: Random, says: Says) -> Case:
    """Of these features (`tests.roundtrips.abilities`); begins and ends with a user, and calls are answered at once."""
    tools = tuple(_tools(rng, says)) if "tools" in says and rng.random() < 0.7 else ()
    choice = _choice(rng, says, tools)
    return Case(
        turns=tuple(_turns(rng, says, tools)),
        system=tuple(_system(rng, says)),
        tools=tools,
        choice=choice,
        one_at_a_time=bool(tools) and choice != "none" and "parallel_calls" in says and rng.random() < 0.3,
        format=_format(rng, says),
        options=options(rng, says),
    )


def options(rng: Random, says: Says) -> Mapping[str, Any]:
    return {name: draw() for name, draw in draws(rng).items() if name in says and rng.random() < 0.4}


def draws(rng: Random) -> Mapping[str, Callable[[], Any]]:
    """By the names of options: how their values are drawn."""
    return {
        "max_tokens": lambda: rng.randint(1, 4000),
        "temperature": lambda: rng.choice((0, 0.25, 1, rng.random())),
        "top_p": lambda: rng.choice((0.1, 0.5, 0.999)),
        "top_k": lambda: rng.randint(1, 99),
        "min_p": lambda: rng.choice((0.05, 0.5)),
        "stop": lambda: tuple(text(rng, 2)[-200:] for _ in range(rng.randint(1, 4))),
        "seed": lambda: rng.choice((0, 42, -7, 2**63 - 1)),
        "presence_penalty": lambda: rng.choice((-1.5, 0.5, 2)),
        "frequency_penalty": lambda: rng.choice((-1.5, 0.5, 2)),
        "repeat_penalty": lambda: rng.choice((0.5, 1.1)),
        "logit_bias": lambda: {"50256": -100, "7": 1.5},
        "verbosity": lambda: rng.choice(("low", "medium", "high")),
        "effort": lambda: rng.choice(("none", "low", "medium", "high")),
    }


def _system(rng: Random, says: Says) -> Iterator[Say | Mark]:
    if rng.random() < 0.6:
        yield Say(text(rng))
        if "marks" in says and rng.random() < 0.3:
            yield Mark(rng.choice((None, "5m", "1h")))
            yield Say(text(rng))


def _tools(rng: Random, says: Says) -> Iterator[Tool]:
    for name in rng.sample(_NAMES, rng.randint(1, 3)):
        described = text(rng) if rng.random() < 0.8 else None
        strict = rng.choice((None, True, False)) if "strict" in says else None
        mark = Mark("1h") if "marks" in says and rng.random() < 0.2 else None
        yield Tool(name, described, schema(rng), strict, mark)


def _choice(rng: Random, says: Says, tools: tuple[Tool, ...]) -> str:
    if not tools or "choice" not in says:
        return "auto"
    choices = ["auto", "auto", "none"]
    if "tool_choice" in says:
        choices += ["required", f":{rng.choice(tools).name}"]
    return rng.choice(choices)


def _format(rng: Random, says: Says) -> Format | None:
    if "json_object" in says and rng.random() < 0.15:
        return Format()
    if "json_schema" not in says or rng.random() < 0.7:
        return None
    if "format_name" not in says:
        return Format(schema(rng))
    return Format(schema(rng), "a-name_1", rng.choice((None, text(rng))), rng.choice((None, True, False)))


def _turns(rng: Random, says: Says, tools: tuple[Tool, ...]) -> Iterator[Turn]:
    yield Turn("user", tuple(_asked(rng, says)))
    for _ in range(rng.randint(0, 4)):
        answer = tuple(_answered(rng, says, tools))
        yield Turn("assistant", answer)
        results = _results(rng, says, [part for part in answer if isinstance(part, Call)])
        asked = _asked(rng, says) if not results or rng.random() < 0.3 else ()
        yield Turn("user", (*results, *asked))
        if "midway" in says and rng.random() < 0.15:
            yield Turn("system", (Say(text(rng)),))


def _asked(rng: Random, says: Says) -> Iterator[Part]:
    yield Say(text(rng))
    if rng.random() < 0.6:
        return
    drawn: Mapping[str, Callable[[], Part]] = {
        "images": lambda: picture(rng, says),
        "image_link": lambda: Link(f"https://pictures.example.com/{rng.randint(0, 9)}.png?a=b&c=%20"),
        "pdf": lambda: Paper(b"%PDF-1.7\n" + rng.randbytes(100), rng.choice((None, "报告.pdf", 'a"b.pdf'))),
        "marks": lambda: Mark(rng.choice((None, "5m", "1h"))),
        "picture_order": lambda: Say(text(rng)),
    }
    able = [draw for name, draw in drawn.items() if name in says]
    before: Part | None = None
    for part in (rng.choice(able)() for _ in range(rng.randint(1, 4))):
        if not (isinstance(before, Mark) and isinstance(part, Mark)):
            yield part
        before = part


def _answered(rng: Random, says: Says, tools: tuple[Tool, ...]) -> Iterator[Part]:
    """Thoughts alone are no answer."""
    if "thoughts" in says and rng.random() < 0.5:
        for _ in range(rng.randint(1, 2)):
            yield _thought(rng, says)
    calls: list[Part] = []
    if tools and rng.random() < 0.6:
        calls = [Call(call_id(rng), rng.choice(tools).name, mapping(rng)) for _ in range(rng.randint(1, 3))]
    said: list[Part] = [Say(text(rng))] if not calls or rng.random() < 0.5 else []
    parts = [*said, *calls]
    if "order" in says:
        rng.shuffle(parts)
    yield from parts


def _thought(rng: Random, says: Says) -> Thought:
    seal = "".join(rng.choices(_SAFE + "+/=", k=40))
    if "seals" not in says or rng.random() < 0.2:
        return Thought(text(rng))
    if rng.random() < 0.3:
        return Thought(hidden=seal)
    return Thought(rng.choice(("", text(rng))), rng.choice(("", OPENAI_SEAL)) + seal)


def _results(rng: Random, says: Says, calls: list[Call]) -> list[Part]:
    """In any order, unless it is all that ties them to their calls."""
    results: list[Part] = []
    for call in rng.sample(calls, len(calls)) if "ids" in says else calls:
        shown = tuple(picture(rng) for _ in range(rng.randint(1, 2)))
        shown = shown if "tool_images" in says and rng.random() < 0.3 else ()
        said = text(rng) if shown or rng.random() < 0.9 else json.dumps(value(rng)) * rng.randint(0, 1)
        results.append(Result(call.id, said, "failed" in says and rng.random() < 0.3, shown))
    return results


def asking_for(feature: str) -> Case:
    """A case of nothing but this feature."""
    rng = drawn(feature)
    asked, tools = Turn("user", (Say("Hi"),)), (Tool("f1", None, schema(rng)),)
    match feature:
        case "tool_choice":
            return Case((asked,), tools=tools, choice="required")
        case "parallel_calls":
            return Case((asked,), tools=tools, one_at_a_time=True)
        case "json_object":
            return Case((asked,), format=Format())
        case "json_schema":
            return Case((asked,), format=Format(schema(rng)))
        case "image_link":
            return Case((Turn("user", (Link("https://pictures.example.com/1.png"),)),))
        case "pdf":
            return Case((Turn("user", (Say("What is it?"), Paper(b"%PDF-1.7\n"))),))
        case "tool_images":
            called = Turn("assistant", (Call("call_1", "f1", {}),))
            return Case((asked, called, Turn("user", (Result("call_1", "Look", shown=(picture(rng),)),))), tools=tools)
        case _:
            return Case((asked,), options={feature: draws(rng)[feature]()})
