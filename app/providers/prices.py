"""What an answer cost, in US dollars, by the price list that genai-prices ships."""

from collections.abc import Set as AbstractSet
from decimal import Decimal

from app.domain.cards import ModelCard
from app.domain.events import Usage


class Prices:
    """Prices of the providers in `official`, which are asked at their vendor's own address.

    A vendor's name behind another address says nothing about the price there.
    """

    def __init__(self, official: AbstractSet[str]) -> None:
        self._official = official

    def load(self) -> None:
        """Read the price list: at the start and in a thread, for it takes half a second."""
        if self._official:
            import genai_prices  # noqa: F401, PLC0415  # see below

    def cost(self, card: ModelCard, usage: Usage) -> Decimal | None:
        """None where the price is unknown; never 0 for that."""
        if card.provider == "offline":
            return Decimal(0)
        if card.provider not in self._official:
            return None
        # Not at the top: the list takes 0.5 s and 27 MB to load (measured), which a server without models can spare.
        import genai_prices  # noqa: PLC0415

        try:
            tokens = genai_prices.Usage(
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cache_read_tokens=min(usage.cached_input_tokens, usage.input_tokens),
                cache_write_tokens=min(usage.cache_write_tokens, usage.input_tokens - usage.cached_input_tokens),
            )
            price = genai_prices.calc_price(tokens, card.id, provider_id=card.provider).total_price
        except (LookupError, ValueError):
            return None
        # A model that is listed without its prices sums up to nothing.
        return price if price or not (usage.input_tokens or usage.output_tokens) else None
