"""Places among the answers that are written for a user at one time."""

from collections.abc import Iterator
from typing import Protocol


class Slots(Protocol):
    """Counts them for each user. Whoever takes one names it by an id of its own."""

    async def take(self, user_id: str, slot_id: str, most: int) -> bool:
        """Take one if fewer than `most` are taken, in one step, whoever else is taking."""

    def release(self, user_id: str, slot_id: str) -> None:
        """Give one back; nobody waits for that. Harmless when it is not taken."""

    async def taken(self, user_id: str) -> int:
        """How many are taken."""

    async def keep_forever(self) -> None:
        """What has to be done all the time for what is held."""

    async def aclose(self) -> None:
        """Tell of what was released, if there is somebody to tell. Nothing is taken any more."""


class LocalSlots:
    """Those of this process, of which nobody else knows."""

    def __init__(self) -> None:
        self._held: dict[str, set[str]] = {}

    async def take(self, user_id: str, slot_id: str, most: int) -> bool:
        granted = self.count(user_id) < most
        if granted:
            self.hold(user_id, slot_id)
        return granted

    def release(self, user_id: str, slot_id: str) -> None:
        held = self._held.get(user_id, set())
        held.discard(slot_id)
        if not held:
            self._held.pop(user_id, None)

    async def taken(self, user_id: str) -> int:
        return self.count(user_id)

    async def keep_forever(self) -> None:
        """Nothing."""

    async def aclose(self) -> None:
        """There is nobody to tell."""

    def count(self, user_id: str) -> int:
        """What `taken` says, at once."""
        return len(self._held.get(user_id, ()))

    def holds(self, user_id: str, slot_id: str) -> bool:
        return slot_id in self._held.get(user_id, ())

    def hold(self, user_id: str, slot_id: str) -> None:
        """Note one that was granted elsewhere."""
        self._held.setdefault(user_id, set()).add(slot_id)

    def held(self) -> Iterator[tuple[str, str]]:
        """All, as pairs of a user and a slot."""
        return ((user_id, slot_id) for user_id, slots in self._held.items() for slot_id in slots)
