"""The program that reads one document and ends: `python -m app.parsing.child`, begun by `app.parsing.reading` alone.

It has no settings, no secrets and no way out; the document comes by descriptor, what is read goes to standard output.
"""

import importlib
import os
import sys
from collections.abc import Iterator
from dataclasses import replace

from app.domain.passages import Page
from app.parsing.confinement import confine, grant
from app.parsing.document import Opener, Source
from app.parsing.errors import Damaged, TooLarge, TooManyPages, Unreadable
from app.parsing.kinds import FileKind
from app.parsing.messages import MOST, Answer, Drawn, Opened, Read, Refused, Render, Turned, framed, receive

_BLOCKS = 10_000
"""Of one page: whoever reads them takes as many at a time as they are, and others wait. What is text and no block is
told by its blank lines, which is all that a text has; so a page of more only loses the headings behind these."""
_ROOMS = {
    FileKind.PDF: "pdf",
    FileKind.DOCX: "docx",
    FileKind.PPTX: "pptx",
    FileKind.XLSX: "xlsx",
    FileKind.HTML: "html",
    FileKind.MARKDOWN: "markdown",
    FileKind.TEXT: "text",
    FileKind.CSV: "csv",
    FileKind.LOCKED_OFFICE: "ole",
    FileKind.OLD_OFFICE: "ole",
}


def main() -> None:
    line = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # what a library prints is not an answer
    request = receive(sys.stdin.buffer)
    limits = request.limits
    size = os.fstat(request.descriptor).st_size
    # A picture of a page may be given to Tesseract.
    children = limits.ocr and isinstance(request, Read) and request.kind is FileKind.PDF
    confine(limits.memory + size, limits.seconds, children=children)
    for answer in _answers(request):
        message = framed(answer)
        if len(message) > MOST:
            message = framed(Refused(TooLarge.code, TooLarge.default_detail))
        line.write(message)
        line.flush()


def _answers(request: Read | Render) -> Iterator[Answer]:
    try:
        if isinstance(request, Read):
            yield from _read(request)
        else:
            yield _draw(request)
    except Unreadable as error:
        yield Refused(error.code, error.detail)
    except (MemoryError, RecursionError):
        yield Refused(TooLarge.code, TooLarge.default_detail)
    except Exception:  # whatever a library makes of a hostile file; the process edge
        yield Refused(Damaged.code, Damaged.default_detail)


def _read(request: Read) -> Iterator[Answer]:
    limits = request.limits
    grant(limits.page_seconds)
    document = _opener(request.kind)(Source(request.descriptor, request.kind, limits))
    if document.page_count > limits.pages:
        raise TooManyPages(f"The document has more than {limits.pages} pages.")
    yield Opened(document.page_count)
    for number in range(request.first, document.page_count + 1):
        grant(limits.page_seconds)
        yield Turned(_bounded(document.page(number)))


def _bounded(page: Page) -> Page:
    return page if len(page.blocks) <= _BLOCKS else replace(page, blocks=page.blocks[:_BLOCKS])


def _opener(kind: FileKind) -> Opener:
    """Only the room of this kind is loaded: each brings libraries along that take time and memory."""
    opener: Opener = importlib.import_module(f"app.parsing.formats.{_ROOMS[kind]}").open_document
    return opener


def _draw(request: Render) -> Drawn:
    pdf = importlib.import_module("app.parsing.formats.pdf")
    grant(request.limits.page_seconds)
    return Drawn(pdf.draw(Source(request.descriptor, FileKind.PDF, request.limits), request.page, request.max_pixels))


if __name__ == "__main__":
    main()
