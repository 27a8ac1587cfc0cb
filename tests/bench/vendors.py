"""The vendors that can be relayed: how each is asked, how it answers, and where the service finds it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.bench.answers import Answer, Reader, data_lines

Conversation = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Vendor:
    name: str  # as the service has it before the slash of a model, and `targets.tutorial_<name>` too
    title: str
    path: str
    body: Callable[[str, Conversation], Mapping[str, object]]
    read: Reader
    settings: Callable[[str], Mapping[str, str]]


def _read_openai(body: bytes) -> Answer:
    choices = [event["choices"][0] for event in data_lines(body) if event["choices"]]
    texts = [text for choice in choices if (text := choice["delta"].get("content"))]
    return Answer(texts, body.endswith(b"data: [DONE]\n\n"))


def _read_anthropic(body: bytes) -> Answer:
    events = list(data_lines(body))
    texts = [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
    return Answer(texts, bool(events) and events[-1]["type"] == "message_stop")


def _read_ollama(body: bytes) -> Answer:
    lines = [json.loads(line) for line in body.splitlines() if line]
    texts = [text for line in lines if (text := line["message"]["content"])]
    return Answer(texts, bool(lines) and lines[-1]["done"])


VENDORS = {
    vendor.name: vendor
    for vendor in (
        Vendor(
            "openai",
            "OpenAI",
            "/v1/chat/completions",
            lambda model, messages: {"model": model, "messages": messages, "stream": True},
            _read_openai,
            lambda url: {"OPENAI_API_KEY": "sk-loopback", "OPENAI_BASE_URL": f"{url}/v1"},
        ),
        Vendor(
            "anthropic",
            "Anthropic",
            "/v1/messages",
            lambda model, messages: {"model": model, "messages": messages, "max_tokens": 1024, "stream": True},
            _read_anthropic,
            lambda url: {"ANTHROPIC_API_KEY": "sk-loopback", "ANTHROPIC_BASE_URL": url},
        ),
        Vendor(
            "ollama",
            "Ollama",
            "/api/chat",
            lambda model, messages: {"model": model, "messages": messages, "stream": True},
            _read_ollama,
            lambda url: {"OLLAMA_BASE_URL": url},
        ),
    )
}
