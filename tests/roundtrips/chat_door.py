"""Cases in the JSON of OpenAI's chat completions."""

import json
from collections.abc import Iterator
from random import Random

from tests.roundtrips.cases import Call, Case, Link, Mark, Paper, Part, Result, Say, Show, Thought, Turn
from tests.roundtrips.spelling import (
    Json,
    data_url,
    function,
    named_options,
    named_schema,
    of,
    openai_choice,
    texts,
    told,
)


def spelled(case: Case, rng: Random) -> Json:
    system = [
        _said(rng.choice(("system", "developer")), each.text, rng) for each in case.system if isinstance(each, Say)
    ]
    return {
        "model": "vendor/model",
        "messages": [*system, *(message for turn in case.turns for message in _turn(turn, rng))],
        **openai_choice(case, rng, lambda name: {"type": "function", "function": {"name": name}}),
        **told(
            tools=[{"type": "function", "function": function(tool)} for tool in case.tools] or None,
            response_format=_format(case),
        ),
        **named_options(
            case,
            {
                "repeat_penalty": "repetition_penalty",
                "effort": "reasoning_effort",
                "max_tokens": rng.choice(("max_tokens", "max_completion_tokens")),
            },
        ),
    }


def _said(role: str, text: str, rng: Random) -> Json:
    return {"role": role, "content": rng.choice((text, [{"type": "text", "text": text}]))}


def _turn(turn: Turn, rng: Random) -> Iterator[Json]:
    if turn.role == "assistant":
        yield _answered(turn)
        return
    if turn.role == "system":
        yield _said("system", texts(turn), rng)
        return
    for result in of(turn, Result):
        message = _said("tool", result.text, rng) | {"tool_call_id": result.id}
        if result.shown:
            message["content"] = [{"type": "text", "text": result.text}, *map(_part, result.shown)]
        yield message
    parts = [_part(part) for part in turn.parts if not isinstance(part, Result | Mark)]
    if len(parts) == 1 and parts[0]["type"] == "text":
        yield _said("user", parts[0]["text"], rng)
    elif parts:
        yield {"role": "user", "content": parts}


def _part(part: Part) -> Json:
    match part:
        case Say(text):
            return {"type": "text", "text": text}
        case Show(data, media_type, detail):
            return {"type": "image_url", "image_url": told(url=data_url(data, media_type), detail=detail)}
        case Link(url, detail):
            return {"type": "image_url", "image_url": told(url=url, detail=detail)}
        case Paper(data, title):
            return {"type": "file", "file": told(file_data=data_url(data, "application/pdf"), filename=title)}
        case _:
            raise AssertionError(part)


def _answered(turn: Turn) -> Json:
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": json.dumps(call.arguments)}}
        for call in of(turn, Call)
    ]
    thought = "".join(part.text for part in of(turn, Thought))
    message = {"role": "assistant", "content": texts(turn) or None}
    return message | told(reasoning_content=thought or None, tool_calls=calls or None)


def _format(case: Case) -> Json | None:
    if case.format is None or case.format.schema is None:
        return None if case.format is None else {"type": "json_object"}
    return {"type": "json_schema", "json_schema": named_schema(case)}
