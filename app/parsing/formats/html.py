"""HTML: what a reader sees of it, block by block."""

from collections.abc import Iterator, Sequence

from selectolax.lexbor import LexborHTMLParser, LexborNode

from app.parsing.composing import Composer, Room
from app.parsing.document import Document, Source, Whole
from app.parsing.errors import Empty
from app.parsing.formats.decoding import decode

_UNSEEN = frozenset(
    "script style template noscript svg iframe object embed audio video canvas head input select button".split()  # noqa: SIM905
)
_BLOCKS = frozenset(
    "address article aside blockquote body center dd details dialog div dl dt fieldset figcaption figure footer form"  # noqa: SIM905
    " header hr html main nav p section summary tbody tfoot thead caption".split()
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}


def open_document(source: Source) -> Document:
    tree = LexborHTMLParser(decode(source.all()))
    composer = Composer(Room(source.limits.characters))
    title = tree.css_first("title")
    if title is not None:
        composer.heading(title.text(), 1)
    reader = _Reader(composer, title.text().split() if title is not None else ())
    if tree.root is not None:
        for node, begins in _walk(tree.root):
            reader.begin(node) if begins else reader.end(node)
    reader.finish()
    if composer.empty:
        raise Empty
    return Whole([composer.page(1)])


def _walk(root: LexborNode) -> Iterator[tuple[LexborNode, bool]]:
    """Each node where it begins and where it ends, without recursion: hostile pages nest a hundred thousand deep."""
    stack: list[LexborNode] = []
    node: LexborNode | None = root
    while node is not None or stack:
        if node is None:
            node = stack.pop()
            yield node, False
            node = node.next
            continue
        if _is_unseen(node):
            node = node.next
            continue
        yield node, True
        stack.append(node)
        node = node.first_child


def _is_unseen(node: LexborNode) -> bool:
    if node.tag in _UNSEEN:
        return True
    if not node.is_element_node:
        return False
    attributes = node.attributes
    style = (attributes.get("style") or "").replace(" ", "").lower()
    return "hidden" in attributes or "display:none" in style or "visibility:hidden" in style


class _Reader:
    def __init__(self, composer: Composer, title: Sequence[str]) -> None:
        self._composer = composer
        self._title = title
        self._text: list[str] = []
        self._items: list[str] = []
        self._rows: list[list[str]] = []
        self._lists = self._tables = self._pre = 0
        self._header = False

    def begin(self, node: LexborNode) -> None:
        tag = node.tag or ""
        if node.is_text_node:
            self._text.append(node.text_content or "" if self._pre else " ".join(_words(node.text_content or "")))
        elif tag == "br":
            self._text.append("\n")
        elif tag == "pre":
            self._flush()
            self._pre += 1
        elif tag in {"ul", "ol"}:
            self._flush()
            self._lists += 1
        elif tag == "table":
            self._flush()
            self._tables += 1
        elif tag == "tr" and self._tables == 1:
            self._rows.append([])
        elif tag == "th" and self._tables == 1 and len(self._rows) == 1:
            self._header = True
        elif tag == "li" or tag in _BLOCKS or tag in _HEADINGS:
            self._flush()

    def end(self, node: LexborNode) -> None:
        tag = node.tag or ""
        if tag in _HEADINGS and not self._tables and not self._lists:
            self._heading(_HEADINGS[tag])
        elif tag == "pre":
            self._flush()
            self._pre -= 1
        elif tag in {"ul", "ol"}:
            self._flush()
            self._lists -= 1
            if not self._lists:
                self._end_list()
        elif tag in {"td", "th"} and self._tables == 1 and self._rows:
            self._rows[-1].append(self._taken())
        elif tag == "table":
            self._flush()
            self._tables -= 1
            if not self._tables:
                self._end_table()
        elif tag == "li" or tag in _BLOCKS or tag in _HEADINGS:
            self._flush()

    def finish(self) -> None:
        self._lists = self._tables = 0
        self._end_list()
        self._end_table()
        self._flush()

    def _taken(self) -> str:
        text, self._text = "".join(self._text), []
        return text

    def _flush(self) -> None:
        """What has been read since the last block ends here. In a table it goes on: the cell is the block."""
        if self._tables:
            self._text.append("\n")
            return
        text = self._taken()
        if not text.strip():
            return
        if self._pre:
            self._composer.code(text)
        elif self._lists:
            self._items.append(text)
        else:
            self._composer.paragraph(text)

    def _heading(self, level: int) -> None:
        text = self._taken()
        if tuple(text.split()) != tuple(self._title):  # that one stands above already
            self._composer.heading(text, level)

    def _end_list(self) -> None:
        items, self._items = self._items, []
        self._composer.list(items)

    def _end_table(self) -> None:
        rows, self._rows, header, self._header = self._rows, [], self._header, False
        if len(rows) > 1 or any(len(row) > 1 for row in rows):
            self._composer.table(rows, header=header)
        else:
            for row in rows:
                self._composer.paragraph("\n".join(row))


def _words(text: str) -> list[str]:
    """White space is one space, and stays where it parts words of two nodes."""
    words = text.split()
    if not words:
        return [" "] if text else []
    words[0] = " " + words[0] if text[0].isspace() else words[0]
    words[-1] = words[-1] + " " if text[-1].isspace() else words[-1]
    return words
