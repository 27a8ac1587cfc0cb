"""A provider exists where its key does, and its prices hold where its vendor answers."""

import pytest

from app.core.config import ModelSettings
from app.providers.catalogue import Catalogue
from app.providers.discovery import Discovered
from app.providers.registry import configured_providers, officially_priced


def settings(**values: str) -> ModelSettings:
    values = {"ollama_discovery": "false", **values}
    return ModelSettings(_env_file=None, **values)  # type: ignore[arg-type]  # strings, as from the environment


@pytest.mark.parametrize(
    ("keys", "providers"),
    [
        ({}, ["offline"]),
        ({"openai_api_key": "k"}, ["openai", "offline"]),
        ({"deepseek_api_key": "k", "openai_api_key": "k"}, ["openai", "deepseek", "offline"]),
        ({"openai_api_key": "k", "anthropic_api_key": "k"}, ["anthropic", "openai", "offline"]),
        ({"openai_base_url": "http://127.0.0.1/v1", "anthropic_base_url": "http://127.0.0.1"}, ["offline"]),
        ({"ollama_base_url": "http://127.0.0.1:11434"}, ["ollama", "offline"]),
        ({"ollama_discovery": "true", "openai_api_key": "k"}, ["openai", "ollama", "offline"]),
    ],
)
async def test_a_provider_exists_where_its_key_does(keys: dict[str, str], providers: list[str]) -> None:
    configured = configured_providers(settings(**keys))
    assert list(configured) == providers
    assert [provider.id for provider in configured.values()] == providers
    await Catalogue(configured, None).aclose()


def test_an_ollama_is_looked_for_only_where_none_is_configured() -> None:
    def discovered(**values: str) -> bool:
        return isinstance(configured_providers(settings(ollama_discovery="true", **values))["ollama"], Discovered)

    assert discovered()
    assert not discovered(ollama_base_url="http://127.0.0.1:11434")


def test_prices_hold_at_the_vendors_own_address_only() -> None:
    assert officially_priced(settings()) == {"anthropic", "openai", "deepseek"}
    elsewhere = settings(openai_base_url="http://127.0.0.1/v1", anthropic_base_url="http://127.0.0.1")
    assert officially_priced(elsewhere) == {"deepseek"}
