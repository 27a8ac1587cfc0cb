"""What is known of one model."""

from dataclasses import dataclass
from enum import StrEnum


class Input(StrEnum):
    """What a message to a model may hold."""

    TEXT = "text"
    IMAGE = "image"
    PDF = "pdf"


_USUAL_ANSWER = 16_384


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model of the catalogue.

    `context_window` (tokens, prompt and answer together) is None when unknown; `takes_temperature` is false for models
    whose vendor refuses the parameter; `reasons` is true for those whose reasoning can be asked for or turned off;
    `calls_tools` is false for those of which it is known that they call none; `embeds` is true for those that make
    vectors and do not chat.
    """

    provider: str
    id: str
    context_window: int | None = None
    max_output_tokens: int | None = None
    takes_temperature: bool = True
    inputs: frozenset[Input] = frozenset({Input.TEXT})
    reasons: bool = False
    calls_tools: bool = True
    embeds: bool = False

    @property
    def longest_answer(self) -> int:
        """Tokens that an answer may have where nobody bounds it and its vendor has to be told a bound."""
        most = self.max_output_tokens or _USUAL_ANSWER
        return min(most, self.context_window // 2) if self.context_window else most

    @property
    def name(self) -> str:
        """The exact name, `provider/id`."""
        return f"{self.provider}/{self.id}"


def embedder_card(name: str) -> ModelCard:
    """Of the model that a setting names as `provider/id`; an Ollama's `latest` goes without its tag."""
    provider, _, model = name.partition("/")
    plain = model.removesuffix(":latest") if provider == "ollama" else model
    return ModelCard(provider, plain, calls_tools=False, embeds=True)
