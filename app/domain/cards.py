"""What is known of one model."""

from dataclasses import dataclass
from enum import StrEnum


class Input(StrEnum):
    """What a message to a model may hold."""

    TEXT = "text"
    IMAGE = "image"
    PDF = "pdf"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model of the catalogue.

    `context_window` (tokens, prompt and answer together) is None when unknown; `takes_temperature` is false for models
    whose vendor refuses the parameter; `reasons` is true for those whose reasoning can be asked for or turned off.
    """

    provider: str
    id: str
    context_window: int | None = None
    max_output_tokens: int | None = None
    takes_temperature: bool = True
    inputs: frozenset[Input] = frozenset({Input.TEXT})
    reasons: bool = False

    @property
    def name(self) -> str:
        """The exact name, `provider/id`."""
        return f"{self.provider}/{self.id}"
