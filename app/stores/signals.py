"""What all instances are to hear at once, rather than when they next look into the database."""

from enum import StrEnum
from typing import Protocol


class Signal(StrEnum):
    """What it is about; each comes with the id of something."""

    STOP = "stop"
    """A generation is to end, wherever it runs."""


class Signals(Protocol):
    """A signal may be lost: what it says stands in the database, too, and is seen there a moment later."""

    async def send(self, signal: Signal, subject: str) -> None:
        """Tell every instance, this one too. Soon done, and no error, when they cannot be told."""

    async def listen_forever(self) -> None:
        """Do what is to be done for each that is heard."""


class NoSignals:
    """Without anything between instances."""

    async def send(self, signal: Signal, subject: str) -> None:
        """Nobody hears it."""

    async def listen_forever(self) -> None:
        """There is nothing to hear."""
