"""An Ollama server, in its own protocol: it alone says what its models can do, and is told how long a context is."""

from collections.abc import AsyncGenerator, Sequence

import msgspec

from app.domain.cards import ModelCard
from app.domain.events import ProviderEvent
from app.domain.prompts import ModelRequest
from app.providers.abilities import check
from app.providers.calls import Spelled
from app.providers.ndjson import LineSplitter
from app.providers.ollama.client import OllamaClient
from app.providers.ollama.lines import LineReader
from app.providers.ollama.models import OllamaModels
from app.providers.ollama.requests import chat_body
from app.providers.relay import Answer, relay


class _Version(msgspec.Struct):
    version: str


# Tools it runs as the model likes: nothing makes one call a certain tool, or no more than one.
_DOES = frozenset(
    {
        "tools",
        "top_p",
        "top_k",
        "min_p",
        "stop",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "repeat_penalty",
        "json_object",
        "json_schema",
        "more",
    }
)


class OllamaProvider:
    """Everything at one address, `http://host:port`; no context takes more than `context_tokens`."""

    def __init__(self, *, base_url: str, context_tokens: int, connect_timeout: float) -> None:
        self._client = OllamaClient(base_url, connect_timeout=connect_timeout)
        self._models = OllamaModels(self._client, context_tokens=context_tokens)
        self._context_tokens = context_tokens

    @property
    def id(self) -> str:
        return "ollama"

    def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ProviderEvent], None]:
        return relay(lambda: self._open(request))

    def check(self, request: ModelRequest) -> None:
        check(request, _DOES)

    async def models(self) -> Sequence[ModelCard]:
        return await self._models.cards()

    def embedders(self) -> Sequence[ModelCard]:
        return self._models.embedders

    async def answer(self) -> None:
        """Ask for a sign of life, at next to no cost. Raises GenerationFailure where anything but Ollama listens."""
        await self._client.ask("GET", "/api/version", _Version)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _open(self, request: ModelRequest) -> Answer:
        return Answer(await self._client.chat.open(request, self._spell), LineSplitter(), LineReader())

    def _spell(self, request: ModelRequest) -> Spelled:
        values = self._models.think_values(request.model.id)
        return Spelled(chat_body(request, context_tokens=self._context_tokens, think_values=values))
