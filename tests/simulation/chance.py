"""All that would be different in another run of the same seed, made the same."""

import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from random import Random

import uuid_utils


@contextmanager
def determined(seed: str) -> Iterator[None]:
    """The app's ids and its dice by this seed, for as long as this lasts.

    They are the only two things that the app takes from outside its loop, its database, its streams and its vendors.
    """
    made, dice = uuid_utils.uuid7, random.getstate()
    numbers = count(1)

    def uuid7() -> uuid.UUID:
        """In the order in which they are made, as the real ones are."""
        return uuid.UUID(f"01900000-0000-7000-8000-{next(numbers):012x}")

    random.seed(seed)
    uuid_utils.uuid7 = uuid7  # type: ignore[assignment]
    try:
        yield
    finally:
        uuid_utils.uuid7 = made
        random.setstate(dice)


class Chance:
    """A seed's dice, one for each who throws them, so that none changes what another gets."""

    def __init__(self, seed: str) -> None:
        self._seed = seed

    def of(self, name: str) -> Random:
        return Random(f"{self._seed} {name}")  # noqa: S311
