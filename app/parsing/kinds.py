"""What a file is, by its content: its first and last bytes decide, its name only tells one kind of text from another.

A file that could be several things at once is what its first magic says, and is treated as nothing else.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import PurePosixPath

HEAD = 64 * 1024
"""How many bytes of a file's beginning `sniff` looks at; fewer will do where the file has no more."""
TAIL = 64 * 1024
"""How many bytes of its end."""


class FileKind(StrEnum):
    PDF = "pdf"
    DOCX = "docx"
    PPTX = "pptx"
    XLSX = "xlsx"
    HTML = "html"
    MARKDOWN = "md"
    TEXT = "txt"
    CSV = "csv"
    PNG = "png"
    JPEG = "jpeg"
    GIF = "gif"
    WEBP = "webp"
    LOCKED_OFFICE = "locked_office"
    """An office file under a password."""
    OLD_OFFICE = "old_office"
    """doc, xls, ppt: what Office wrote before 2007."""
    ZIP = "zip"
    """An archive that is none of the above."""
    EMPTY = "empty"
    OTHER = "other"

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES.get(self, "application/octet-stream")

    @property
    def is_document(self) -> bool:
        """Whether `app.parsing.reading` makes pages of it."""
        return self in _DOCUMENTS

    @property
    def is_image(self) -> bool:
        """Whether a model that sees can be shown it."""
        return self in _IMAGES


_DOCUMENTS = frozenset(
    {
        FileKind.PDF,
        FileKind.DOCX,
        FileKind.PPTX,
        FileKind.XLSX,
        FileKind.HTML,
        FileKind.MARKDOWN,
        FileKind.TEXT,
        FileKind.CSV,
    }
)
_IMAGES = frozenset({FileKind.PNG, FileKind.JPEG, FileKind.GIF, FileKind.WEBP})
_OPEN_XML = "application/vnd.openxmlformats-officedocument."
_MEDIA_TYPES = {
    FileKind.PDF: "application/pdf",
    FileKind.DOCX: _OPEN_XML + "wordprocessingml.document",
    FileKind.PPTX: _OPEN_XML + "presentationml.presentation",
    FileKind.XLSX: _OPEN_XML + "spreadsheetml.sheet",
    FileKind.HTML: "text/html",
    FileKind.MARKDOWN: "text/markdown",
    FileKind.TEXT: "text/plain",
    FileKind.CSV: "text/csv",
    FileKind.PNG: "image/png",
    FileKind.JPEG: "image/jpeg",
    FileKind.GIF: "image/gif",
    FileKind.WEBP: "image/webp",
    FileKind.ZIP: "application/zip",
    FileKind.LOCKED_OFFICE: "application/x-ole-storage",
    FileKind.OLD_OFFICE: "application/x-ole-storage",
}
_MAGICS = (
    (b"\x89PNG\r\n\x1a\n", FileKind.PNG),
    (b"\xff\xd8\xff", FileKind.JPEG),
    (b"GIF87a", FileKind.GIF),
    (b"GIF89a", FileKind.GIF),
    (b"{\\rtf", FileKind.OTHER),  # text to the eye, but of commands
    (b"%!PS", FileKind.OTHER),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIPS = (b"PK\x03\x04", b"PK\x05\x06")

_MARKDOWN_NAMES = {".md", ".markdown", ".mkd", ".mdown"}
_CSV_NAMES = {".csv", ".tsv"}
_HTML_NAMES = {".html", ".htm", ".xhtml"}

# As browsers sniff it (WHATWG MIME Sniffing, 7.1): what is a page by any name, and what Markdown may begin with too.
# Nothing here is tried in a second way, so that no text makes it slow.
_BEFORE = rb"\s*+(?:<\?xml[^>]*+>\s*+)?+(?:(?><!--.*?-->)\s*+)*+<"
_PAGE = re.compile(_BEFORE + rb"(?:!doctype\s+html|html|head|body)[\s>]", re.I | re.S)
_FRAGMENT = re.compile(
    _BEFORE + rb"(?:script|iframe|h1|div|font|table|a|style|title|b|br|p|meta|link)[\s>]", re.I | re.S
)


def sniff(head: bytes, tail: bytes, name: str) -> FileKind:
    """The kind of a file that begins with `head` and ends with `tail` (HEAD and TAIL bytes of it; of a small file both
    are all of it). Never fails, and takes time in proportion to their length.
    """
    head, tail = head[:HEAD], tail[-TAIL:]
    if not head:
        return FileKind.EMPTY
    for magic, kind in _MAGICS:
        if head.startswith(magic):
            return kind
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return FileKind.WEBP
    if head.startswith(_ZIPS):
        return _of_zip(head, tail)
    if head.startswith(_OLE):
        return _of_ole(head + tail)
    start = _past_bom(head)
    if _PAGE.match(head, start):
        return FileKind.HTML
    if _is_pdf(head, tail):
        return FileKind.PDF
    return _of_text(head, start, name) if _is_text(head) else FileKind.OTHER


def _past_bom(head: bytes) -> int:
    return 3 if head.startswith(b"\xef\xbb\xbf") else 0


def _is_pdf(head: bytes, tail: bytes) -> bool:
    """Readers allow 1 KiB of anything before the header; a text that talks of headers has no objects."""
    at = head.find(b"%PDF-", 0, 1024 + 5)
    return at == 0 or (at > 0 and any(word in part for word in (b" obj", b"startxref") for part in (head, tail)))


def _of_text(head: bytes, start: int, name: str) -> FileKind:
    suffix = PurePosixPath(name[-64:].lower()).suffix
    if suffix in _MARKDOWN_NAMES:
        return FileKind.MARKDOWN
    if suffix in _CSV_NAMES:
        return FileKind.CSV
    if suffix in _HTML_NAMES or _FRAGMENT.match(head, start):
        return FileKind.HTML
    return FileKind.TEXT


def _is_text(head: bytes) -> bool:
    """Whether this reads as text in some encoding: UTF-8, UTF-16, or one of those without NUL, such as GB18030."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    controls = sum(map(head.count, _CONTROLS))
    if 0 in head:
        return _is_utf16(head)
    return controls * 100 <= len(head)


_CONTROLS = tuple(bytes([code]) for code in {*range(0x20)} - {*b"\t\n\r\f\x1b"})


def _is_utf16(head: bytes) -> bool:
    """Without a byte order mark: what is mostly Latin has NUL in every second place, and only there."""
    for zeros, others in ((head[1::2], head[::2]), (head[::2], head[1::2])):
        if zeros.count(0) * 5 >= len(zeros) * 2 and others.count(0) == 0 and not any(map(others.count, _CONTROLS)):
            return True
    return False


def _of_ole(seen: bytes) -> FileKind:
    """Where the names of its streams lie beyond what is seen, reading the file tells it."""
    return FileKind.LOCKED_OFFICE if "EncryptedPackage".encode("utf-16-le") in seen else FileKind.OLD_OFFICE


_MAIN_PARTS = {
    b"word/document.xml": FileKind.DOCX,
    b"ppt/presentation.xml": FileKind.PPTX,
    b"xl/workbook.xml": FileKind.XLSX,
}
_PREFIXES = {b"word/": FileKind.DOCX, b"ppt/": FileKind.PPTX, b"xl/worksheets/": FileKind.XLSX}


def _of_zip(head: bytes, tail: bytes) -> FileKind:
    """By the names in the archive's directory, or, where that is too long to be seen, by those that are."""
    prefix = None
    office = False
    for entry in (*_local_names(head), *_directory_names(tail)):
        main = entry.replace(b"\\", b"/").lstrip(b"/").lower()
        if main in _MAIN_PARTS:
            return _MAIN_PARTS[main]
        office = office or main == b"[content_types].xml"
        prefix = prefix or next((kind for start, kind in _PREFIXES.items() if main.startswith(start)), None)
    return prefix if office and prefix else FileKind.ZIP


def _local_names(head: bytes) -> Iterator[bytes]:
    """Of the files at the beginning, as far as each tells where the next one is."""
    at = 0
    while head.startswith(b"PK\x03\x04", at) and at + 30 <= len(head):
        name, extra = _short(head, at + 26), _short(head, at + 28)
        yield head[at + 30 : at + 30 + name]
        if _short(head, at + 6) & 8:  # the sizes come behind the data
            return
        at += 30 + name + extra + int.from_bytes(head[at + 18 : at + 22], "little")


def _directory_names(tail: bytes) -> Iterator[bytes]:
    end = tail.rfind(b"PK\x05\x06")
    if end < 0:
        return
    start = end - int.from_bytes(tail[end + 12 : end + 16], "little")
    at = start if start >= 0 else tail.find(b"PK\x01\x02")
    while at >= 0 and tail.startswith(b"PK\x01\x02", at) and at + 46 <= len(tail):
        name = _short(tail, at + 28)
        yield tail[at + 46 : at + 46 + name]
        at += 46 + name + _short(tail, at + 30) + _short(tail, at + 32)


def _short(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")
