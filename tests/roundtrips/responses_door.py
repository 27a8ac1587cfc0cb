"""Cases in the JSON of OpenAI's responses."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

from tests.roundtrips.cases import Call, Case, Link, Mark, Paper, Part, Result, Say, Show, Thought, Turn
from tests.roundtrips.spelling import Json, data_url, function, named_schema, of, openai_choice, texts, told


def spelled(case: Case, rng: Random) -> Json:
    system = [part.text for part in case.system if isinstance(part, Say)]
    body = {
        "model": "vendor/model",
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "input": [item for turn in case.turns for item in _items(turn, rng)],
        **openai_choice(case, rng, lambda name: {"type": "function", "name": name}),
        **told(tools=[{"type": "function", **function(tool)} for tool in case.tools] or None),
    }
    if system and rng.random() < 0.5:
        body["instructions"] = "\n\n".join(system)
    else:
        body["input"] = [*(_item("developer", text, "input_text", rng) for text in system), *body["input"]]
    for name, value in case.options.items():
        match name:
            case "effort":
                body["reasoning"] = {"effort": value}
            case "verbosity":
                body["text"] = {"verbosity": value}
            case _:
                body["max_output_tokens" if name == "max_tokens" else name] = value
    if case.format is not None:
        kind = {"type": "json_object"} if case.format.schema is None else {"type": "json_schema", **named_schema(case)}
        body["text"] = {**body.get("text", {}), "format": kind}
    return body


def _item(role: str, text: str, kind: str, rng: Random) -> Json:
    content = rng.choice((text, [{"type": kind, "text": text}]))
    return {"role": role, "content": content} | rng.choice(({}, {"type": "message"}))


def _items(turn: Turn, rng: Random) -> Iterator[Json]:
    if turn.role == "assistant":
        for part in turn.parts:
            yield _answered_item(part, rng)
        return
    if turn.role == "system":
        yield _item("system", texts(turn), "input_text", rng)
        return
    for result in of(turn, Result):
        told_text = {"type": "input_text", "text": result.text}
        output: Any = (
            [told_text, *map(_input, result.shown)] if result.shown else rng.choice((result.text, [told_text]))
        )
        yield {"type": "function_call_output", "call_id": result.id, "output": output}
    parts = [_input(part) for part in turn.parts if not isinstance(part, Result | Mark)]
    if len(parts) == 1 and "text" in parts[0]:
        yield _item("user", parts[0]["text"], "input_text", rng)
    elif parts:
        yield {"type": "message", "role": "user", "content": parts}


def _answered_item(part: Part, rng: Random) -> Json:
    match part:
        case Say(text):
            return _item("assistant", text, "output_text", rng)
        case Thought(text, seal, hidden):
            summary = [{"type": "summary_text", "text": text}] if text else []
            sealed = f"redacted:{hidden}" if hidden else seal
            return {"type": "reasoning", "id": "rs_1", "summary": summary} | told(encrypted_content=sealed)
        case Call(call_id, name, arguments):
            spelled = json.dumps(arguments, ensure_ascii=False)
            return {"type": "function_call", "id": "fc_1", "call_id": call_id, "name": name, "arguments": spelled}
        case _:
            raise AssertionError(part)


def _input(part: Part) -> Json:
    match part:
        case Say(text):
            return {"type": "input_text", "text": text}
        case Show(data, media_type, detail):
            return {"type": "input_image"} | told(image_url=data_url(data, media_type), detail=detail)
        case Link(url, detail):
            return {"type": "input_image"} | told(image_url=url, detail=detail)
        case Paper(data, title):
            return {"type": "input_file"} | told(file_data=data_url(data, "application/pdf"), filename=title)
        case _:
            raise AssertionError(part)
