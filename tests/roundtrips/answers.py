"""Answers in no protocol's words, made at random: what a vendor is to send, and what a client is to read."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.roundtrips.cases import OPENAI_SEAL, Call, Part, Say, Thought
from tests.roundtrips.chance import call_id, mapping, text
from tests.upstream.scenarios import Answer, Chunk, Reasoning, ToolArguments, ToolCall, Usage

_TOOLS = ("weather", "get_time", "search-web")
SEALING = ("anthropic", "openai-responses")
"""Vendors whose thoughts come sealed."""
STOP_SEQUENCE = "</end>"
"""What a request is to name, for a vendor tells which it was."""


@dataclass(frozen=True, slots=True)
class Scripted:
    """`parts` in the order in which they begin; `finish` is `stop`, `length`, `tool_calls`, `stop_sequence` or
    `refusal`; `usage` is what its vendor tells of it."""

    parts: tuple[Part, ...]
    finish: str
    usage: Usage
    answer: Answer


@dataclass(slots=True)
class Read:
    """What a client understood; `parts` as in Scripted, where its protocol keeps their order."""

    parts: list[Part] = field(default_factory=list)
    finish: str = ""
    sequence: str | None = None
    counts: dict[str, int] = field(default_factory=dict)


def scripted(rng: Random, vendor: str) -> Scripted:
    parts = tuple(_parts(rng, vendor))
    calls = any(isinstance(part, Call) for part in parts)
    finish = "tool_calls" if calls else rng.choice(("stop", "stop", "length"))
    if vendor == "anthropic" and finish == "stop" and rng.random() < 0.5:
        finish = "stop_sequence"
    if not calls and vendor != "ollama" and rng.random() < 0.2:
        finish = "refusal"
    usage = _usage(rng, vendor)
    word = "content_filter" if finish == "refusal" else finish
    if finish == "tool_calls" and vendor != "anthropic":
        word = rng.choice(("tool_calls", "stop"))  # as many servers say it
    chunks = tuple(_together(rng, parts) if vendor in ("openai", "deepseek") else _in_turn(rng, parts, vendor))
    return Scripted(parts, finish, usage, Answer(chunks, usage=usage, finish=word))


def _parts(rng: Random, vendor: str) -> Iterator[Part]:
    for _ in range(rng.choice((0, 1, 1, 2) if vendor in SEALING else (0, 1))):
        yield _thought(rng, vendor)
    calls = [_call(rng, number) for number in range(rng.choice((0, 0, 1, 2, 3)))]
    if not calls or rng.random() < 0.6:
        yield Say(text(rng, 12))
    for call in calls:
        yield call
        if vendor == "anthropic" and rng.random() < 0.2:  # which goes on behind a call
            yield rng.choice((Say(text(rng)), _thought(rng, vendor)))


def _call(rng: Random, number: int) -> Call:
    return Call(f"{call_id(rng)}{number}", rng.choice(_TOOLS), mapping(rng))


def _thought(rng: Random, vendor: str) -> Thought:
    """Some vendors seal them, shown or not."""
    seal = f"c2VhbA{rng.randrange(10**6)}=="
    if vendor not in SEALING:
        return Thought(text(rng))
    if vendor == "openai-responses":
        return Thought(rng.choice(("", text(rng), text(rng))), OPENAI_SEAL + seal)
    return Thought(hidden=seal) if rng.random() < 0.25 else Thought(rng.choice(("", text(rng), text(rng))), seal)


def _usage(rng: Random, vendor: str) -> Usage:
    """As far as the vendor's protocol counts."""
    prompt, completion = rng.randint(100, 10**6), rng.randint(10, 10**5)
    reasoning = rng.randint(0, completion) if vendor != "ollama" else 0
    return Usage(prompt, completion, rng.randint(0, 50), reasoning, rng.randint(0, 50) if vendor in SEALING else 0)


def _in_turn(rng: Random, parts: Sequence[Part], vendor: str) -> Iterator[Chunk]:
    number = -1
    for part in parts:
        number += isinstance(part, Call)
        yield from _chunks(rng, part, number, vendor)


def _together(rng: Random, parts: Sequence[Part]) -> Iterator[Chunk]:
    """Pieces of several calls may come in turns; each has begun before the next does."""
    said = [part for part in parts if not isinstance(part, Call)]
    for part in said:
        yield from _chunks(rng, part, -1, "openai")
    calls = [part for part in parts if isinstance(part, Call)]
    queues = [list(_chunks(rng, call, number, "openai")) for number, call in enumerate(calls)]
    if rng.random() < 0.5:
        yield from (chunk for queue in queues for chunk in queue)
        return
    yield from (queue.pop(0) for queue in queues)
    while left := [queue for queue in queues if queue]:
        yield rng.choice(left).pop(0)


def _chunks(rng: Random, part: Part, number: int, vendor: str) -> Iterator[Chunk]:
    match part:
        case Say(said):
            yield from pieces(rng, said)
        case Thought(hidden=str(data)):
            yield Reasoning(redacted=data)
        case Thought(thought, seal):
            *before, last = pieces(rng, thought) or [b""]
            yield from map(Reasoning, before)
            yield Reasoning(last, signature=None if seal is None else seal.removeprefix(OPENAI_SEAL))
        case Call(identity, name, arguments):
            # An Ollama has the object itself there, on one line.
            indent = rng.choice((None, None, 1)) if vendor != "ollama" else None
            spelled = json.dumps(arguments, ensure_ascii=rng.random() < 0.3, indent=indent)
            yield from _called(rng, ToolCall(name, id=identity, index=number), spelled, arguments, vendor)


def _called(rng: Random, call: ToolCall, spelled: str, arguments: Any, vendor: str) -> Iterator[Chunk]:
    yield call
    if vendor == "ollama":  # which sends them whole
        yield ToolArguments(spelled, index=call.index)
    elif arguments or rng.random() < 0.5:  # without any, a vendor may say nothing of them
        yield from (ToolArguments(piece, index=call.index) for piece in pieces(rng, spelled))


def pieces(rng: Random, said: str) -> list[bytes]:
    """The insides of JSON strings, cut between any two UTF-16 units; some of it escaped that need not be."""
    units = said.encode("utf-16-le")
    step = max(1, len(units) // 2 // rng.randint(1, 12))
    cuts = [units[at : at + 2 * step] for at in range(0, len(units), 2 * step)]
    return [_inside(rng, cut.decode("utf-16-le", "surrogatepass")) for cut in cuts]


def _inside(rng: Random, said: str) -> bytes:
    whole = not any("\ud800" <= letter <= "\udfff" for letter in said)
    return json.dumps(said, ensure_ascii=not whole or rng.random() < 0.3).encode()[1:-1]
