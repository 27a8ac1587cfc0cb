"""Plain text: paragraphs are parted by empty lines, pages by form feeds. A page's text is the file's own."""

import re

from app.domain.passages import Block, BlockKind, Page
from app.parsing.cleaning import clean
from app.parsing.composing import Room
from app.parsing.document import Document, Source, Whole
from app.parsing.errors import Empty
from app.parsing.formats.decoding import characters

_PARTED = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")


def open_document(source: Source) -> Document:
    pages = [clean(page).strip("\n").rstrip() for page in characters(source.all()).split("\f")]
    if not any(pages):
        raise Empty
    Room(source.limits.characters).take(sum(map(len, pages)))
    return Whole([Page(number, text, _blocks(text)) for number, text in enumerate(pages, 1)])


def _blocks(text: str) -> tuple[Block, ...]:
    blocks = []
    at = 0
    for gap in _PARTED.finditer(text):
        if gap.start() > at:
            blocks.append(Block(BlockKind.PARAGRAPH, at, gap.start()))
        at = gap.end()
    if at < len(text):
        blocks.append(Block(BlockKind.PARAGRAPH, at, len(text)))
    return tuple(blocks)
