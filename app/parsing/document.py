"""What each kind of document is to the child: opened once, then told page by page."""

import mmap
import os
from collections.abc import Sequence
from typing import BinaryIO, Protocol

from app.domain.passages import Page
from app.parsing.errors import Empty
from app.parsing.kinds import FileKind
from app.parsing.limits import ReadingLimits


class Source:
    """The file behind a descriptor, which is read and never written."""

    def __init__(self, descriptor: int, kind: FileKind, limits: ReadingLimits) -> None:
        self.kind = kind
        self.limits = limits
        self.size = os.fstat(descriptor).st_size
        self._descriptor = descriptor
        if self.size == 0:
            raise Empty

    def file(self) -> BinaryIO:
        """From its beginning. All that are open at once share their place in it."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        return os.fdopen(os.dup(self._descriptor), "rb")

    def map(self) -> mmap.mmap:
        """The bytes as they lie in the file, in memory only where they are looked at."""
        return mmap.mmap(self._descriptor, self.size, access=mmap.ACCESS_COPY)

    def all(self) -> bytes:
        return os.pread(self._descriptor, self.size, 0)


class Document(Protocol):
    @property
    def page_count(self) -> int: ...

    def page(self, number: int) -> Page:
        """From 1. Raises Unreadable where the fault is the document's rather than the page's."""
        ...


class Opener(Protocol):
    def __call__(self, source: Source) -> Document:
        """Raises Unreadable."""
        ...


class Whole:
    """A document that is read as a whole before its pages are told."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self._pages = pages

    @property
    def page_count(self) -> int:
        return len(self._pages)

    def page(self, number: int) -> Page:
        return self._pages[number - 1]
