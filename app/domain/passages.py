"""Documents as they are read and found: pages of text, their blocks, and the passages that are packed of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class BlockKind(StrEnum):
    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST = "list"
    TABLE = "table"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Block:
    """`text[start:end]` of its page, in characters. Of a heading, its level from 1; of a table, where its header row
    ends, if it has one: from `start` to there is the row that its other rows are read under."""

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    header_end: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a document, a slide or a sheet, from 1; what has no pages is one. Blocks are in order and apart.

    `flaw` says in one word why nothing could be read where something is (`scanned`, `damaged`, `too_complex`); the page
    then has no text. A page that is empty has neither.
    """

    number: int
    text: str
    blocks: Sequence[Block] = ()
    flaw: str | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """What is found: whole blocks of one page, packed to a size that suits their script.

    `text` is `page.text[start:end]`, to the character, and all that is shown as a quote. `headings` are those that it
    stands under, the highest first; `header` is the header row of the table that it goes on with. Both are indexed with
    the text, and a model sees them.
    """

    number: int
    page: int
    start: int
    end: int
    text: str
    headings: Sequence[str] = ()
    header: str = ""
