"""Workbooks: a sheet is a page, and its rows are tables."""

import datetime
from collections.abc import Iterator

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from app.domain.passages import Page
from app.parsing.composing import Composer, Room
from app.parsing.document import Document, Source
from app.parsing.errors import Damaged, Empty, TooLarge
from app.parsing.formats import zips
from app.parsing.formats.rows import add_tables

Value = int | float | str | bool | datetime.time | datetime.date | datetime.datetime | datetime.timedelta

_MOST_CELLS = 20_000_000


def open_document(source: Source) -> Document:
    zips.check(source)
    try:
        book = CalamineWorkbook.from_filelike(source.file())
    except (CalamineError, ValueError, OSError) as error:
        raise Damaged from error
    names = [
        sheet.name
        for sheet in book.sheets_metadata
        if sheet.typ is SheetTypeEnum.WorkSheet and sheet.visible is SheetVisibleEnum.Visible
    ]
    if not names:
        raise Empty
    return Workbook(book, names, Room(source.limits.characters))


class Workbook:
    def __init__(self, book: CalamineWorkbook, names: list[str], room: Room) -> None:
        self._book = book
        self._names = names
        self._room = room
        self.page_count = len(names)

    def page(self, number: int) -> Page:
        name = self._names[number - 1]
        try:
            sheet = self._book.get_sheet_by_name(name)
        except (CalamineError, ValueError, OSError):
            return Page(number, "", flaw="damaged")
        composer = Composer(self._room)
        composer.heading(name, 1)
        add_tables(_rows(sheet), composer)
        page = composer.page(number)
        return page if len(page.blocks) > 1 else Page(number, "")


def _rows(sheet: CalamineSheet) -> Iterator[list[str]]:
    if sheet.height * sheet.width > _MOST_CELLS:
        raise TooLarge("A sheet has more cells than are read.")
    for row in sheet.iter_rows():
        yield [_said(value) for value in row]


def _said(value: Value) -> str:
    """As people write it."""
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case float():
            return f"{value:.15g}" if abs(value) < 1e15 else str(value)
        case datetime.datetime():
            bare = value.time() == datetime.time(0)
            return value.date().isoformat() if bare else value.isoformat(" ", "seconds")
        case datetime.timedelta():
            hours, seconds = divmod(int(value.total_seconds()), 3600)
            return f"{hours}:{seconds // 60:02}:{seconds % 60:02}"
        case str():
            return value.strip()
        case _:
            return str(value)
