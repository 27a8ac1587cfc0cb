"""The models of an Ollama server: its list, and what it says of each."""

import asyncio
import re
from typing import Any

import msgspec

from app.domain.cards import Input, ModelCard
from app.domain.failures import GenerationFailure
from app.providers import shipped
from app.providers.ollama.client import OllamaClient
from app.providers.ollama.thinking import LEVELS, SWITCH, ThinkValues

# The server may be busy, and its list is wanted within seconds. Those left out have their turn with the next list.
_SHOWN_AT_MOST = 64
_SHOWN_AT_ONCE = 4

_EMBEDS = re.compile(r"\bbert\b")
_LEVELS_ONLY = re.compile(r"(.*/)?gpt-oss\b")
_TEXT = frozenset({Input.TEXT})


class _Details(msgspec.Struct):
    family: str | None = None


class _Listed(msgspec.Struct):
    """An entry of `/api/tags`; `remote_host` is where a model of Ollama's cloud really runs."""

    name: str
    digest: str = ""
    details: _Details | None = None
    remote_host: str | None = None

    @property
    def id(self) -> str:
        return shipped.canonical("ollama", self.name)


class _Tags(msgspec.Struct):
    models: list[_Listed] | None = None


class _Thinking(msgspec.Struct):
    values: list[bool | str] | None = None


class _Shown(msgspec.Struct):
    """An answer of `/api/show`; old servers say nothing of capabilities."""

    capabilities: list[str] | None = None
    model_info: dict[str, Any] | None = None
    thinking: _Thinking | None = None

    @property
    def context_length(self) -> int | None:
        info = self.model_info or {}
        length = info.get(f"{info.get('general.architecture')}.context_length")
        return length if isinstance(length, int) and length > 0 else None


class OllamaModels:
    """Looks at each model once, until its digest is another; `context_tokens` bounds what a context may take."""

    def __init__(self, client: OllamaClient, *, context_tokens: int) -> None:
        self._client = client
        self._context_tokens = context_tokens
        self._shown: dict[str, tuple[str, _Shown]] = {}
        self.embedders: list[ModelCard] = []
        """Those of the last list that make vectors and do not chat."""

    async def cards(self) -> list[ModelCard]:
        """Those that can chat, in the server's order, the newest first. Raises GenerationFailure."""
        listed = (await self._client.ask("GET", "/api/tags", _Tags)).models or []
        self._shown = {each.id: self._shown[each.id] for each in listed if each.id in self._shown}
        places = asyncio.Semaphore(_SHOWN_AT_ONCE)
        unknown = [each for each in listed if not self._knows(each)]
        await asyncio.gather(*(self._look_at(each, places) for each in unknown[:_SHOWN_AT_MOST]))
        chats = {each.id for each in listed if _chats(each, self._said(each.id))}
        self.embedders = [_embedder(each, self._said(each.id)) for each in listed if each.id not in chats]
        return [self._card(each) for each in listed if each.id in chats]

    def think_values(self, model: str) -> ThinkValues:
        """What `think` may be. Servers that do not say so yet know a switch, and the levels of gpt-oss."""
        thinking = self._said(model).thinking
        if thinking and thinking.values:
            return thinking.values
        return LEVELS if _LEVELS_ONLY.match(model) else SWITCH

    def _said(self, model: str) -> _Shown:
        return self._shown[model][1] if model in self._shown else _Shown()

    def _knows(self, model: _Listed) -> bool:
        return bool(model.digest) and model.id in self._shown and self._shown[model.id][0] == model.digest

    async def _look_at(self, model: _Listed, places: asyncio.Semaphore) -> None:
        async with places:
            try:
                shown = await self._client.ask("POST", "/api/show", _Shown, {"model": model.name})
            except GenerationFailure:
                return  # it is listed with what is known of any model, and asked again with the next list
        self._shown[model.id] = (model.digest, shown)

    def _card(self, model: _Listed) -> ModelCard:
        said = self._said(model.id)
        own, able = said.context_length, said.capabilities or ()
        # A context takes memory when its model is loaded; what runs in the cloud takes none of this server's.
        window = own if own and model.remote_host else min(own or self._context_tokens, self._context_tokens)
        return ModelCard(
            "ollama",
            model.id,
            context_window=window,
            inputs=_TEXT | {Input.IMAGE} if "vision" in able else _TEXT,
            reasons="thinking" in able,
            calls_tools=not able or "tools" in able,
        )


def _embedder(model: _Listed, said: _Shown) -> ModelCard:
    return ModelCard("ollama", model.id, context_window=said.context_length, calls_tools=False, embeds=True)


def _chats(model: _Listed, said: _Shown) -> bool:
    if said.capabilities:
        return "completion" in said.capabilities
    return not (model.details and _EMBEDS.search(model.details.family or ""))
