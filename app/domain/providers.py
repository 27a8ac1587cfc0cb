"""What the generation engine and the catalogue need of a model vendor."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.domain.chat import ModelRequest
from app.domain.events import ProviderEvent


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model of the catalogue.

    `context_window` (tokens, prompt and answer together) is None when unknown; `takes_temperature` is false for models
    whose vendor refuses the parameter.
    """

    provider: str
    id: str
    context_window: int | None = None
    max_output_tokens: int | None = None
    takes_temperature: bool = True

    @property
    def name(self) -> str:
        """The exact name, `provider/id`."""
        return f"{self.provider}/{self.id}"


class Provider(Protocol):
    """One vendor. An adapter translates and does nothing else: no retry, no limit, no clock."""

    @property
    def id(self) -> str: ...

    def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ProviderEvent], None]:
        """Run the model: batches of all that had arrived at each wake-up.

        The last event but usage is `Finish`; a stream that ends without one was cut, and the engine says so.
        Raises GenerationFailure for everything that the vendor or the network does wrong. Closing the generator closes
        the upstream call.
        """
        ...

    async def models(self) -> Sequence[ModelCard]:
        """The vendor's own list, by a call that costs nothing. Raises GenerationFailure."""
        ...

    async def aclose(self) -> None: ...
