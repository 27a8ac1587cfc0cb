"""Cases in the JSON of Ollama's chat."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from random import Random

from tests.roundtrips.cases import Call, Case, Result, Say, Show, Thought, Turn
from tests.roundtrips.spelling import (
    Json,
    function,
    of,
    texts,
    told,
)


def spelled(case: Case, rng: Random, *, with_ids: bool = True) -> Json:
    named = {call.id: call.name for turn in case.turns for call in of(turn, Call)}
    system = [{"role": "system", "content": part.text} for part in case.system if isinstance(part, Say)]
    options = dict(case.options)
    effort = options.pop("effort", None)
    if "stop" in options:
        options["stop"] = list(options["stop"])
    if "max_tokens" in options:
        options["num_predict"] = options.pop("max_tokens")
    think = {"none": False, "medium": rng.choice((True, "medium"))}.get(effort, effort)
    schema = None if case.format is None else "json" if case.format.schema is None else case.format.schema
    said = (message for turn in case.turns for message in _turn(turn, named, with_ids=with_ids))
    return {
        "model": "vendor/model",
        "messages": [*system, *said],
        "options": options,
        **told(
            tools=[{"type": "function", "function": function(tool)} for tool in case.tools] or None,
            think=think,
            format=schema,
        ),
    }


def _turn(turn: Turn, named: Mapping[str, str], *, with_ids: bool) -> Iterator[Json]:
    for result in of(turn, Result):
        told_by = {"tool_call_id": result.id} if with_ids else {}
        yield {"role": "tool", "tool_name": named[result.id], "content": result.text} | told_by
    if turn.role == "assistant":
        calls = [
            ({"id": call.id} if with_ids else {}) | {"function": {"name": call.name, "arguments": call.arguments}}
            for call in of(turn, Call)
        ]
        thought = "".join(part.text for part in of(turn, Thought))
        yield told(role="assistant", content=texts(turn), thinking=thought or None, tool_calls=calls or None)
    elif any(not isinstance(part, Result) for part in turn.parts):
        images = [b64encode(part.data).decode() for part in of(turn, Show)]
        yield told(role=turn.role, content=texts(turn), images=images or None)
