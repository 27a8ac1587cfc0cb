"""Texts without pages are one page, however long: nobody else waits while it is taken apart."""

from pathlib import Path

import pytest

from app.domain.packing import pack
from app.parsing.kinds import FileKind
from app.parsing.limits import ReadingLimits
from app.parsing.reading import read
from tests.backend import Backend
from tests.documents.papers import NOTES, added, reached, ready

MANY = 30_000


@pytest.mark.parametrize(("kind", "text"), [(FileKind.TEXT, "a\n\n"), (FileKind.MARKDOWN, "# a\n\n")])
async def test_a_page_of_very_many_blocks_is_told_by_its_text(tmp_path: Path, kind: FileKind, text: str) -> None:
    file = tmp_path / "many"
    file.write_text(text * MANY)

    async with read(file, kind, ReadingLimits()) as reading:
        (page,) = [page async for page in reading.pages()]

    assert len(page.blocks) <= 10_000
    assert page.text.count("a") == MANY
    assert sum(passage.text.count("a") for passage in pack([page])) == MANY


async def test_a_text_of_very_many_paragraphs_is_read_whole(backend: Backend) -> None:
    alice = await backend.user("alice")
    text = "".join(f"{number}\n\n" for number in range(MANY))

    (document,) = await added(alice, ("many.txt", text.encode()))

    told = await ready(alice, document["document_id"], of=NOTES, within=60)
    assert (told["pages"], told["characters"]) == (1, len(text.rstrip()))


@pytest.mark.parametrize("database_kind", ["mariadb"])
async def test_a_page_that_the_database_does_not_take_is_refused_and_not_tried_for_ever(
    backend: Backend, database_kind: str
) -> None:
    """MariaDB hangs up on whoever sends more than 16 MB at once, as it is shipped."""
    alice = await backend.user("alice")
    line = "Machine 7 stands in hall 3, and its warranty lasts for years on end.\n"

    (document,) = await added(alice, ("long.txt", (line * (17 * 2**20 // len(line))).encode()))

    told = await reached(alice, document["document_id"], "failed", "ready", within=60)
    assert (told["status"], told["error"]["code"]) == ("failed", "too_large")
