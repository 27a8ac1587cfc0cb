"""What the generation engine and the catalogue need of a model vendor."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol, runtime_checkable

from app.domain.cards import ModelCard
from app.domain.events import ProviderEvent
from app.domain.prompts import ModelRequest


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

    def check(self, request: ModelRequest) -> None:
        """Raises NotSupported for what this vendor cannot do, before anything is begun; costs next to nothing."""
        ...

    async def models(self) -> Sequence[ModelCard]:
        """The vendor's own list, with all that is known of each. It costs nothing. Raises GenerationFailure."""
        ...

    async def aclose(self) -> None: ...


@runtime_checkable
class Embedding(Protocol):
    """A provider whose own list has models that make vectors, too."""

    def embedders(self) -> Sequence[ModelCard]:
        """Those that its last list had beside the ones that chat."""
        ...
