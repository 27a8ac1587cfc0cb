"""The directory at the end of a zip archive (APPNOTE 6.3.10, 4.3.12 to 4.3.16): a record for each file, and the end.

The standard library's writes it in one piece, from objects of nearly a kilobyte each that it keeps for every file.
"""

import struct
import zipfile
from collections.abc import Iterator

_RECORD = struct.Struct("<4s6H3L5H2L")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_END = struct.Struct("<4s4H2LH")
_VERSION = 45
"""Of the format: the one that has 64 bits."""
_UNIX = 3 << 8
_IN_64 = 0xFFFFFFFF
"""In place of what does not fit into 32 bits."""
_MANY = 0xFFFF
_UTF_8 = 0x800
_AT_ONCE = 256


class ZipDirectory:
    """Files are told in the order in which they stand in the archive."""

    def __init__(self) -> None:
        self._records: list[bytes] = []

    def add(self, entry: zipfile.ZipInfo) -> None:
        """A file that is written; its checksum, sizes and place are known."""
        self._records.append(_record(entry))

    def parts(self, start: int) -> Iterator[bytes]:
        """All of it, in parts of some tens of kilobytes; `start` is its place in the archive."""
        size = 0
        for first in range(0, len(self._records), _AT_ONCE):
            part = b"".join(self._records[first : first + _AT_ONCE])
            size += len(part)
            yield part
        yield _end(len(self._records), size, start)


def _record(entry: zipfile.ZipInfo) -> bytes:
    name = entry.filename.encode()
    moment = entry.date_time
    # In this order, and only those that do not fit.
    wide = [size for size in (entry.file_size, entry.compress_size, entry.header_offset) if size >= _IN_64]
    extra = struct.pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
    fields = _RECORD.pack(
        b"PK\1\2",
        _UNIX | _VERSION,
        _VERSION,
        entry.flag_bits | (0 if name.isascii() else _UTF_8),
        entry.compress_type,
        moment[3] << 11 | moment[4] << 5 | moment[5] // 2,
        moment[0] - 1980 << 9 | moment[1] << 5 | moment[2],
        entry.CRC,
        min(entry.compress_size, _IN_64),
        min(entry.file_size, _IN_64),
        len(name),
        len(extra),
        0,
        0,
        0,
        entry.external_attr,
        min(entry.header_offset, _IN_64),
    )
    return fields + name + extra


def _end(count: int, size: int, start: int) -> bytes:
    wide = b""
    if count >= _MANY or size >= _IN_64 or start >= _IN_64:
        wide = _END_64.pack(b"PK\6\6", 44, _UNIX | _VERSION, _VERSION, 0, 0, count, count, size, start)
        wide += _LOCATOR.pack(b"PK\6\7", 0, start + size, 1)
    few = min(count, _MANY)
    return wide + _END.pack(b"PK\5\6", 0, 0, few, few, min(size, _IN_64), min(start, _IN_64), 0)
