"""A file is what its content says; its name tells one text from another, and nothing else."""

import io
import zipfile

import pytest

from app.parsing.kinds import FileKind, sniff

WHOLE_PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\nstartxref\n9\n%%EOF\n"


def archive(*names: str, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as packed:
        for name in names:
            packed.writestr(name, "x" * 100)
    return made.getvalue()


def kind(data: bytes, name: str = "") -> FileKind:
    return sniff(data, data, name)


@pytest.mark.parametrize(
    ("data", "is_"),
    [
        (WHOLE_PDF, FileKind.PDF),
        (b"\r\n junk \r\n" + WHOLE_PDF, FileKind.PDF),
        (archive("[Content_Types].xml", "word/document.xml"), FileKind.DOCX),
        (archive("[Content_Types].xml", "ppt/presentation.xml"), FileKind.PPTX),
        (archive("xl/workbook.xml", "[Content_Types].xml"), FileKind.XLSX),
        (archive("holiday/1.jpg"), FileKind.ZIP),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500, FileKind.OLD_OFFICE),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), FileKind.LOCKED_OFFICE),
        (b"\x89PNG\r\n\x1a\n....", FileKind.PNG),
        (b"\xff\xd8\xff\xe0....", FileKind.JPEG),
        (b"GIF89a....", FileKind.GIF),
        (b"RIFF\x10\0\0\0WEBPVP8 ", FileKind.WEBP),
        (b"RIFF\x10\0\0\0WAVEfmt ", FileKind.OTHER),
        (b"<!DOCTYPE html><p>hello", FileKind.HTML),
        (b"\xef\xbb\xbf  <!-- a comment --><HTML lang=en>", FileKind.HTML),
        (b"plain words", FileKind.TEXT),
        ("文件".encode("gb18030"), FileKind.TEXT),
        ("文件".encode("utf-16"), FileKind.TEXT),
        ("Some words, here.\r\n".encode("utf-16-le"), FileKind.TEXT),
        (b"<svg onload=alert(1)>", FileKind.TEXT),
        (b"{\\rtf1 hello}", FileKind.OTHER),
        (b"\x7fELF\x02\x01\x01\0\0\0", FileKind.OTHER),
        (b"", FileKind.EMPTY),
    ],
)
def test_content_tells_the_kind_whatever_the_name(data: bytes, is_: FileKind) -> None:
    assert kind(data, "a") is is_
    assert kind(data, "a.pdf") is is_
    assert kind(data, "a.png") is is_


@pytest.mark.parametrize(
    ("name", "is_"),
    [
        ("a.md", FileKind.MARKDOWN),
        ("A.MARKDOWN", FileKind.MARKDOWN),
        ("a.csv", FileKind.CSV),
        ("a.tsv", FileKind.CSV),
        ("a.htm", FileKind.HTML),
        ("a.txt", FileKind.TEXT),
        ("a", FileKind.TEXT),
        ("表.CSV", FileKind.CSV),
        ("x" * 10_000 + ".md", FileKind.MARKDOWN),
        ("\0\ud800/../a.md", FileKind.MARKDOWN),
    ],
)
def test_the_name_tells_one_text_from_another(name: str, is_: FileKind) -> None:
    assert kind(b"a, b\n1, 2\n", name) is is_


def test_markdown_may_begin_with_html() -> None:
    assert kind(b'<h1 align="center">Project</h1>\n\nwords', "README.md") is FileKind.MARKDOWN
    assert kind(b'<h1 align="center">Project</h1>\n\nwords', "a.txt") is FileKind.HTML


@pytest.mark.parametrize(
    ("data", "is_"),
    [
        (WHOLE_PDF + archive("word/document.xml"), FileKind.PDF),
        (archive("notes.txt") + WHOLE_PDF, FileKind.ZIP),
        (WHOLE_PDF + b"<html><script>alert(1)</script>", FileKind.PDF),
        (b"<html><script>alert(1)</script>" + WHOLE_PDF, FileKind.HTML),
        (b"GIF89a" + WHOLE_PDF, FileKind.GIF),
    ],
)
def test_a_polyglot_is_what_it_begins_as(data: bytes, is_: FileKind) -> None:
    assert kind(data) is is_


def test_a_text_about_pdf_is_a_text() -> None:
    assert kind(b"Every such file begins with %PDF-1.7 and a line end.") is FileKind.TEXT


def test_an_archive_that_holds_a_document_is_an_archive() -> None:
    inner = archive("[Content_Types].xml", "word/document.xml")
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        packed.writestr("letter.docx", inner)
    assert kind(made.getvalue()) is FileKind.ZIP


def test_an_office_file_is_known_by_its_ends_alone() -> None:
    names = ["[Content_Types].xml", *(f"ppt/slides/slide{number}.xml" for number in range(3000))]
    data = archive(*names, "ppt/presentation.xml", compression=zipfile.ZIP_STORED)
    assert sniff(data[:65536], data[-65536:], "") is FileKind.PPTX


def test_no_content_makes_it_fail() -> None:
    for data in (
        b"PK\3\4",
        b"PK\5\6",
        b"PK\3\4" + b"\xff" * 40,
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"<",
        b"%PDF-",
        b"\0",
    ):
        kind(data)


def test_each_kind_has_a_media_type() -> None:
    assert FileKind.PDF.media_type == "application/pdf"
    assert FileKind.OTHER.media_type == FileKind.EMPTY.media_type == "application/octet-stream"
    assert FileKind.PNG.is_image
    assert not FileKind.PNG.is_document
    assert FileKind.CSV.is_document
