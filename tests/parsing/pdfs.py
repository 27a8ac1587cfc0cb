"""Small PDFs, put together by hand, so that a test can say what is wrong with one."""

from collections.abc import Mapping, Sequence

FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
BOLD = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>"


def pdf(*pages: bytes, media: str = "0 0 600 800", more: str = "", objects: Mapping[int, bytes] | None = None) -> bytes:
    """Each page's content stream; `more` are further entries of its dictionary, `objects` further objects by number."""
    made: dict[int, bytes] = {1: b"<< /Type /Catalog /Pages 2 0 R >>", 3: FONT, 4: BOLD}
    kids = []
    for number, content in enumerate(pages):
        page, stream = 1000 + 2 * number, 1001 + 2 * number
        kids.append(f"{page} 0 R")
        made[page] = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [{media}] /Contents {stream} 0 R "
            f"/Resources << /Font << /F1 3 0 R /F2 4 0 R >> /XObject << /Im 900 0 R >> >> {more} >>"
        ).encode()
        made[stream] = stream_of(content)
    made[2] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(pages)} >>".encode()
    return assembled({**made, **(objects or {})})


def assembled(objects: Mapping[int, bytes], root: int = 1, trailer: str = "") -> bytes:
    body = b"%PDF-1.7\n"
    places = {}
    for number, value in sorted(objects.items()):
        places[number] = len(body)
        body += b"%d 0 obj\n" % number + value + b"\nendobj\n"
    start = len(body)
    body += b"xref\n0 1\n0000000000 65535 f \n"
    for number, place in places.items():
        body += b"%d 1\n%010d 00000 n \n" % (number, place)
    size = max(objects) + 1
    return body + f"trailer\n<< /Size {size} /Root {root} 0 R {trailer} >>\nstartxref\n{start}\n%%EOF\n".encode()


def stream_of(data: bytes, entries: str = "") -> bytes:
    return f"<< /Length {len(data)} {entries} >>\nstream\n".encode() + data + b"\nendstream"


def lines(*said: str, size: int = 12, x: int = 50, y: int = 700, font: str = "F1", leading: float = 1.2) -> bytes:
    """Lines of text below each other."""
    shown = b" T* ".join(
        b"(" + text.encode("cp1252").replace(b"(", rb"\(").replace(b")", rb"\)") + b") Tj" for text in said
    )
    return f"BT /{font} {size} Tf {size * leading} TL {x} {y} Td ".encode() + shown + b" ET "


def at(x: float, y: float, said: str, size: int = 12) -> bytes:
    return lines(said, x=int(x), y=int(y), size=size)


def grid(rows: Sequence[Sequence[str]], *, columns: Sequence[int], top: int = 600, size: int = 12) -> bytes:
    """A table: rows of cells at the columns' places."""
    return b"".join(
        at(x, top - number * size * 1.5, cell, size)
        for number, row in enumerate(rows)
        for x, cell in zip(columns, row, strict=True)
        if cell
    )


IMAGE = stream_of(
    b"\x80" * 100, "/Type /XObject /Subtype /Image /Width 10 /Height 10 /ColorSpace /DeviceGray /BitsPerComponent 8"
)
SCAN = b"q 600 0 0 800 0 0 cm /Im Do Q "
"""A page that an image fills."""


def scanned(*pages: bytes) -> bytes:
    return pdf(*(SCAN + page for page in pages or (b"",)), objects={900: IMAGE})
