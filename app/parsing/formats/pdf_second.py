"""PDF by pypdf, for files that PDFium cannot open: slower, and more forgiving."""

import logging

import pypdf
from pypdf.errors import PdfReadError, PyPdfError

from app.domain.passages import Page
from app.parsing.composing import Composer, Room
from app.parsing.document import Source
from app.parsing.errors import Damaged, Encrypted


def open_document(source: Source) -> "SecondPdf":
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = pypdf.PdfReader(source.file(), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Encrypted
        if not len(reader.pages):
            raise Damaged
    except PyPdfError as error:
        raise Damaged from error
    return SecondPdf(reader, Room(source.limits.characters))


class SecondPdf:
    def __init__(self, reader: pypdf.PdfReader, room: Room) -> None:
        self._reader = reader
        self._room = room
        self.page_count = len(reader.pages)

    def page(self, number: int) -> Page:
        try:
            text = self._reader.pages[number - 1].extract_text()
        except (PdfReadError, PyPdfError, ValueError, TypeError, KeyError, AttributeError, IndexError):
            return Page(number, "", flaw="damaged")
        composer = Composer(self._room)
        for part in text.split("\n\n"):
            composer.paragraph(part)
        return composer.page(number)
