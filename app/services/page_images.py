"""Pages of a PDF as pictures, for models that see."""

import asyncio
from collections.abc import Sequence

from app.core.errors import StorageUnavailable
from app.domain.files import StoredFile
from app.parsing.errors import Unreadable
from app.parsing.limits import ReadingLimits
from app.parsing.reading import render
from app.services.scratch import Scratch

_PIXELS = 1_500_000
_AT_ONCE = 2
"""In one process."""
_PATIENCE = 60.0
"""Seconds for all pages, and for those before them."""


class PageImages:
    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def of(self, file: StoredFile, most: int) -> Sequence[bytes]:
        """The first pages, as PNG; fewer where the document ends, or a page cannot be drawn.

        Raises FileUnreadable, StorageUnavailable, StorageFull.
        """
        drawn: list[bytes] = []
        try:
            async with asyncio.timeout(_PATIENCE), self._turns, self._scratch.copy(file) as path:
                while len(drawn) < most:
                    drawn += [await render(path, len(drawn) + 1, _PIXELS, ReadingLimits())]
        except TimeoutError:
            pass  # those that there are will do
        except Unreadable:
            pass  # there is no such page, or nobody can draw it
        except OSError as error:
            raise StorageUnavailable from error
        return drawn
