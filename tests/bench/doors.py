"""The doors of the service that stand before each vendor, and how each is asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from tests.bench.answers import Answer, Reader, data_lines, read_ours
from tests.bench.contestants import QUESTION, Contestant, Ours
from tests.bench.vendors import VENDORS

OPENAI_DOOR = "/v1/chat/completions"
_MESSAGES = [{"role": "user", "content": QUESTION}]

Body = Callable[[str], Mapping[str, object]]
"""What is posted to ask a model, by its name."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a door is asked; what stands before a model's name says whose it is."""

    path: str
    body: Body
    read: Reader
    prefix: str


class Door(Contestant):
    """One way into the service, named by its path; what it used is what the service used."""

    def __init__(self, ours: Ours, way: Way) -> None:
        super().__init__(ours.vendor, ours.served, way.read)
        self.name = way.path
        self._ours = ours
        self._way = way

    def first_message(self, model: str) -> bytes:
        return self._ours.post(self._way.path, self._way.body(self._way.prefix + model))


def doors_of(ours: Ours) -> Sequence[Door]:
    """Those of the protocol that its vendor speaks; before OpenAI also those of the service itself."""
    return [Door(ours, way) for way in _WAYS[ours.vendor.name]]


def read_response(body: bytes) -> Answer:
    events = list(data_lines(body))
    texts = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    whole = [event["text"] for event in events if event["type"] == "response.output_text.done"] == ["".join(texts)]
    return Answer(texts, whole and events[-1]["type"] == "response.completed")


def read_ui_message(body: bytes) -> Answer:
    events = list(data_lines(body))
    texts = [event["delta"] for event in events if event["type"] == "text-delta"]
    finished = bool(events) and events[-1]["type"] == "finish" and events[-1]["finishReason"] == "stop"
    return Answer(texts, finished and body.endswith(b"data: [DONE]\n\n"))


def _as_vendor(path: str, vendor: str, prefix: str) -> Way:
    """Asked and answering as the vendor itself does."""
    spoken = VENDORS[vendor]
    return Way(path, lambda model: spoken.body(model, _MESSAGES), spoken.read, prefix)


def _response(model: str) -> Mapping[str, object]:
    return {"model": model, "input": QUESTION, "store": False, "stream": True}


def _ui_chat(model: str) -> Mapping[str, object]:
    """Each in a chat of its own."""
    message = {"id": "1", "role": "user", "parts": [{"type": "text", "text": QUESTION}]}
    return {"id": f"chat-{uuid4()}", "messages": [message], "trigger": "submit-message", "model": model}


_WAYS: Mapping[str, Sequence[Way]] = {
    "openai": (
        Way("/ai/chat/stream", lambda model: {"message": QUESTION, "model": model}, read_ours, "openai/"),
        _as_vendor(OPENAI_DOOR, "openai", "openai/"),
        Way("/v1/responses", _response, read_response, "openai/"),
        Way("/ai/ui/chat", _ui_chat, read_ui_message, "openai/"),
    ),
    "anthropic": (_as_vendor("/v1/messages", "anthropic", "anthropic/"),),
    "ollama": (_as_vendor("/ollama/api/chat", "ollama", "ollama/"), _as_vendor("/ollama/chat", "ollama", "")),
}
