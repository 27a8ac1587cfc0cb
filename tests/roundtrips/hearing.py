"""What a vendor is to hear of a case, all that it has a word for, and what was lost on the way."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from tests.roundtrips.abilities import VENDORS
from tests.roundtrips.cases import (
    OPENAI_SEAL,
    Call,
    Case,
    Format,
    Heard,
    Link,
    Mark,
    Paper,
    Part,
    Result,
    Say,
    Show,
    Thought,
    Tool,
    differences,
    joined,
    paired,
    sorted_out,
)
from tests.roundtrips.readers import READERS

_LONGEST_OPENAI_ID = 40
_LEAST_TOKENS = 16
_TOOL = Tool("f1", None, {"type": "object", "properties": {}})
_ANTHROPIC_ID = re.compile(r"[a-zA-Z0-9_-]+")


def settled(case: Case, vendor: str) -> Case:
    """The case with no two options that the vendor's model refuses together (`claude-sonnet-4-6`); with a tool, and no
    lower bound than it takes, for one that is asked elsewhere without (`gpt-6.1-terra`)."""
    if vendor == "openai-responses":
        options = dict(case.options)
        if "max_tokens" in options:
            options["max_tokens"] = max(options["max_tokens"], _LEAST_TOKENS)
        return replace(case, options=options, tools=case.tools or (_TOOL,))
    if vendor != "anthropic":
        return case
    out: tuple[str, ...] = ("top_p",) if "temperature" in case.options else ()
    if case.options.get("effort", "none") != "none":
        out = ("temperature", "top_p", "top_k")
    return replace(case, options={name: value for name, value in case.options.items() if name not in out})


def keeps_id(vendor: str, call_id: str) -> bool:
    """OpenAI's have a limit, and Anthropic's a pattern; another name for the call is as good."""
    if vendor in ("openai", "openai-responses", "compatible", "deepseek"):
        return len(call_id) <= _LONGEST_OPENAI_ID
    return vendor != "anthropic" or _ANTHROPIC_ID.fullmatch(call_id) is not None


def heard(case: Case, vendor: str) -> Heard:
    hears = VENDORS[vendor]
    silent = vendor == "ollama" and case.choice == "none"
    return Heard(
        system=_system(case, vendor),
        said=list(_said(case, vendor)),
        tools=() if silent else tuple(_tool(tool, vendor) for tool in case.tools),
        choice="auto" if silent else case.choice,
        one_at_a_time=case.one_at_a_time,
        format=_format(case.format, "format_name" in hears),
        options=_options(case, vendor),
    )


def lost(case: Case, vendor: str, body: dict[str, Any], *, ids: bool = True) -> list[str]:
    """What the vendor hears otherwise than it was said; without `ids` the door has none for calls."""
    wanted, seen = heard(case, vendor), READERS[vendor](body)
    if not case.is_marked:  # then the vendor is told on our own account what to cache
        seen = replace(
            seen,
            said=[each for each in seen.said if not isinstance(each[1], Mark)],
            tools=tuple(replace(tool, mark=None) for tool in seen.tools),
        )
    if "max_tokens" not in case.options:
        seen.options.pop("max_tokens", None)  # not all can be left without a bound
    calls = [part.id for _, part in wanted.said if isinstance(part, Call)]
    kept = [each for each in calls if ids and keeps_id(vendor, each)]
    return differences(wanted, paired(wanted, seen, kept))


def _system(case: Case, vendor: str) -> tuple[Say | Mark, ...]:
    if "marks" in VENDORS[vendor] or not case.system:
        return case.system
    return (Say("\n\n".join(part.text for part in case.system if isinstance(part, Say))),)


def _tool(tool: Tool, vendor: str) -> Tool:
    if vendor == "anthropic":
        return replace(tool, strict=tool.strict or None)
    if vendor == "openai-responses":  # where one is strict of which nothing is said
        return replace(tool, strict=bool(tool.strict), mark=None)
    return replace(tool, strict=tool.strict if "strict" in VENDORS[vendor] else None, mark=None)


def _format(wanted: Format | None, named: bool) -> Format | None:
    if wanted is None or wanted.schema is None:
        return wanted
    return replace(wanted, name=wanted.name or "answer") if named else Format(wanted.schema)


def _options(case: Case, vendor: str) -> dict[str, Any]:
    options = dict(case.options)
    forced = case.choice not in ("auto", "none")
    if vendor == "deepseek" and forced:
        options["effort"] = "none"  # which does not think when it has to call a tool
    return options


def _said(case: Case, vendor: str) -> Iterator[tuple[str, Part]]:
    hears, used_tools = VENDORS[vendor], False
    for turn in case.turns:
        used_tools = used_tools or any(isinstance(part, Call) for part in turn.parts)
        thoughts = used_tools if vendor == "deepseek" else not _rests(case, vendor)
        parts: Sequence[Part] = [told for part in turn.parts for told in _told(part, vendor, thoughts=thoughts)]
        if ("order" if turn.role == "assistant" else "picture_order") not in hears:
            parts = [*sorted_out(parts)]
        role = "user" if turn.role == "system" and "midway" not in hears else turn.role
        for part in joined(parts):
            yield role, part


def _rests(case: Case, vendor: str) -> bool:
    """A Claude that is not to think, or may not before a call that it has to make, is not told what it thought."""
    effort, forced = case.options.get("effort"), case.choice not in ("auto", "none")
    return vendor == "anthropic" and (effort == "none" or (effort is not None and forced))


def _told(part: Part, vendor: str, *, thoughts: bool) -> Iterator[Part]:
    hears = VENDORS[vendor]
    match part:
        case Thought():
            yield from _thought(part, vendor) if thoughts else ()
        case Show() | Link():
            unsaid = "detail" not in hears or (vendor == "openai-responses" and part.detail == "auto")
            yield replace(part, detail=None) if unsaid else part
        case Paper(data, title):
            yield part if vendor == "anthropic" else Paper(data, title or "document.pdf")
        case Result():
            yield part if "failed" in hears else replace(part, failed=False)
        case Mark() if "marks" not in hears:
            return
        case _:
            yield part


def _thought(part: Thought, vendor: str) -> Iterator[Part]:
    """Sealed where its seal is read, for without one nothing can be done with it there; else the text alone."""
    hears, openais = VENDORS[vendor], (part.seal or "").startswith(OPENAI_SEAL)
    if "seals" in hears:
        if openais == (vendor == "openai-responses") and (part.seal or part.hidden):
            yield part
    elif "thoughts" in hears and part.text:
        yield Thought(part.text)
