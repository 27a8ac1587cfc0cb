"""Where an index is kept, and whether this process may have it."""

from typing import Protocol

from app.domain.spaces import word
from app.domain.vectors import VectorStore
from app.stores.vectors.embedded import EmbeddedVectors
from app.stores.vectors.folder import FolderInUse


class Place(Protocol):
    """A store, and what stands for it in names: another folder or server has another name."""

    @property
    def store(self) -> VectorStore: ...

    @property
    def shared(self) -> bool:
        """Whether every process has it; else one at a time."""
        ...

    @property
    def away(self) -> bool:
        """Whether it is known not to answer."""
        ...

    async def claim(self) -> str | None:
        """Its name, once this process has it; None while another does. Soon, and harmless when it is ours already."""
        ...


class Watched(VectorStore, Protocol):
    @property
    def away(self) -> bool: ...


class ServerPlace:
    def __init__(self, store: Watched, url: str) -> None:
        self.store: VectorStore = store
        self.shared = True
        self._server = store
        self._name = word(url.rstrip("/"))

    @property
    def away(self) -> bool:
        return self._server.away

    async def claim(self) -> str | None:
        return self._name


class FolderPlace:
    """Raises OSError where there is no place for a folder."""

    def __init__(self, store: EmbeddedVectors) -> None:
        self.store: VectorStore = store
        self.shared = False
        self._embedded = store
        self._tried = False

    @property
    def away(self) -> bool:
        return self._embedded.away

    async def claim(self) -> str | None:
        # Who is about to go is waited for once; who stays is not asked for so long again.
        patience = 0.0 if self._tried else None
        self._tried = True
        try:
            return word(await self._embedded.claim(patience))
        except FolderInUse:
            return None
