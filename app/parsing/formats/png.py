"""Pixels as a PNG file."""

import struct
import zlib

_COLOURS = {1: 0, 3: 2, 4: 6}
"""PNG's word for so many channels."""


def png(width: int, height: int, channels: int, stride: int, pixels: memoryview) -> bytes:
    """Of rows that are `stride` bytes apart, in the order gray, or red, green, blue (, alpha)."""
    data = pixels.cast("B")
    packer = zlib.compressobj(6)
    starts = range(0, height * stride, stride)
    packed = [packer.compress(b"\x00" + bytes(data[at : at + width * channels])) for at in starts]
    packed.append(packer.flush())
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOURS[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", b"".join(packed)) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
