"""What an answer cost: known exactly or not at all."""

from decimal import Decimal

import pytest

from app.domain.cards import ModelCard
from app.domain.events import Usage
from app.providers import shipped
from app.providers.prices import Prices

PRICES = Prices({"anthropic", "openai", "deepseek"})
MILLION = 1_000_000


def test_a_known_price_is_exact_and_cached_tokens_cost_less() -> None:
    card = ModelCard("openai", "gpt-4o")
    assert PRICES.cost(card, Usage(MILLION, MILLION)) == Decimal("12.5")
    assert PRICES.cost(card, Usage(MILLION, MILLION, cached_input_tokens=MILLION)) == Decimal("11.25")


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(1_000_000, 1_000_000), "12"),
        # Reading the cache costs a twentieth here, and writing it a quarter more; both are in the total.
        (Usage(1_000_000, 0, cached_input_tokens=400_000, cache_write_tokens=200_000), "1.34"),
        (Usage(1_000_000, 0, cached_input_tokens=1_000_000), "0.1"),
        (Usage(1_000_000, 0, cache_write_tokens=1_000_000), "2.5"),
    ],
)
def test_what_claudes_cache_gave_and_took_has_its_own_price(usage: Usage, cost: str) -> None:
    assert PRICES.cost(ModelCard("anthropic", "claude-sonnet-5-5"), usage) == Decimal(cost)


@pytest.mark.parametrize("name", [*(card.id for card in shipped.cards("anthropic")), "claude-haiku-4-5-20251001"])
def test_every_shipped_claude_has_a_price(name: str) -> None:
    assert (PRICES.cost(ModelCard("anthropic", name), Usage(1000, 1000)) or 0) > 0


@pytest.mark.parametrize("name", ["deepseek/deepseek-flash", "openai/gpt-6.1-terra", "openai/gpt-5"])
def test_the_models_that_are_default_have_prices(name: str) -> None:
    provider, model = name.split("/")
    assert (PRICES.cost(ModelCard(provider, model), Usage(1000, 1000)) or 0) > 0


@pytest.mark.parametrize("name", ["openai/nobody-knows-it", "ollama/gpt-4o"])
def test_an_unknown_price_is_not_nought(name: str) -> None:
    provider, model = name.split("/")
    assert PRICES.cost(ModelCard(provider, model), Usage(10, 10)) is None


def test_another_address_has_unknown_prices() -> None:
    assert Prices({"deepseek"}).cost(ModelCard("openai", "gpt-4o"), Usage(10, 10)) is None


def test_nothing_used_costs_nothing() -> None:
    assert PRICES.cost(ModelCard("openai", "gpt-4o"), Usage(0, 0)) == 0


def test_the_offline_responder_is_free() -> None:
    assert PRICES.cost(ModelCard("offline", "responder"), Usage(0, 0)) == 0
