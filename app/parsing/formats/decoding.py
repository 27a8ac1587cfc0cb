"""Bytes of a text file in whatever encoding to characters."""

import codecs

import charset_normalizer

from app.parsing.cleaning import clean

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE = 64 * 1024
_SOME_BROKEN = 1000
"""One character in so many may be broken in what is taken for UTF-8 still."""
_LIKELY = ["gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1252", "cp1251", "cp1250", "cp1256", "koi8_r"]


def decode(data: bytes) -> str:
    """Clean text; never fails."""
    return clean(characters(data))


def characters(data: bytes) -> str:
    """The text as it was written, with its form feeds."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    if wide := _utf16(data[:_SAMPLE]):
        return data.decode(wide, "replace")
    text = data.decode("utf-8", "replace")
    if text.count("\ufffd") * _SOME_BROKEN <= len(text):
        return text
    return data.decode(_guessed(data), "replace")


def _utf16(data: bytes) -> str | None:
    """Without a mark: in what is mostly Latin, NUL stands in every second place, and only there."""
    low, high = data[::2], data[1::2]
    if high.count(0) * 5 > len(high) * 2 and not low.count(0):
        return "utf-16-le"
    if low.count(0) * 5 > len(low) * 2 and not high.count(0):
        return "utf-16-be"
    return None


def _guessed(data: bytes) -> str:
    end = data.rfind(b"\n", 0, _SAMPLE) if len(data) > _SAMPLE else len(data)
    best = charset_normalizer.from_bytes(data[: end if end > 0 else _SAMPLE], cp_isolation=_LIKELY).best()
    return best.encoding if best else "gb18030"
