"""Pages as pictures: drawn for models that see, and read by Tesseract where it is installed."""

import asyncio
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from app.parsing.errors import Encrypted, NoText
from app.parsing.limits import ReadingLimits
from app.parsing.reading import render
from tests.parsing.pdfs import lines, pdf, scanned
from tests.parsing.read import pages_of
from tests.parsing.test_pdf import encrypted

TESSERACT = """#!/bin/sh
if [ "$1" = --list-langs ]; then printf 'List of available languages (2):\\nchi_sim\\neng\\n'; exit; fi
head -c 2; printf ' read with %s\\nin two lines\\n\\n扫描的文字\\n\\f' "$*"; cat >/dev/null
"""


@pytest.fixture
def tesseract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A program of that name, first on the path. It tells the first two bytes of its picture, or does as it is told."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "tesseract"
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def install(script: str) -> None:
        program.write_text(script)
        program.chmod(0o755)

    install(TESSERACT)
    return install


@pytest.mark.usefixtures("tesseract")
async def test_a_scan_is_read_where_tesseract_is_installed(tmp_path: Path) -> None:
    [page, typed] = await pages_of(tmp_path, "", scanned(b"", lines("typed")), ReadingLimits())
    assert page.text == "P5 read with stdin stdout -l chi_sim+eng\nin two lines\n\n扫描的文字"
    assert page.flaw is None
    assert typed.text == "typed"


async def test_a_tesseract_that_hangs_costs_the_page_its_text(tmp_path: Path, tesseract: Callable[[str], None]) -> None:
    tesseract(TESSERACT.replace("head -c 2;", "sleep 60;"))
    [page, typed] = await pages_of(tmp_path, "", scanned(b"", lines("typed")), ReadingLimits(page_seconds=3))
    assert (page.text, page.flaw) == ("", "scanned")
    assert typed.text == "typed"


@pytest.mark.parametrize("says", ["#!/bin/sh\nexit 1\n", "no program at all", "#!/bin/sh\nprintf '\\377\\376'\n"])
async def test_a_tesseract_that_does_not_work_is_as_good_as_none(
    tmp_path: Path, tesseract: Callable[[str], None], says: str
) -> None:
    tesseract(says)
    with pytest.raises(NoText):
        await pages_of(tmp_path, "", scanned(), ReadingLimits())


async def test_a_page_is_drawn_within_its_pixels(tmp_path: Path) -> None:
    file = tmp_path / "document"
    file.write_bytes(pdf(b"", b"1 0 0 rg 0 0 600 800 re f"))
    png = await render(file, 2, 100_000, ReadingLimits())
    width, height, depth, colour = struct.unpack(">IIBB", png[16:26])
    assert (depth, colour) == (8, 2)
    assert 80_000 < width * height <= 101_000
    assert abs(width / height - 600 / 800) < 0.01
    at = png.index(b"IDAT")
    [length] = struct.unpack(">I", png[at - 4 : at])
    pixels = zlib.decompress(png[at + 4 : at + 4 + length])
    assert pixels == (b"\0" + b"\xff\0\0" * width) * height


async def test_what_cannot_be_drawn_says_why(tmp_path: Path) -> None:
    file = tmp_path / "document"
    file.write_bytes(pdf(lines("words")))
    for page in (0, 2, 10**9):
        with pytest.raises(NoText):
            await render(file, page, 100_000, ReadingLimits())
    file.write_bytes(encrypted("1234", "AES-256"))
    with pytest.raises(Encrypted):
        await render(file, 1, 100_000, ReadingLimits())


@pytest.mark.parametrize("media", ["0 0 100000 1", "0 0 1 100000", "0 0 0 0", "-1e30 -1e30 1e30 1e30"])
async def test_a_page_of_any_shape_is_drawn_or_refused(tmp_path: Path, media: str) -> None:
    file = tmp_path / "document"
    file.write_bytes(pdf(lines("words"), media=media))
    drawn = await asyncio.gather(render(file, 1, 1_000_000, ReadingLimits()), return_exceptions=True)
    if isinstance(drawn[0], bytes):
        width, height = struct.unpack(">II", drawn[0][16:24])
        assert width * height <= 2_100_000
