"""Conversations in no protocol's words: what a test spells for a door, and looks for at a vendor."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import zip_longest
from typing import Any

OPENAI_SEAL = "openai:"
"""Before a seal of OpenAI's, as everybody else sees it; one of Anthropic's stands bare."""


@dataclass(frozen=True, slots=True)
class Say:
    text: str


@dataclass(frozen=True, slots=True)
class Show:
    """A picture."""

    data: bytes
    media_type: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A picture by its address."""

    url: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Paper:
    """A PDF."""

    data: bytes
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Thought:
    """`hidden` stands for one that is shown only encrypted."""

    text: str = ""
    seal: str | None = None
    hidden: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """Of the call with this id."""

    id: str
    text: str
    failed: bool = False
    shown: tuple[Show, ...] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """All up to here is worth keeping in a cache."""

    ttl: str | None = None


Part = Say | Show | Link | Paper | Thought | Call | Result | Mark


@dataclass(frozen=True, slots=True)
class Turn:
    role: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str | None
    schema: Mapping[str, Any]
    strict: bool | None = None
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """Any object where there is no schema."""

    schema: Mapping[str, Any] | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked. `system` is a text, or several with marks among them; `choice` is `auto`, `none`, `required` or
    the name of a tool behind a colon; `options` are by the names of `app.domain.prompts.Options`, and `max_tokens`,
    `temperature` and `effort`."""

    turns: tuple[Turn, ...]
    system: tuple[Say | Mark, ...] = ()
    tools: tuple[Tool, ...] = ()
    choice: str = "auto"
    one_at_a_time: bool = False
    format: Format | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_marked(self) -> bool:
        parts = (part for turn in self.turns for part in turn.parts)
        return any(isinstance(part, Mark) for part in (*self.system, *parts)) or any(tool.mark for tool in self.tools)


@dataclass(slots=True)
class Heard:
    """A request as it is understood: what was said, one part after the other, whosever message it stood in."""

    system: tuple[Say | Mark, ...] = ()
    said: list[tuple[str, Part]] = field(default_factory=list)
    tools: tuple[Tool, ...] = ()
    choice: str = "auto"
    one_at_a_time: bool = False
    format: Format | None = None
    options: dict[str, Any] = field(default_factory=dict)


def joined(parts: Iterable[Part]) -> Iterator[Part]:
    """Texts that follow each other as one."""
    held: Say | None = None
    for part in parts:
        if isinstance(part, Say):
            held = Say(held.text + part.text) if held else part
            continue
        if held:
            yield held
            held = None
        yield part
    if held:
        yield held


def sorted_out(parts: Sequence[Part]) -> Iterator[Part]:
    """As a message holds them that has one field for each kind: thoughts, text, pictures, calls; results before it."""
    yield from (part for part in parts if isinstance(part, Result))
    if thought := "".join(part.text for part in parts if isinstance(part, Thought)):
        yield Thought(thought)
    if text := "".join(part.text for part in parts if isinstance(part, Say)):
        yield Say(text)
    yield from (part for part in parts if not isinstance(part, Result | Thought | Say))


def paired(wanted: Heard, seen: Heard, kept: Iterable[str]) -> Heard:
    """`seen` with the ids of calls that it ought to have, for a side that cannot keep all but those in `kept`."""
    before = [part.id for _, part in wanted.said if isinstance(part, Call)]
    behind = [part.id for _, part in seen.said if isinstance(part, Call)]
    assert len(set(behind)) == len(behind) == len(before), (before, behind)
    names = dict(zip(behind, before, strict=True))
    assert {new for new, old in names.items() if old in set(kept)} == set(kept) & set(before)
    return replace(seen, said=[(role, _renamed(part, names)) for role, part in seen.said])


def differences(wanted: Heard, seen: Heard) -> list[str]:
    """Where they differ, in a few words each: whole requests are too long to be looked at."""
    said = zip_longest(wanted.said, seen.said)
    found = [f"said {number}: {was!r:.200} -> {now!r:.200}" for number, (was, now) in enumerate(said) if was != now]
    rest = (each.name for each in fields(Heard) if each.name != "said")
    told = ((name, getattr(wanted, name), getattr(seen, name)) for name in rest)
    return found[:3] + [f"{name}: {was!r:.200} -> {now!r:.200}" for name, was, now in told if was != now]


def _renamed(part: Part, names: Mapping[str, str]) -> Part:
    return replace(part, id=names.get(part.id, part.id)) if isinstance(part, Call | Result) else part
