"""What reached a vendor, read back from its own JSON."""

import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tests.roundtrips.cases import (
    OPENAI_SEAL,
    Call,
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
    joined,
)

Body = Mapping[str, Any]
_ANTHROPIC_ID = re.compile(r"[a-zA-Z0-9_-]+")
"""Of a call; any other is refused."""
_FRAME = ("model", "messages", "stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls")


# OpenAI's protocol, DeepSeek's, and that of servers of one's own


def openai(body: Body) -> Heard:
    sent = list(body["messages"])
    first = sent.pop(0)["content"] if sent[0]["role"] == "system" else None
    choice = body.get("tool_choice", "auto")
    return Heard(
        system=() if first is None else (Say(first),),
        said=[said for message in sent for said in _openai_message(message)],
        tools=tuple(map(_function, body.get("tools", ()))),
        choice=choice if isinstance(choice, str) else f":{choice['function']['name']}",
        one_at_a_time=body.get("parallel_tool_calls") is False,
        format=_openai_format(body.get("response_format")),
        options=dict(_openai_options(body)),
    )


def _openai_message(message: Body) -> Iterator[tuple[str, Part]]:
    role, content = message["role"], message["content"]
    if role == "tool":
        yield "user", Result(message["tool_call_id"], content)
        return
    if thought := message.get("reasoning_content"):
        yield role, Thought(thought)
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or ()
    for part in joined(map(_openai_part, parts)):
        yield role, part
    for call in message.get("tool_calls", ()):
        assert call["type"] == "function"
        function = call["function"]
        yield role, Call(call["id"], function["name"], json.loads(function["arguments"]))


def _openai_part(part: Body) -> Part:
    match part:
        case {"type": "text", "text": text}:
            return Say(text)
        case {"type": "image_url", "image_url": {"url": url} as image}:
            if not url.startswith("data:"):
                return Link(url, image.get("detail"))
            return Show(*_data_url(url), image.get("detail"))
        case {"type": "file", "file": {"file_data": url, "filename": name}}:
            data, media_type = _data_url(url)
            assert media_type == "application/pdf"
            return Paper(data, name)
        case _:
            raise AssertionError(part)


def _data_url(url: str) -> tuple[bytes, str]:
    head, data = url.removeprefix("data:").split(";base64,")
    return b64decode(data, validate=True), head


def _function(tool: Body) -> Tool:
    assert tool["type"] == "function"
    function = tool["function"]
    return Tool(function["name"], function.get("description"), function["parameters"], function.get("strict"))


def _openai_format(given: Body | None) -> Format | None:
    match given:
        case None:
            return None
        case {"type": "json_object"}:
            return Format()
        case {"type": "json_schema", "json_schema": wanted}:
            return Format(wanted["schema"], wanted["name"], wanted.get("description"), wanted.get("strict"))
        case _:
            raise AssertionError(given)


def _openai_options(body: Body) -> Iterator[tuple[str, Any]]:
    names = {
        "max_completion_tokens": "max_tokens",
        "repetition_penalty": "repeat_penalty",
        "reasoning_effort": "effort",
    }
    for name, value in body.items():
        if name == "thinking":
            if value["type"] == "disabled":
                yield "effort", "none"
        elif name not in (*_FRAME, "response_format"):
            yield names.get(name, name), tuple(value) if isinstance(value, list) else value


# OpenAI's responses


def responses(body: Body) -> Heard:
    assert (body["stream"], body["store"], body["include"]) == (True, False, ["reasoning.encrypted_content"])
    choice = body.get("tool_choice", "auto")
    text = body.get("text", {})
    return Heard(
        system=(Say(body["instructions"]),) if "instructions" in body else (),
        said=[said for item in body["input"] for said in _response_item(item)],
        tools=tuple(map(_response_tool, body["tools"])),
        choice=choice if isinstance(choice, str) else f":{choice['name']}",
        one_at_a_time=body.get("parallel_tool_calls") is False,
        format=_response_format(text.get("format")),
        options=dict(_response_options(body, text)),
    )


def _response_item(item: Body) -> Iterator[tuple[str, Part]]:
    match item:
        case {"type": "reasoning", "summary": summary, "encrypted_content": seal}:
            yield "assistant", Thought("".join(part["text"] for part in summary), OPENAI_SEAL + seal)
        case {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}:
            yield "assistant", Call(call_id, name, json.loads(arguments))
        case {"type": "function_call_output", "call_id": call_id, "output": str(output)}:
            yield "user", Result(call_id, output)
        case {"type": "function_call_output", "call_id": call_id, "output": output}:
            parts = list(map(_response_part, output))
            text = "".join(part.text for part in parts if isinstance(part, Say))
            yield "user", Result(call_id, text, shown=tuple(part for part in parts if isinstance(part, Show)))
        case {"role": role, "content": content}:
            parts = [Say(content)] if isinstance(content, str) else list(map(_response_part, content))
            for part in joined(parts):
                yield "system" if role == "developer" else role, part
        case _:
            raise AssertionError(item)


def _response_part(part: Body) -> Part:
    detail = None if part.get("detail") == "auto" else part.get("detail")
    match part:
        case {"type": "input_text" | "output_text", "text": text}:
            return Say(text)
        case {"type": "input_image", "image_url": url}:
            return Show(*_data_url(url), detail) if url.startswith("data:") else Link(url, detail)
        case {"type": "input_file", "file_data": url, "filename": name}:
            data, media_type = _data_url(url)
            assert media_type == "application/pdf"
            return Paper(data, name)
        case _:
            raise AssertionError(part)


def _response_tool(tool: Body) -> Tool:
    assert tool["type"] == "function"
    return Tool(tool["name"], tool.get("description"), tool["parameters"], tool["strict"])


def _response_format(given: Body | None) -> Format | None:
    if given is None or given["type"] == "json_object":
        return None if given is None else Format()
    assert given["type"] == "json_schema"
    return Format(given["schema"], given["name"], given.get("description"), given.get("strict"))


def _response_options(body: Body, text: Body) -> Iterator[tuple[str, Any]]:
    yield from ((name, body[name]) for name in ("temperature", "top_p") if name in body)
    if "max_output_tokens" in body:
        yield "max_tokens", body["max_output_tokens"]
    if "verbosity" in text:
        yield "verbosity", text["verbosity"]
    if "effort" in body["reasoning"]:
        yield "effort", body["reasoning"]["effort"]


# Anthropic's


def anthropic(body: Body) -> Heard:
    system = body.get("system", "")
    choice = body.get("tool_choice", {"type": "auto"})
    kinds = {"any": "required", "tool": f":{choice.get('name')}"}
    output = body.get("output_config", {})
    return Heard(
        system=tuple(_system(system)),
        said=[(message["role"], part) for message in body["messages"] for part in _content(message["content"])],
        tools=tuple(map(_anthropic_tool, body.get("tools", ()))),
        choice=kinds.get(choice["type"], choice["type"]),
        one_at_a_time=choice.get("disable_parallel_tool_use", False),
        format=Format(output["format"]["schema"]) if "format" in output else None,
        options=dict(_anthropic_options(body, output)),
    )


def _system(given: Any) -> Iterator[Say | Mark]:
    for part in _content(given) if given else ():
        assert isinstance(part, Say | Mark)
        yield part


def _content(content: str | list[Body]) -> Iterator[Part]:
    if isinstance(content, str):
        yield Say(content)
        return
    for block in content:
        yield _block(block)
        if mark := block.get("cache_control"):
            yield Mark(mark.get("ttl"))


def _block(block: Body) -> Part:
    assert _ANTHROPIC_ID.fullmatch(block.get("id") or block.get("tool_use_id") or "_"), block
    match block:
        case {"type": "text", "text": text}:
            return Say(text)
        case {"type": "image", "source": {"type": "url", "url": url}}:
            return Link(url)
        case {"type": "image", "source": {"type": "base64", "data": data, "media_type": kind}}:
            return Show(b64decode(data, validate=True), kind)
        case {"type": "document", "source": {"data": data, "media_type": "application/pdf"}}:
            return Paper(b64decode(data, validate=True), block.get("title"))
        case {"type": "thinking", "thinking": thought, "signature": seal}:
            return Thought(thought, seal)
        case {"type": "redacted_thinking", "data": data}:
            return Thought(hidden=data)
        case {"type": "tool_use", "id": call_id, "name": name, "input": arguments}:
            return Call(call_id, name, arguments)
        case {"type": "tool_result", "tool_use_id": call_id, "content": content}:
            parts = list(_content(content)) if content else []
            text = "".join(part.text for part in parts if isinstance(part, Say))
            shown = tuple(part for part in parts if isinstance(part, Show))
            return Result(call_id, text, block.get("is_error", False), shown)
        case _:
            raise AssertionError(block)


def _anthropic_tool(tool: Body) -> Tool:
    mark = Mark(tool["cache_control"].get("ttl")) if "cache_control" in tool else None
    return Tool(tool["name"], tool.get("description"), tool["input_schema"], tool.get("strict"), mark)


def _anthropic_options(body: Body, output: Body) -> Iterator[tuple[str, Any]]:
    for name in ("max_tokens", "temperature", "top_p", "top_k"):
        if name in body:
            yield name, body[name]
    if stop := body.get("stop_sequences"):
        yield "stop", tuple(stop)
    if "effort" in output:
        yield "effort", output["effort"]
    elif body.get("thinking", {}).get("type") == "disabled":
        yield "effort", "none"


# Ollama's


def ollama(body: Body) -> Heard:
    sent = list(body["messages"])
    first = sent.pop(0)["content"] if sent[0]["role"] == "system" else None
    given = body.get("format")
    return Heard(
        system=() if first is None else (Say(first),),
        said=list(_ollama_said(sent)),
        tools=tuple(map(_function, body.get("tools", ()))),
        format=None if given is None else Format() if given == "json" else Format(given),
        options=dict(_ollama_options(body)),
    )


def _ollama_said(sent: Iterable[Body]) -> Iterator[tuple[str, Part]]:
    """Of a result its call's name stands beside its id, for templates that know no ids."""
    names: dict[str, str] = {}
    for message in sent:
        role, content = message["role"], message["content"]
        if role == "tool":
            assert message["tool_name"] == names[message["tool_call_id"]]
            yield "user", Result(message["tool_call_id"], content)
            continue
        if thought := message.get("thinking"):
            yield role, Thought(thought)
        if content:
            yield role, Say(content)
        for image in message.get("images", ()):
            data = b64decode(image, validate=True)
            yield role, Show(data, _kind(data))
        for call in message.get("tool_calls", ()):
            names[call["id"]] = call["function"]["name"]
            yield role, Call(call["id"], call["function"]["name"], call["function"]["arguments"])


def _kind(data: bytes) -> str:
    kinds = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif", b"RIFF": "image/webp"}
    return next(kind for head, kind in kinds.items() if data.startswith(head))


def _ollama_options(body: Body) -> Iterator[tuple[str, Any]]:
    for name, value in body["options"].items():
        if name != "num_ctx":
            yield "max_tokens" if name == "num_predict" else name, tuple(value) if name == "stop" else value
    if "think" in body:
        yield "effort", {False: "none", True: "medium"}.get(body["think"], body["think"])


READERS: Mapping[str, Callable[[Body], Heard]] = {
    "openai": openai,
    "openai-responses": responses,
    "compatible": openai,
    "deepseek": openai,
    "anthropic": anthropic,
    "ollama": ollama,
}
