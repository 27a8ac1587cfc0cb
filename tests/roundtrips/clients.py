"""What clients read at each door: of a stream, and of a whole answer."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.roundtrips.answers import Read
from tests.roundtrips.cases import Call, Part, Say, Thought
from tests.sse import Event, parse

Json = Mapping[str, Any]
Reader = Callable[[bytes], Read]


# OpenAI's chat completions

_CHAT_COUNTS = {"prompt": "prompt_tokens", "completion": "completion_tokens"}
_CHAT_FINISHES = {"content_filter": "refusal"}


def chat_whole(body: bytes) -> Read:
    answer = json.loads(body)
    (choice,) = answer["choices"]
    message = choice["message"]
    calls = [_chat_call(call) for call in message.get("tool_calls", ())]
    said = _sorted(message.get("reasoning_content", ""), message["content"] or "", calls)
    finish = choice["finish_reason"]
    return Read(said, _CHAT_FINISHES.get(finish, finish), None, _chat_counts(answer["usage"]))


def chat_streamed(body: bytes) -> Read:
    *events, last = parse(body)
    assert (last.name, last.data) == ("message", "[DONE]")
    *chunks, counted = [event.json for event in events]
    assert counted["choices"] == []
    thought = said = ""
    calls: list[dict[str, Any]] = []
    finishes: list[str] = []
    for (choice,) in (chunk["choices"] for chunk in chunks):
        assert not finishes, "nothing follows the finish"
        delta = choice["delta"]
        thought += delta.get("reasoning_content") or ""
        said += delta.get("content") or ""
        for piece in delta.get("tool_calls", ()):
            if piece["index"] == len(calls):
                calls.append({"id": piece["id"], "function": {"name": piece["function"]["name"], "arguments": ""}})
            else:
                assert piece.keys() == {"index", "function"}
            calls[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]
        finishes += filter(None, [choice["finish_reason"]])
    (finish,) = finishes
    parts = _sorted(thought, said, [_chat_call(call) for call in calls])
    return Read(parts, _CHAT_FINISHES.get(finish, finish), None, _chat_counts(counted["usage"]))


def _chat_call(call: Json) -> Call:
    return Call(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))


def _chat_counts(usage: Json) -> dict[str, int]:
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    return {
        "prompt": usage["prompt_tokens"],
        "completion": usage["completion_tokens"],
        "cached": usage["prompt_tokens_details"]["cached_tokens"],
        "reasoning": usage["completion_tokens_details"]["reasoning_tokens"],
    }


def _sorted(thought: str, said: str, calls: Iterable[Call]) -> list[Part]:
    return [*([Thought(thought)] if thought else ()), *([Say(said)] if said else ()), *calls]


# OpenAI's responses


def responses_whole(body: bytes) -> Read:
    return _response(json.loads(body))


def responses_streamed(body: bytes) -> Read:
    """What the last event holds, which all before it have to add up to."""
    events = [event.json for event in parse(body)]
    assert [event.name for event in parse(body)] == [event["type"] for event in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[0]["type"] == "response.created"
    final = events[-1]["response"]
    assert events[-1]["type"] == f"response.{final['status']}"
    items: dict[int, Json] = {}
    added: dict[str, str] = {}
    for event in events[1:-1]:
        match event["type"].removeprefix("response."):
            case "output_item.added":
                assert event["output_index"] == len(added)
                added[event["item"]["id"]] = ""
            case "output_text.delta" | "reasoning_summary_text.delta" | "function_call_arguments.delta":
                added[event["item_id"]] += event["delta"]
            case "output_item.done":
                items[event["output_index"]] = event["item"]
    assert [items[index] for index in sorted(items)] == final["output"]
    assert list(added.values()) == [_held(item) for item in final["output"]]
    return _response(final)


def _response(response: Json) -> Read:
    cut = (response["incomplete_details"] or {}).get("reason")
    assert response["status"] == ("incomplete" if cut else "completed")
    finish = {"max_output_tokens": "length", "content_filter": "refusal", None: "stop"}[cut]
    usage = response["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    counts = {
        "prompt": usage["input_tokens"],
        "completion": usage["output_tokens"],
        "cached": usage["input_tokens_details"]["cached_tokens"],
        "written": usage["input_tokens_details"]["cache_write_tokens"],
        "reasoning": usage["output_tokens_details"]["reasoning_tokens"],
    }
    return Read([_output(item) for item in response["output"]], finish, None, counts)


def _output(item: Json) -> Part:
    held = _held(item)
    match item["type"]:
        case "message":
            return Say(held)
        case "reasoning":
            sealed = item.get("encrypted_content")
            if sealed is not None and sealed.startswith("redacted:"):
                return Thought(held, hidden=sealed.removeprefix("redacted:"))
            return Thought(held, sealed)
        case _:
            return Call(item["call_id"], item["name"], json.loads(held))


def _held(item: Json) -> str:
    match item:
        case {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": str(said)}]}:
            return said
        case {"type": "reasoning", "summary": [{"type": "summary_text", "text": str(thought)}]}:
            return thought
        case {"type": "reasoning", "summary": []}:
            return ""
        case {"type": "function_call", "arguments": str(arguments)}:
            return arguments
        case _:
            raise AssertionError(item)


# Anthropic's Messages API

_STOP_REASONS: Mapping[str, str] = {
    "end_turn": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "stop_sequence": "stop_sequence",
}


def messages_whole(body: bytes) -> Read:
    message = json.loads(body)
    return _message(message, message["content"])


def messages_streamed(body: bytes) -> Read:
    events = parse(body)
    assert all(event.name == event.json["type"] for event in events)
    kinds = [event.name for event in events if event.name != "ping"]
    assert (kinds[0], *kinds[-2:]) == ("message_start", "message_delta", "message_stop")
    blocks: list[dict[str, Any]] = []
    open_block: int | None = None
    for event in (event.json for event in events if event.name.startswith("content_block")):
        match event["type"]:
            case "content_block_start":
                assert (open_block, event["index"]) == (None, len(blocks))
                open_block = event["index"]
                blocks.append({**event["content_block"], "json": ""})
            case "content_block_delta":
                assert event["index"] == open_block
                _add(blocks[-1], event["delta"])
            case "content_block_stop":
                assert event["index"] == open_block
                open_block = None
    assert open_block is None
    for block in blocks:
        if block["type"] == "tool_use":
            assert block["input"] == {}
            block["input"] = json.loads(block["json"] or "{}")
    delta = _only(events, "message_delta")
    return _message({**_only(events, "message_start")["message"], **delta["delta"], "usage": delta["usage"]}, blocks)


def _add(block: dict[str, Any], delta: Json) -> None:
    names = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
    if delta["type"] == "input_json_delta":
        block["json"] += delta["partial_json"]
    else:
        name = names[delta["type"]]
        block[name] += delta[name]


def _only(events: Iterable[Event], name: str) -> Json:
    (found,) = [event.json for event in events if event.name == name]
    kept: Json = found
    return kept


def _message(message: Json, content: Iterable[Json]) -> Read:
    assert (message["type"], message["role"]) == ("message", "assistant")
    usage, reason = message["usage"], message["stop_reason"]
    cached, written = usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]
    counts = {
        "prompt": usage["input_tokens"] + cached + written,
        "completion": usage["output_tokens"],
        "cached": cached,
        "written": written,
        "reasoning": usage["output_tokens_details"]["thinking_tokens"],
    }
    finish = _STOP_REASONS.get(reason, str(reason))
    return Read([_block(block) for block in content], finish, message["stop_sequence"], counts)


def _block(block: Json) -> Part:
    match block:
        case {"type": "text", "text": str(said)}:
            return Say(said)
        case {"type": "thinking", "thinking": str(thought), "signature": str(seal)}:
            return Thought(thought, seal or None)
        case {"type": "redacted_thinking", "data": str(data)}:
            return Thought(hidden=data)
        case {"type": "tool_use", "id": identity, "name": name, "input": dict(given)}:
            return Call(identity, name, given)
        case _:
            raise AssertionError(block)


# Ollama's chat


def ollama_whole(body: bytes) -> Read:
    return _lines([json.loads(body)])


def ollama_streamed(body: bytes) -> Read:
    assert body.endswith(b"\n")
    return _lines([json.loads(line) for line in body.split(b"\n")[:-1]])


def _lines(lines: list[Json]) -> Read:
    *before, last = lines
    assert not any(line["done"] for line in before)
    assert last["done"]
    messages = [line["message"] for line in lines]
    assert all(message["role"] == "assistant" for message in messages)
    calls = [
        Call(call["id"], call["function"]["name"], call["function"]["arguments"])
        for message in messages
        for call in message.get("tool_calls", ())
    ]
    thought = "".join(message.get("thinking", "") for message in messages)
    parts = _sorted(thought, "".join(message["content"] for message in messages), calls)
    counts = {"prompt": last["prompt_eval_count"], "completion": last["eval_count"]}
    return Read(parts, last["done_reason"], None, counts)


WHOLE: Mapping[str, Reader] = {
    "chat": chat_whole,
    "responses": responses_whole,
    "messages": messages_whole,
    "ollama": ollama_whole,
}
STREAMED: Mapping[str, Reader] = {
    "chat": chat_streamed,
    "responses": responses_streamed,
    "messages": messages_streamed,
    "ollama": ollama_streamed,
}
