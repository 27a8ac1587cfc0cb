"""Word documents: the body in its order, then notes, headers and footers."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import docx
from docx.opc.exceptions import PackageNotFoundError
from docx.oxml import parse_xml
from docx.oxml.ns import qn
from lxml import etree

from app.domain.passages import Page
from app.parsing.composing import Composer, Room
from app.parsing.document import Document, Source, Whole
from app.parsing.errors import Damaged, NoText
from app.parsing.formats import zips

if TYPE_CHECKING:
    from docx.document import Document as WordDocument

_P, _TBL, _TR, _TC = qn("w:p"), qn("w:tbl"), qn("w:tr"), qn("w:tc")
_TEXT = {qn("w:t"): None, qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}
_ASIDE = (qn("w:txbxContent"), "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback")
_BOX, _FALLBACK = _ASIDE
_RENDERED, _BREAK, _TYPE = qn("w:lastRenderedPageBreak"), qn("w:br"), qn("w:type")
_VALUE = qn("w:val")
_NOTES = ("/footnotes", "/endnotes")
_LIST_STYLE = re.compile(r"List (?:Bullet|Number)")
_DEEPEST = 20


def open_document(source: Source) -> Document:
    zips.check(source)
    try:
        with source.file() as file:
            word = docx.Document(file)
    except (PackageNotFoundError, ValueError, KeyError, etree.XMLSyntaxError) as error:
        raise Damaged from error
    pages = _Reader(word, Room(source.limits.characters)).pages()
    if not any(page.text for page in pages):
        raise NoText
    return Whole(pages)


class _Reader:
    def __init__(self, word: "WordDocument", room: Room) -> None:
        self._word = word
        self._room = room
        self._body = word.element.body
        self._composer = Composer(room)
        self._pages: list[Page] = []
        self._items: list[str] = []
        # Word writes where its pages ended when it last laid them out; without it, where their writer ended them.
        self._rendered = next(self._body.iter(_RENDERED), None) is not None
        self._styles = {style.style_id: style.name or "" for style in word.styles}
        self._listed = {
            style.style_id for style in word.styles if next(style.element.iter(qn("w:numPr")), None) is not None
        }

    def pages(self) -> list[Page]:
        for element in _content(self._body):
            if element.tag == _P:
                self._paragraph(element)
            else:
                self._table(element)
        self._end_list()
        self._aside()
        self._turn()
        return self._pages

    def _turn(self) -> None:
        self._end_list()
        self._pages.append(self._composer.page(len(self._pages) + 1))
        self._composer = Composer(self._room)

    def _paragraph(self, element: etree._Element) -> None:
        style = self._style(element)
        heading = _heading_level(self._styles.get(style, ""), element)
        for number, text in enumerate(self._parts(element)):
            if number:
                self._turn()
            if heading and text.strip():
                self._end_list()
                self._composer.heading(text, heading)
            elif self._is_item(element, style):
                self._items.append(text)
            elif text.strip():
                self._end_list()
                self._composer.paragraph(text)
        for box in element.iter(_BOX):
            if next(box.iterancestors(_FALLBACK), None) is None:
                self._end_list()
                self._composer.paragraph("\n".join(map(_text, box.iter(_P))))

    def _parts(self, element: etree._Element) -> list[str]:
        """Its text, parted where a page ends in it."""
        parts = [""]
        for node in _own(element):
            if node.tag == _RENDERED and self._rendered:
                parts.append("")
            elif node.tag == _BREAK and node.get(_TYPE) == "page":
                if not self._rendered:
                    parts.append("")
            else:
                parts[-1] += _said(node)
        return parts

    def _style(self, element: etree._Element) -> str:
        style = element.find(f"{qn('w:pPr')}/{qn('w:pStyle')}")
        return str(style.get(_VALUE)) if style is not None else ""

    def _is_item(self, element: etree._Element, style: str) -> bool:
        properties = element.find(qn("w:pPr"))
        numbered = properties is not None and properties.find(qn("w:numPr")) is not None
        return numbered or style in self._listed or _LIST_STYLE.match(self._styles.get(style, "")) is not None

    def _end_list(self) -> None:
        items, self._items = self._items, []
        self._composer.list(items)

    def _table(self, element: etree._Element) -> None:
        self._end_list()
        rows = [[_cell(cell) for cell in row.iter(_TC) if _is_of(cell, element)] for row in _rows(element)]
        self._composer.table(rows, header=_has_header(element))
        ended = sum(1 for _ in element.iter(_RENDERED)) if self._rendered else 0
        if ended:
            self._turn()

    def _aside(self) -> None:
        """Notes, headers and footers, each text once, behind the last page's own."""
        told: set[str] = set()
        for text in (*self._notes(), *self._margins()):
            if text.strip() and text not in told:
                told.add(text)
                self._composer.paragraph(text)

    def _notes(self) -> Iterator[str]:
        for relation in self._word.part.rels.values():
            if relation.reltype.endswith(_NOTES) and not relation.is_external:
                yield from map(_text, parse_xml(relation.target_part.blob).iter(_P))

    def _margins(self) -> Iterator[str]:
        for section in self._word.sections:
            for margin in (section.header, section.footer):
                if not margin.is_linked_to_previous:
                    yield from map(_text, margin._element.iter(_P))


def _content(parent: etree._Element, depth: int = 0) -> Iterator[etree._Element]:
    """Paragraphs and tables, also those within what is inserted or controlled."""
    for child in parent:
        if child.tag in {_P, _TBL}:
            yield child
        elif isinstance(child.tag, str) and depth < _DEEPEST and child.tag != qn("w:sectPr"):
            yield from _content(child, depth + 1)


def _own(paragraph: etree._Element) -> Iterator[etree._Element]:
    """What makes its text, without that of text boxes, which stand beside it."""
    boxed = next(paragraph.iter(*_ASIDE), None) is not None
    for node in paragraph.iter(*_TEXT, _RENDERED):
        if not boxed or not any(ancestor.tag in _ASIDE for ancestor in _up(node, paragraph)):
            yield node


def _up(node: etree._Element, to: etree._Element) -> Iterator[etree._Element]:
    for ancestor in node.iterancestors():
        if ancestor is to:
            return
        yield ancestor


def _said(node: etree._Element) -> str:
    fixed = _TEXT.get(node.tag)
    return fixed if fixed is not None else node.text or ""


def _text(paragraph: etree._Element) -> str:
    return "".join(_said(node) for node in _own(paragraph) if node.tag != _RENDERED)


def _cell(cell: etree._Element) -> str:
    return "\n".join(map(_text, cell.iter(_P)))


def _rows(table: etree._Element) -> Iterator[etree._Element]:
    return (row for row in table.iter(_TR) if _is_of(row, table))


def _is_of(part: etree._Element, table: etree._Element) -> bool:
    """Whether it is of this table rather than of one inside a cell of it."""
    return next(part.iterancestors(_TBL), None) is table


def _has_header(table: etree._Element) -> bool:
    if next(table.iter(qn("w:tblHeader")), None) is not None:
        return True
    look = table.find(f"{qn('w:tblPr')}/{qn('w:tblLook')}")
    return look is not None and look.get(qn("w:firstRow")) == "1"


def _heading_level(style: str, element: etree._Element) -> int:
    """0 for what is none."""
    name = style.lower()
    if name == "title":
        return 1
    if name.startswith("heading "):
        return int(name[8:]) if name[8:].isdecimal() else 1
    outline = element.find(f"{qn('w:pPr')}/{qn('w:outlineLvl')}")
    level = outline.get(_VALUE, "9") if outline is not None else "9"
    return int(level) + 1 if level.isdecimal() and int(level) < 9 else 0
