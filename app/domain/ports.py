"""What services need of rooms that they may not import, as Protocols."""

from typing import Protocol


class LiveGenerations(Protocol):
    """The runs of models that go on at present, on whichever instance."""

    async def stop_all_of(self, user_id: str) -> None:
        """Stop every run of a user, upstream too, and return once they have ended; none running is no error."""
