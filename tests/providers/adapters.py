"""Every adapter, at one loopback vendor that speaks each vendor's protocol."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from pydantic import SecretStr

from app.domain.cards import Input, ModelCard
from app.domain.events import Prompted, ProviderEvent, ReasoningDelta, TextDelta
from app.domain.failures import GenerationFailure
from app.domain.prompts import ModelMessage, ModelRequest, Tool
from app.domain.providers import Provider
from app.domain.text import decode
from app.providers.anthropic.adapter import AnthropicProvider
from app.providers.ollama.adapter import OllamaProvider
from app.providers.openai.adapter import MAX_RESPONSE_BYTES, OpenAIProvider
from app.providers.openai.servers import Server
from app.providers.sse import MAX_FRAME_BYTES
from tests.providers.asked import Read, by_anthropic, by_ollama, by_openai, by_responses

SECONDS = 5.0
CONTEXT_TOKENS = 8192


@dataclass(frozen=True)
class Adapter:
    """`make` points one at the loopback vendor's address; `card` is of a model that takes all that its vendor takes.

    `credentials` are the headers that carry its key, and `shows` the variables of the environment that its vendor may
    be told of.
    """

    id: str
    make: Callable[[str], Provider]
    card: ModelCard
    read: Read
    credentials: Mapping[str, str] = field(default_factory=dict)
    shows: frozenset[str] = frozenset()
    event: bytes = b"data: %b\n\n"
    """How one event is spelled."""
    largest: int = MAX_FRAME_BYTES
    """Bytes of one event."""


class Calling(OpenAIProvider):
    """With a tool in each request, which are those that OpenAI's Responses API answers."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ProviderEvent], None]:
        return super().stream(replace(request, tools=[Tool("get_weather", None, {})]))


def _openai(provider_id: str, url: str) -> Provider:
    key = SecretStr(f"sk-{provider_id}-ours")
    return OpenAIProvider(provider_id, api_key=key, base_url=f"{url}/v1", connect_timeout=SECONDS)


def _responses(url: str) -> Provider:
    key = SecretStr("sk-openai-ours")
    return Calling("openai", api_key=key, base_url=f"{url}/v1", connect_timeout=SECONDS, server=Server.OFFICIAL)


def _anthropic(url: str) -> Provider:
    # Below this path the loopback vendor's list of models is Anthropic's.
    key = SecretStr("sk-anthropic-ours")
    return AnthropicProvider(api_key=key, base_url=f"{url}/anthropic", connect_timeout=SECONDS)


def _ollama(url: str) -> Provider:
    return OllamaProvider(base_url=url, context_tokens=CONTEXT_TOKENS, connect_timeout=SECONDS)


_TEXT = frozenset({Input.TEXT})
_EVERYTHING = frozenset(Input)

ADAPTERS = (
    Adapter(
        "openai",
        lambda url: _openai("openai", url),
        ModelCard("openai", "any-model", inputs=_EVERYTHING, reasons=True),
        by_openai,
        {"authorization": "Bearer sk-openai-ours"},
        frozenset({"OPENAI_ORG_ID", "OPENAI_PROJECT_ID"}),  # which say on whose bill
    ),
    Adapter(
        "openai-responses",
        _responses,
        ModelCard("openai", "gpt-6.1-terra", inputs=_EVERYTHING, reasons=True),
        by_responses,
        {"authorization": "Bearer sk-openai-ours"},
        frozenset({"OPENAI_ORG_ID", "OPENAI_PROJECT_ID"}),
        largest=MAX_RESPONSE_BYTES,
    ),
    Adapter(
        "deepseek",
        lambda url: _openai("deepseek", url),
        ModelCard("deepseek", "deepseek-flash", inputs=_TEXT, reasons=True),
        by_openai,
        {"authorization": "Bearer sk-deepseek-ours"},
    ),
    Adapter(
        "anthropic",
        _anthropic,
        ModelCard("anthropic", "claude-sonnet-4-6", inputs=_EVERYTHING, reasons=True),
        by_anthropic,
        {"authorization": "Bearer sk-anthropic-ours", "x-api-key": "sk-anthropic-ours"},
    ),
    Adapter(
        "ollama",
        _ollama,
        ModelCard("ollama", "any-model", inputs=_EVERYTHING - {Input.PDF}, reasons=True),
        by_ollama,
        event=b"%b\n",
    ),
)
BY_ID = {adapter.id: adapter for adapter in ADAPTERS}


def asking(card: ModelCard, question: str = "Hi") -> ModelRequest:
    return ModelRequest(card, [ModelMessage("user", question)], None, 64, None)


async def answering(provider: Provider, request: ModelRequest) -> AsyncGenerator[list[ProviderEvent], None]:
    """The batches of an answer, without what is told of its prompt before it."""
    async with aclosing(provider.stream(request)) as stream:
        async for batch in stream:
            if events := answered(batch):
                yield events


def answered(batch: Sequence[ProviderEvent]) -> list[ProviderEvent]:
    return [event for event in batch if not isinstance(event, Prompted)]


async def run(provider: Provider, request: ModelRequest) -> list[ProviderEvent]:
    async with aclosing(answering(provider, request)) as stream:
        return [event async for batch in stream for event in batch]


async def outcome(provider: Provider, request: ModelRequest) -> tuple[list[ProviderEvent], GenerationFailure | None]:
    """What a run yields, and how it fails, if it does."""
    seen: list[ProviderEvent] = []
    try:
        async with aclosing(answering(provider, request)) as stream:
            async for batch in stream:
                seen += batch
    except GenerationFailure as failure:
        return seen, failure
    return seen, None


async def broken(provider: Provider, request: ModelRequest) -> tuple[list[ProviderEvent], GenerationFailure]:
    """The same of a run that fails."""
    seen, failure = await outcome(provider, request)
    assert failure is not None, seen[-3:]
    return seen, failure


def text_of(seen: list[ProviderEvent]) -> str:
    return decode(event.raw for event in seen if isinstance(event, TextDelta))


def thoughts_of(seen: list[ProviderEvent]) -> str:
    return decode(event.raw for event in seen if isinstance(event, ReasoningDelta))
