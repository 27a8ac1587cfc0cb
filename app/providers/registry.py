"""Which providers there are, by the settings: a provider exists where its key does."""

from app.core.config import ModelSettings
from app.domain.providers import Provider
from app.providers.offline import OfflineProvider
from app.providers.openai import OpenAIProvider

DEEPSEEK_BASE_URL = "https://api.deepseek.com/v1"


def configured_providers(settings: ModelSettings) -> dict[str, Provider]:
    """By id; the offline responder is always the last."""
    providers: dict[str, Provider] = {}
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
    providers["offline"] = OfflineProvider()
    return providers


def officially_priced(settings: ModelSettings) -> frozenset[str]:
    """The providers that are asked at their vendor's own address, where the vendor's prices hold."""
    addresses = {"openai": settings.openai_base_url, "deepseek": settings.deepseek_base_url}
    return frozenset(provider for provider, address in addresses.items() if address is None)
