"""The bounds of a zip archive, looked at before a library unpacks any of it."""

import zipfile

from app.parsing.document import Source
from app.parsing.errors import Damaged, Encrypted, TooLarge

_MOST_ENTRIES = 10_000
_MARKUP = (".xml", ".rels")
_MARKUP_SHARE = 4
"""Of what may be unpacked, markup may be this part: as a tree it takes several times its size."""
_LOCKED = 1


def check(source: Source) -> None:
    """By what its directory says, past which `zipfile` reads of no part. Raises Unreadable."""
    try:
        with source.file() as file, zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        raise Damaged from error
    if len(entries) > _MOST_ENTRIES:
        raise TooLarge("The document has more parts than are read.")
    if any(entry.flag_bits & _LOCKED for entry in entries):
        raise Encrypted
    most = source.limits.unpacked
    markup = sum(entry.file_size for entry in entries if entry.filename.lower().endswith(_MARKUP))
    if sum(entry.file_size for entry in entries) > most or markup * _MARKUP_SHARE > most:
        raise TooLarge("The document is far larger unpacked than is read.")
