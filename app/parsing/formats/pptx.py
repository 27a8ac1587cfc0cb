"""Presentations: a slide is a page, its title first and its notes last."""

from collections.abc import Iterable, Iterator

import pptx
from lxml import etree
from pptx.exc import PackageNotFoundError
from pptx.shapes.autoshape import Shape
from pptx.shapes.base import BaseShape
from pptx.shapes.graphfrm import GraphicFrame
from pptx.shapes.group import GroupShape
from pptx.slide import Slide

from app.domain.passages import Page
from app.parsing.composing import Composer, Room
from app.parsing.document import Document, Source
from app.parsing.errors import Damaged, Empty
from app.parsing.formats import zips

_DEEPEST = 20


def open_document(source: Source) -> Document:
    zips.check(source)
    try:
        with source.file() as file:
            slides = list(pptx.Presentation(file).slides)
    except (PackageNotFoundError, ValueError, KeyError, etree.XMLSyntaxError) as error:
        raise Damaged from error
    if not slides:
        raise Empty
    return Slides(slides, Room(source.limits.characters))


class Slides:
    def __init__(self, slides: list[Slide], room: Room) -> None:
        self._slides = slides
        self._room = room
        self.page_count = len(slides)

    def page(self, number: int) -> Page:
        try:
            return self._read(number)
        except (KeyError, ValueError, AttributeError, TypeError, etree.LxmlError):  # parts that miss what they refer to
            return Page(number, "", flaw="damaged")

    def _read(self, number: int) -> Page:
        slide = self._slides[number - 1]
        composer = Composer(self._room)
        title = slide.shapes.title
        if title is not None:
            composer.heading(title.text_frame.text, 1)
        for shape in _shapes(slide.shapes):
            if title is None or shape.shape_id != title.shape_id:
                _add(shape, composer)
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            composer.paragraph(slide.notes_slide.notes_text_frame.text)
        return composer.page(number)


def _shapes(shapes: Iterable[BaseShape], depth: int = 0) -> Iterator[BaseShape]:
    """Those in groups too."""
    for shape in shapes:
        if isinstance(shape, GroupShape):
            if depth < _DEEPEST:
                yield from _shapes(shape.shapes, depth + 1)
        else:
            yield shape


def _add(shape: BaseShape, composer: Composer) -> None:
    if isinstance(shape, GraphicFrame) and shape.has_table:
        table = shape.table
        rows = ([cell.text for cell in row.cells] for row in table.rows)
        composer.table(rows, header=bool(table.first_row))
    elif isinstance(shape, Shape):
        texts = [text for paragraph in shape.text_frame.paragraphs if (text := paragraph.text.strip())]
        composer.list(texts) if len(texts) > 1 else composer.paragraph("".join(texts))
