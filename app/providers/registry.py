"""Which providers there are, by the settings: a provider exists where its key does, Ollama where a server answers."""

from app.core.config import ModelSettings
from app.domain.providers import Provider
from app.providers.discovery import Discovered
from app.providers.offline import OfflineProvider
from app.providers.ollama.adapter import OllamaProvider
from app.providers.ollama.verbatim import Verbatim
from app.providers.openai.adapter import OpenAIProvider

DEEPSEEK_BASE_URL = "https://api.deepseek.com/v1"


def configured_providers(settings: ModelSettings) -> dict[str, Provider]:
    """By id; the offline responder is always the last."""
    providers: dict[str, Provider] = {}
    if settings.anthropic_api_key:
        # Not at the top: its SDK takes 0.9 s and 44 MB to load (measured), which a server without Claude can spare.
        from app.providers.anthropic.adapter import AnthropicProvider  # noqa: PLC0415

        providers["anthropic"] = AnthropicProvider(
            api_key=settings.anthropic_api_key,
            base_url=settings.anthropic_base_url,
            connect_timeout=settings.connect_timeout,
        )
    if settings.openai_api_key:
        providers["openai"] = OpenAIProvider(
            "openai",
            api_key=settings.openai_api_key,
            base_url=settings.openai_base_url,
            connect_timeout=settings.connect_timeout,
        )
    if settings.deepseek_api_key:
        providers["deepseek"] = OpenAIProvider(
            "deepseek",
            api_key=settings.deepseek_api_key,
            base_url=settings.deepseek_base_url or DEEPSEEK_BASE_URL,
            connect_timeout=settings.connect_timeout,
        )
    if settings.ollama_base_url:
        providers["ollama"] = _ollama(settings, settings.ollama_base_url)
    elif settings.ollama_discovery:
        providers["ollama"] = Discovered(_ollama(settings, settings.ollama_host))
    providers["offline"] = OfflineProvider()
    return providers


def _ollama(settings: ModelSettings, base_url: str) -> OllamaProvider:
    return OllamaProvider(
        base_url=base_url,
        context_tokens=settings.ollama_context_tokens,
        connect_timeout=settings.connect_timeout,
    )


def configured_verbatim(settings: ModelSettings) -> Verbatim | None:
    """The routes of the Ollama that is a provider; None where there cannot be one."""
    address = settings.ollama_base_url or (settings.ollama_host if settings.ollama_discovery else None)
    if address is None:
        return None
    return Verbatim(address, connect_timeout=settings.connect_timeout, silence=settings.ollama_silence_timeout)


def officially_priced(settings: ModelSettings) -> frozenset[str]:
    """The providers that are asked at their vendor's own address, where the vendor's prices hold."""
    addresses = {
        "anthropic": settings.anthropic_base_url,
        "openai": settings.openai_base_url,
        "deepseek": settings.deepseek_base_url,
    }
    return frozenset(provider for provider, address in addresses.items() if address is None)
