"""The app between a door and a vendor, without the sockets: a body is validated, checked and spelled anew."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from app.domain.cards import Input, ModelCard
from app.domain.prompts import ModelRequest
from app.providers.anthropic import abilities as anthropic_abilities
from app.providers.anthropic.requests import messages_call
from app.providers.ollama.adapter import OllamaProvider
from app.providers.ollama.requests import chat_body as ollama_body
from app.providers.openai import servers
from app.providers.openai.requests import chat_body as openai_body
from app.providers.openai.response_requests import response_body
from app.providers.openai.servers import Server
from app.schemas.anthropic_messages import MessagesBody
from app.schemas.ollama_chat import OllamaChatBody
from app.schemas.openai_chat import ChatCompletionBody
from app.schemas.openai_responses import ResponsesBody

Json = dict[str, Any]
Schema = type[ChatCompletionBody] | type[ResponsesBody] | type[MessagesBody] | type[OllamaChatBody]
SCHEMAS: Mapping[str, Schema] = {
    "chat": ChatCompletionBody,
    "responses": ResponsesBody,
    "messages": MessagesBody,
    "ollama": OllamaChatBody,
}
_OLLAMA = OllamaProvider(base_url="http://127.0.0.1:9", context_tokens=8192, connect_timeout=1)
_THINKS = (False, True, "low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Vendor:
    """One that is asked; `spell` makes the JSON that it would get."""

    card: ModelCard
    check: Callable[[ModelRequest], None]
    spell: Callable[[ModelRequest], Mapping[str, Any]]


def _speaking_openai(provider: str, model: str, server: Server) -> Vendor:
    card = ModelCard(provider, model, inputs=frozenset(Input), reasons=True)
    return Vendor(card, lambda asked: servers.check(asked, server), lambda asked: openai_body(asked, server))


VENDORS: Mapping[str, Vendor] = {
    "openai": _speaking_openai("openai", "gpt-4.1", Server.OFFICIAL),
    # One whose tools OpenAI takes at that route alone, where there are no others.
    "openai-responses": replace(_speaking_openai("openai", "gpt-6.1-terra", Server.OFFICIAL), spell=response_body),
    "compatible": _speaking_openai("openai", "any-model", Server.OTHER),
    "deepseek": _speaking_openai("deepseek", "deepseek-flash", Server.DEEPSEEK),
    "anthropic": Vendor(
        ModelCard("anthropic", "claude-sonnet-4-6", inputs=frozenset(Input), reasons=True),
        anthropic_abilities.check,
        lambda asked: messages_call(asked).body,
    ),
    "ollama": Vendor(
        ModelCard("ollama", "any-model", inputs=frozenset({Input.TEXT, Input.IMAGE}), reasons=True),
        _OLLAMA.check,
        lambda asked: ollama_body(asked, context_tokens=8192, think_values=_THINKS),
    ),
}


def asked(door: str, vendor: str, body: Json) -> ModelRequest:
    """What the vendor is to be asked. Raises NotSupported."""
    received = SCHEMAS[door].model_validate(json.loads(json.dumps(body)))
    request = received.request(VENDORS[vendor].card)
    VENDORS[vendor].check(request)
    return request


def sent(door: str, vendor: str, body: Json) -> Json:
    """What reaches the vendor."""
    spelled: Json = json.loads(msgspec.json.encode(VENDORS[vendor].spell(asked(door, vendor, body))))
    return spelled
