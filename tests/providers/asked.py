"""What a vendor was asked, read back from its own words into one shape, so that one assertion holds for all."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Body = Mapping[str, Any]

# What the vendors call the wish for reasoning.
_EFFORT = ("reasoning_effort", "thinking", "output_config", "think", "reasoning")


@dataclass(slots=True)
class Asked:
    """`turns` are role and text; a result of a tool stands beside the tool's name, which some vendors give by id."""

    model: str
    max_tokens: int
    temperature: float | None
    effort: dict[str, Any]
    system: str | None = None
    turns: list[tuple[str, str]] = field(default_factory=list)
    images: list[bytes] = field(default_factory=list)
    pdfs: list[bytes] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    results: list[tuple[str, str]] = field(default_factory=list)
    _tools: dict[str, str] = field(default_factory=dict)

    def say(self, role: str, text: str | None) -> None:
        if text:
            self.turns.append((role, text))

    def call(self, name: str, arguments: dict[str, Any], call_id: str = "") -> None:
        self.calls.append((name, arguments))
        self._tools[call_id] = name

    def result(self, text: str, call_id: str) -> None:
        self.results.append((self._tools[call_id], text))


Read = Callable[[Body], Asked]


def by_openai(body: Body) -> Asked:
    asked = Asked(body["model"], body["max_tokens"], body.get("temperature"), _effort(body))
    for message in body["messages"]:
        match message:
            case {"role": "system", "content": str(content)}:
                asked.system = content
            case {"role": "tool", "tool_call_id": call_id, "content": content}:
                asked.result(content, call_id)
            case {"role": role, "content": list(content)}:
                asked.say(role, _texts(content))
                asked.images += [_data_url(part["image_url"]["url"]) for part in _of(content, "image_url")]
                asked.pdfs += [_data_url(part["file"]["file_data"]) for part in _of(content, "file")]
            case {"role": role, "content": content}:
                asked.say(role, content)
        for call in message.get("tool_calls", ()):
            function = call["function"]
            asked.call(function["name"], json.loads(function["arguments"]), call["id"])
    return asked


def by_responses(body: Body) -> Asked:
    told = _effort({"reasoning": {"effort": effort}} if (effort := body.get("reasoning", {}).get("effort")) else {})
    asked = Asked(body["model"], body["max_output_tokens"], body.get("temperature"), told, body.get("instructions"))
    for item in body["input"]:
        match item:
            case {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}:
                asked.call(name, json.loads(arguments), call_id)
            case {"type": "function_call_output", "call_id": call_id, "output": output}:
                asked.result(output, call_id)
            case {"role": role, "content": str(content)}:
                asked.say(role, content)
            case {"role": role, "content": content}:
                asked.say(role, "".join(part.get("text", "") for part in content))
                asked.images += [_data_url(part["image_url"]) for part in _of(content, "input_image")]
                asked.pdfs += [_data_url(part["file_data"]) for part in _of(content, "input_file")]
    return asked


def by_anthropic(body: Body) -> Asked:
    asked = Asked(body["model"], body["max_tokens"], body.get("temperature"), _effort(body), body.get("system"))
    for message in body["messages"]:
        content = message["content"]
        if isinstance(content, str):
            asked.say(message["role"], content)
            continue
        for block in _of(content, "tool_use"):
            asked.call(block["name"], block["input"], block["id"])
        for block in _of(content, "tool_result"):
            asked.result(block["content"], block["tool_use_id"])
        asked.images += [b64decode(block["source"]["data"]) for block in _of(content, "image")]
        asked.pdfs += [b64decode(block["source"]["data"]) for block in _of(content, "document")]
        asked.say(message["role"], _texts(content))
    return asked


def by_ollama(body: Body) -> Asked:
    options = body["options"]
    asked = Asked(body["model"], options["num_predict"], options.get("temperature"), _effort(body))
    for message in body["messages"]:
        match message:
            case {"role": "system", "content": content}:
                asked.system = content
            case {"role": "tool", "tool_name": name, "content": content}:
                asked.results.append((name, content))
            case {"role": role, "content": content}:
                asked.say(role, content)
        asked.images += map(b64decode, message.get("images", ()))
        for call in message.get("tool_calls", ()):
            asked.call(call["function"]["name"], call["function"]["arguments"])
    return asked


def _effort(body: Body) -> dict[str, Any]:
    return {name: body[name] for name in _EFFORT if name in body}


def _of(parts: Iterable[Body], kind: str) -> list[Body]:
    return [part for part in parts if part["type"] == kind]


def _texts(parts: Iterable[Body]) -> str:
    return "".join(part["text"] for part in _of(parts, "text"))


def _data_url(url: str) -> bytes:
    return b64decode(url.partition(";base64,")[2])
