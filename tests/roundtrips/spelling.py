"""What the spellings of all doors have in common."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from tests.roundtrips.cases import Case, Part, Say, Tool, Turn

Json = dict[str, Any]


def data_url(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{b64encode(data).decode()}"


def told(**fields: Any) -> Json:
    """Without those that say nothing."""
    return {name: value for name, value in fields.items() if value is not None}


def of(turn: Turn, *kinds: type[Part]) -> list[Any]:
    return [part for part in turn.parts if isinstance(part, kinds)]


def texts(turn: Turn) -> str:
    return "".join(part.text for part in of(turn, Say))


def function(tool: Tool) -> Json:
    return told(name=tool.name, description=tool.description, parameters=tool.schema, strict=tool.strict)


def openai_choice(case: Case, rng: Random, named: Callable[[str], Json]) -> Json:
    choice: Any = named(case.choice[1:]) if case.choice.startswith(":") else case.choice
    return told(
        tool_choice=rng.choice((None, "auto")) if choice == "auto" else choice,
        parallel_tool_calls=False if case.one_at_a_time else rng.choice((None, True)),
    )


def named_schema(case: Case) -> Json:
    wanted = case.format
    assert wanted is not None
    return told(
        name=wanted.name or "answer", description=wanted.description, schema=wanted.schema, strict=wanted.strict
    )


def named_options(case: Case, names: Mapping[str, str]) -> Json:
    """The options by the names that they have at a door, where not as in a case."""
    return {
        names.get(name, name): list(value) if isinstance(value, tuple) else value
        for name, value in case.options.items()
    }
