"""How a log is spelled for one reader in one protocol."""

from typing import Protocol

from app.domain.events import LogEvent
from app.wire.response import comment


class Dialect(Protocol):
    """One reading, from the first event on: it may remember what it has told."""

    @property
    def media_type(self) -> str: ...

    def encode(self, event: LogEvent) -> bytes:
        """What one event says, perhaps nothing; each is given once, in their order."""
        ...

    def ping(self) -> bytes:
        """What keeps a silent stream alive, perhaps nothing."""
        ...


class EventStream:
    """What dialects have in common that are server-sent events."""

    media_type = "text/event-stream"

    def ping(self) -> bytes:
        return comment()
