"""Markdown: a page's text is the source itself, so that what is quoted is what was written."""

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from app.domain.passages import Block, BlockKind, Page
from app.parsing.composing import Room
from app.parsing.document import Document, Source, Whole
from app.parsing.errors import Empty
from app.parsing.formats.decoding import decode

_FRONT_MATTER = re.compile(r"---\n(.*?)\n(?:---|\.\.\.)(?:\n|$)", re.S)
_KINDS = {
    "heading_open": BlockKind.HEADING,
    "paragraph_open": BlockKind.PARAGRAPH,
    "bullet_list_open": BlockKind.LIST,
    "ordered_list_open": BlockKind.LIST,
    "table_open": BlockKind.TABLE,
    "fence": BlockKind.CODE,
    "code_block": BlockKind.CODE,
    "html_block": BlockKind.PARAGRAPH,
    "blockquote_open": BlockKind.PARAGRAPH,
}


def open_document(source: Source) -> Document:
    text = decode(source.all()).rstrip()
    if not text:
        raise Empty
    Room(source.limits.characters).take(len(text))
    return Whole([Page(1, text, tuple(_blocks(text)))])


def _blocks(text: str) -> Iterator[Block]:
    begin = 0
    if found := _FRONT_MATTER.match(text):
        yield Block(BlockKind.PARAGRAPH, 0, found.end(0) - (found[0][-1] == "\n"))
        begin = found.end()
    lines = _line_starts(text, begin)
    for token in MarkdownIt("commonmark").enable("table").parse(text[begin:]):
        if token.level == 0 and token.map and token.type in _KINDS:
            block = _block(text, lines, token)
            if block.end > block.start:
                yield block


def _line_starts(text: str, begin: int) -> Sequence[int]:
    starts = [begin]
    while (at := text.find("\n", starts[-1])) >= 0:
        starts.append(at + 1)
    return [*starts, len(text) + 1]


def _block(text: str, lines: Sequence[int], token: Token) -> Block:
    first, behind = token.map or (0, 0)
    start = lines[first]
    end = start + len(text[start : max(start, lines[min(behind, len(lines) - 1)] - 1)].rstrip())
    kind = _KINDS[token.type]
    if kind is BlockKind.HEADING:
        return Block(kind, start, end, level=int(token.tag[1:]))
    if kind is BlockKind.TABLE:
        return Block(kind, start, end, header_end=min(end, lines[first + 1] - 1))
    return Block(kind, start, end)
