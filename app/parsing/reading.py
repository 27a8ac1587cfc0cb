"""The parent's side of reading a document: a child process for each, killed at once when it is too much or not wanted.

    async with read(path, kind, ReadingLimits()) as reading:
        reading.page_count
        async for page in reading.pages():
            ...

A page that kills the child, or takes too long, costs that page alone: the child is begun anew behind it.
"""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from time import monotonic

from app.domain.passages import Page
from app.parsing.children import Child, Ended, child
from app.parsing.errors import BY_CODE, Damaged, Empty, NoText, TooLarge, TooSlow, Unreadable, Unsupported
from app.parsing.kinds import FileKind
from app.parsing.limits import ReadingLimits
from app.parsing.messages import Answer, Drawn, Opened, Read, Refused, Render, Turned

_TOLD_APART = {FileKind.LOCKED_OFFICE, FileKind.OLD_OFFICE}
"""Not read, but the child can say which of the two it is."""
_BEGINNING = 15.0
"""Seconds for a process to begin on a busy machine, beside the time for its first answer."""
_GRACE = 2.0
"""Seconds that the child has, past its own limit, to say so."""
_OUT_OF_MEMORY = {signal.SIGABRT, signal.SIGTRAP, signal.SIGILL, signal.SIGKILL}
"""How libraries in C++ and Rust end when they are given no more, and what the kernel does when there is no more."""


_FLAWS = {None, "scanned", "damaged", "too_complex"}
_LONGEST_DETAIL = 300


@dataclass(frozen=True, slots=True)
class Told:
    """What was told of a document before reading it was broken off: how many of its first pages, how many characters,
    and which flaws they have."""

    pages: int = 0
    characters: int = 0
    flaws: frozenset[str] = frozenset()


NOTHING_TOLD = Told()


@asynccontextmanager
async def read(
    file: Path, kind: FileKind, limits: ReadingLimits, told: Told = NOTHING_TOLD
) -> AsyncIterator["Reading"]:
    """A document that is open, to be told from behind what was `told` of it. Raises Unreadable where it cannot be
    opened, OSError where the file or a process is not to be had.
    """
    if kind is FileKind.EMPTY:
        raise Empty
    if not kind.is_document and kind not in _TOLD_APART:
        raise Unsupported
    async with _opened(file) as descriptor:
        reading = Reading(Read(descriptor, kind, limits), told)
        try:
            await reading.open()
            yield reading
        finally:
            await reading.close()


async def render(file: Path, page: int, max_pixels: int, limits: ReadingLimits) -> bytes:
    """A page of a PDF, from 1, as a PNG of at most so many pixels. Raises as `read` does."""
    async with _opened(file) as descriptor, child(Render(descriptor, limits, page, max_pixels)) as drawing:
        answer = await drawing.answer(limits.page_seconds + _BEGINNING)
    match answer:
        case Drawn(png):
            return png
        case _:
            raise _fault(answer)


class Reading:
    """A document's pages, told once and in order, while a child reads on."""

    def __init__(self, request: Read, told: Told = NOTHING_TOLD) -> None:
        self._request = request
        self._limits = request.limits
        # What is read as a whole would only kill the next child too.
        self._restarts = request.limits.restarts if request.kind is FileKind.PDF else 0
        self._seconds = request.limits.seconds
        self._characters = request.limits.characters - told.characters
        self._next = told.pages + 1
        self._child: Child | None = None
        self._tally = _Tally(told)
        self.page_count = 0

    @property
    def pid(self) -> int | None:
        """Of the child that reads at the moment."""
        return self._child.pid if self._child is not None else None

    async def open(self) -> None:
        if ended := await self._begin():
            raise _fault(ended)

    async def close(self) -> None:
        reader, self._child = self._child, None
        if reader is not None:
            await reader.close()

    async def pages(self) -> AsyncGenerator[Page, None]:
        """Each with its text or its flaw. Ends in Unreadable where reading cannot go on, and, past the last page, where
        none of them had text.
        """
        while self._next <= self.page_count:
            page = await self._turn()
            self._next += 1
            self._characters -= len(page.text)
            if self._characters < 0:
                raise TooLarge
            self._tally.add(page)
            yield page
        await self.close()
        self._tally.judge()

    async def _turn(self) -> Page:
        """The next page. Those behind the last restart are told as too much without being tried."""
        if self._child is None and self._restarts < 0:
            return Page(self._next, "", flaw="too_complex")
        ended = await self._begin() if self._child is None else None
        match answer := ended or await self._answer(self._limits.page_seconds + _GRACE):
            case Turned(page) if page.number == self._next and _holds_together(page):
                return page
            case Ended() if self._request.kind is FileKind.PDF and self._seconds > 0:
                await self.close()
                self._restarts -= 1
                return Page(self._next, "", flaw="damaged" if answer.signal == signal.SIGSEGV else "too_complex")
            case _:
                raise _fault(answer)

    async def _begin(self) -> Ended | None:
        """A child that has opened the document and tells from the next page on, or how it ended."""
        limits = replace(self._limits, seconds=self._seconds, characters=self._characters)
        request = Read(self._request.descriptor, self._request.kind, limits, self._next)
        self._child = await Child.begin(request)
        answer = await self._answer(self._limits.page_seconds + _BEGINNING)
        match answer:
            case Opened(0):
                raise Empty
            case Opened(pages) if pages <= self._limits.pages:
                self.page_count = pages
                return None
            case Ended():
                return answer
            case _:
                raise _fault(answer)

    async def _answer(self, seconds: float) -> Answer | Ended:
        """Only waiting for the child takes of its time: it stands still while nobody takes its pages."""
        if self._child is None:
            return Ended()
        if self._seconds <= 0:
            raise TooSlow
        begun = monotonic()
        answer = await self._child.answer(min(seconds, self._seconds))
        self._seconds -= monotonic() - begun
        return answer


class _Tally:
    """What came of the pages, to say why there is no text in any."""

    def __init__(self, told: Told) -> None:
        self._has_text = told.characters > 0
        self._flaws = set(told.flaws)

    def add(self, page: Page) -> None:
        self._has_text = self._has_text or bool(page.text)
        if page.flaw:
            self._flaws.add(page.flaw)

    def judge(self) -> None:
        if self._has_text:
            return
        if "scanned" in self._flaws:
            raise NoText("The document's pages are pictures; there is no text in them.")
        if "damaged" in self._flaws:
            raise Damaged("None of the document's pages can be read.")
        raise TooSlow if self._flaws else NoText


def _holds_together(page: Page) -> bool:
    """A child that a document has taken over can say anything; who reads on relies on this much."""
    ends = [0, *(end for block in page.blocks for end in (block.start, block.end)), len(page.text)]
    headers = all(block.header_end is None or block.start <= block.header_end <= block.end for block in page.blocks)
    return page.flaw in _FLAWS and headers and all(one <= other for one, other in pairwise(ends))


def _fault(answer: Answer | Ended) -> Unreadable:
    match answer:
        case Refused(code, detail):
            return BY_CODE.get(code, Damaged)(detail[:_LONGEST_DETAIL])
        case Ended(too_slow=True):
            return TooSlow()
        case Ended(signal=number) if number in _OUT_OF_MEMORY:
            return TooLarge()
        case _:
            return Damaged()


@asynccontextmanager
async def _opened(file: Path) -> AsyncIterator[int]:
    opening = asyncio.ensure_future(asyncio.to_thread(os.open, file, os.O_RDONLY | os.O_CLOEXEC))
    try:
        descriptor = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_shut)
        raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _shut(opening: "asyncio.Future[int]") -> None:
    """Whoever wanted the file was cancelled while the disk was asked for it."""
    if not opening.cancelled() and opening.exception() is None:
        os.close(opening.result())
