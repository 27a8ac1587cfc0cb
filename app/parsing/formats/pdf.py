"""PDF, by PDFium; by pypdf where PDFium cannot open the file."""

import ctypes
import importlib
from functools import cached_property

import pypdfium2
import pypdfium2.raw as pdfium

from app.domain.passages import Page
from app.parsing.composing import Composer, Room
from app.parsing.document import Document, Opener, Source
from app.parsing.errors import Damaged, Encrypted, NoText
from app.parsing.formats.pdf_layout import Layout
from app.parsing.formats.pdf_lines import Overfull, lines_of
from app.parsing.formats.png import png
from app.parsing.ocr import Ocr

_SCANNED = 0.5
"""The part of a page that an image covers which is taken for a scan."""
_MOST_OBJECTS = 2_000
_POINTS_AN_INCH = 72
_PIXELS_AN_INCH = 250
_MOST_PIXELS = 16_000_000
_OCR_SHARE = 0.8
"""Of the time of a page: past it there is still time to say that nothing was found."""


def open_document(source: Source) -> Document:
    try:
        opened = _open(source)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pdfium.FPDF_ERR_PASSWORD:
            raise Encrypted from error
        # Not imported above: it takes longer to load than most documents to read.
        second: Opener = importlib.import_module("app.parsing.formats.pdf_second").open_document
        return second(source)
    return Pdf(opened, source)


def draw(source: Source, number: int, max_pixels: int) -> bytes:
    """A page as a PNG of at most so many pixels."""
    try:
        opened = _open(source)
        if not 1 <= number <= len(opened):
            raise NoText("The document has no such page.")
        page = opened[number - 1]
    except pypdfium2.PdfiumError as error:
        raise Encrypted if error.err_code == pdfium.FPDF_ERR_PASSWORD else Damaged from error
    bitmap = page.render(scale=_scale(page, max_pixels), rev_byteorder=True, prefer_bgrx=False)
    return png(bitmap.width, bitmap.height, bitmap.n_channels, bitmap.stride, memoryview(bitmap.buffer))


def _open(source: Source) -> pypdfium2.PdfDocument:
    """From the file's own memory: PDFium has its pages read where it looks, and the file may be deleted meanwhile."""
    return pypdfium2.PdfDocument((ctypes.c_ubyte * source.size).from_buffer(source.map()))


class Pdf:
    def __init__(self, opened: pypdfium2.PdfDocument, source: Source) -> None:
        self._opened = opened
        self._room = Room(source.limits.characters)
        self._layout = Layout()
        self._limits = source.limits
        self.page_count = len(opened)

    @cached_property
    def _ocr(self) -> Ocr | None:
        return Ocr.installed(self._limits.page_seconds * _OCR_SHARE) if self._limits.ocr else None

    def page(self, number: int) -> Page:
        try:
            page = self._opened[number - 1]
        except pypdfium2.PdfiumError:
            return Page(number, "", flaw="damaged")
        try:
            return self._read(page, number)
        except pypdfium2.PdfiumError:
            return Page(number, "", flaw="damaged")
        except (Overfull, MemoryError):
            return Page(number, "", flaw="too_complex")
        finally:
            page.close()

    def _read(self, page: pypdfium2.PdfPage, number: int) -> Page:
        composer = Composer(self._room)
        self._layout.compose(lines_of(page), composer)
        if composer.empty and _is_scan(page):
            for paragraph in self._ocr.read(*_gray(page)) if self._ocr else ():
                composer.paragraph(paragraph)
            if composer.empty:
                return Page(number, "", flaw="scanned")
        return composer.page(number)


def _is_scan(page: pypdfium2.PdfPage) -> bool:
    """Whether images cover most of a page on which there is no text."""
    left, bottom, right, top = page.get_bbox()
    whole = (right - left) * (top - bottom)
    covered = 0.0
    for count, item in enumerate(page.get_objects(filter=(pdfium.FPDF_PAGEOBJ_IMAGE,), max_depth=3)):
        x1, y1, x2, y2 = item.get_bounds()
        covered += max(0.0, min(x2, right) - max(x1, left)) * max(0.0, min(y2, top) - max(y1, bottom))
        if covered >= whole * _SCANNED:
            return True
        if count > _MOST_OBJECTS:
            break
    return False


def _gray(page: pypdfium2.PdfPage) -> tuple[int, int, bytes]:
    """Width, height and one byte a pixel, as fine as Tesseract likes it."""
    scale = min(_PIXELS_AN_INCH / _POINTS_AN_INCH, _scale(page, _MOST_PIXELS))
    bitmap = page.render(scale=scale, grayscale=True)
    data = memoryview(bitmap.buffer).cast("B")
    rows = (data[at : at + bitmap.width] for at in range(0, bitmap.height * bitmap.stride, bitmap.stride))
    return bitmap.width, bitmap.height, b"".join(rows)


def _scale(page: pypdfium2.PdfPage, pixels: int) -> float:
    """That makes at most so many pixels of a page, whose sides nobody has checked."""
    width, height = page.get_size()
    finest = (pixels / max(width * height, 1.0)) ** 0.5
    return float(min(finest, pixels / max(width, height, 1.0), 300 / _POINTS_AN_INCH))
