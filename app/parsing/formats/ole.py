"""Files of the Compound File format: what Office wrote before 2007, and what it writes under a password. Neither is
read; this tells which it is."""

from app.parsing.document import Document, Source
from app.parsing.errors import Encrypted, Unsupported

_DIRECTORY_SECTOR = 48
_SECTOR = 4096


def open_document(source: Source) -> Document:
    """Always raises."""
    data = source.map()
    shift = int.from_bytes(data[30:32], "little")
    sector = int.from_bytes(data[_DIRECTORY_SECTOR : _DIRECTORY_SECTOR + 4], "little")
    at = (sector + 1) << min(shift, 12)
    if "EncryptedPackage".encode("utf-16-le") in data[at : at + _SECTOR]:
        raise Encrypted
    raise Unsupported("Files of Office before 2007 are not read; save it as docx, xlsx or pptx.")
