"""Cases in the JSON of Anthropic's Messages API."""

from base64 import b64encode
from random import Random
from typing import Any

from tests.roundtrips.cases import Call, Case, Link, Mark, Paper, Part, Result, Say, Show, Thought, Tool, Turn
from tests.roundtrips.spelling import (
    Json,
    told,
)


def spelled(case: Case, rng: Random) -> Json:
    options = dict(case.options)
    if effort := options.pop("effort", None):
        options |= _effort(effort)
    if case.format is not None:
        wanted = {"type": "json_schema", "schema": case.format.schema}
        options["output_config"] = {**options.get("output_config", {}), "format": wanted}
    system = _blocks(case.system)
    plain = len(system) == 1 and rng.random() < 0.5
    return {
        "model": "vendor/model",
        "max_tokens": 4096,
        "messages": [{"role": turn.role, "content": _content(turn, rng)} for turn in case.turns],
        **told(
            system=(system[0]["text"] if plain else system) or None,
            tools=[_anthropic_tool(tool) for tool in case.tools] or None,
            tool_choice=_anthropic_choice(case, rng),
        ),
        **{
            "stop_sequences" if name == "stop" else name: list(value) if isinstance(value, tuple) else value
            for name, value in options.items()
        },
    }


def _effort(effort: str) -> Json:
    return {"thinking": {"type": "disabled"}} if effort == "none" else {"output_config": {"effort": effort}}


def _content(turn: Turn, rng: Random) -> Any:
    blocks = _blocks(turn.parts)
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"} and rng.random() < 0.5:
        return blocks[0]["text"]
    return blocks


def _blocks(parts: tuple[Part, ...]) -> list[Json]:
    blocks: list[Json] = []
    for part in parts:
        if isinstance(part, Mark):
            blocks[-1]["cache_control"] = _mark(part)
        else:
            blocks.append(_block(part))
    return blocks


def _mark(mark: Mark) -> Json:
    return {"type": "ephemeral"} | told(ttl=mark.ttl)


def _block(part: Part) -> Json:
    match part:
        case Say(text):
            return {"type": "text", "text": text}
        case Show(data, media_type):
            source = {"type": "base64", "media_type": media_type, "data": b64encode(data).decode()}
            return {"type": "image", "source": source}
        case Link(url):
            return {"type": "image", "source": {"type": "url", "url": url}}
        case Paper(data, title):
            source = {"type": "base64", "media_type": "application/pdf", "data": b64encode(data).decode()}
            return {"type": "document", "source": source} | told(title=title)
        case Thought(hidden=str(data)):
            return {"type": "redacted_thinking", "data": data}
        case Thought(text, seal):
            return {"type": "thinking", "thinking": text, "signature": seal or ""}
        case Call(call_id, name, arguments):
            return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}
        case Result(call_id, text, failed, shown):
            content: Any = [_block(Say(text)), *map(_block, shown)] if shown else text
            return {"type": "tool_result", "tool_use_id": call_id, "content": content, "is_error": failed}
        case _:
            raise AssertionError(part)


def _anthropic_tool(tool: Tool) -> Json:
    mark = _mark(tool.mark) if tool.mark else None
    return told(
        name=tool.name, description=tool.description, input_schema=tool.schema, strict=tool.strict, cache_control=mark
    )


def _anthropic_choice(case: Case, rng: Random) -> Json | None:
    if case.choice == "auto" and not case.one_at_a_time and rng.random() < 0.5:
        return None
    kind = "tool" if case.choice.startswith(":") else {"required": "any"}.get(case.choice, case.choice)
    return told(
        type=kind,
        name=case.choice[1:] if kind == "tool" else None,
        disable_parallel_tool_use=True if case.one_at_a_time else None,
    )
