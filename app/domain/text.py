"""Answer text as encoded JSON strings: made safe once, then spliced from the upstream to every client unparsed.

An upstream's chunk holds its text as a JSON string already. Decoding and encoding it again for each client costs more
than all the rest of relaying it, so a string that is safe as it stands (see TextDelta) is passed on byte for byte.
"""

import re
from collections.abc import Iterable, Iterator

import msgspec

# What may not be spliced: raw control characters (a lone CR ends a line of an event stream), escapes that can hide a
# NUL or half a surrogate pair, and the separators NEL, LS and PS, at which many hand-written clients split lines.
_UNSAFE = re.compile(rb"[\x00-\x1f]|\\u|\xc2\x85|\xe2\x80[\xa8\xa9]")
# One string, not empty, whose only escapes are of a quote or of white space; the quantifiers give nothing back.
_PLAIN = re.compile(rb'"(?:[^"\\\x00-\x1f\xc2\xe2]++|\\["bfnrt]|\xc2(?!\x85)|\xe2(?!\x80[\xa8\xa9]))++"')
_SEPARATORS = re.compile(rb"\xc2\x85|\xe2\x80[\xa8\xa9]")
_HIGH_SURROGATES = range(0xD800, 0xDC00)


def encode(text: str) -> bytes:
    """`text` as a JSON string on one line, for readers that split lines at Unicode's separators too."""
    return escaped(msgspec.json.encode(text))


def escaped(raw: bytes) -> bytes:
    """JSON that means the same without Unicode's separators, which stand nowhere in it but in strings."""
    if _SEPARATORS.search(raw):
        raw = _SEPARATORS.sub(lambda found: b"\\u%04x" % ord(found[0].decode()), raw)
    return raw


def is_plain(raw: bytes) -> bool:
    """Whether these bytes are one encoded string, and may be spliced as they stand; one that is empty is not."""
    return _PLAIN.fullmatch(raw) is not None and (raw.isascii() or _is_utf8(raw))


def decode(raws: Iterable[bytes]) -> str:
    """The text of several encoded strings, joined."""
    return msgspec.json.decode(b'"' + b"".join(raw[1:-1] for raw in raws) + b'"', type=str)


def pieces(raw: bytes, limit: int) -> Iterator[bytes]:
    """`raw` in encoded strings of at most `limit` bytes each."""
    if len(raw) <= limit:
        yield raw
        return
    text = decode([raw])
    step = (limit - 2) // 6  # a character takes six bytes at worst, as an escape
    for start in range(0, len(text), step):
        yield encode(text[start : start + step])


class TextJoiner:
    """Makes the text chunks of one stream safe, in order.

    Vendors that cut their answers by UTF-16 units send the halves of a pair in two chunks: a high surrogate waits for
    its other half; what stays alone becomes U+FFFD. NUL, which PostgreSQL cannot store, is dropped.
    """

    __slots__ = ("_high",)

    def __init__(self) -> None:
        self._high = ""

    def splice(self, raw: bytes) -> bytes | None:
        """`raw` itself where it may pass as it stands; None when it must be decoded and given to `join`."""
        if self._high or _UNSAFE.search(raw):
            return None
        return raw if raw.isascii() or _is_utf8(raw) else None

    def join(self, text: str) -> bytes | None:
        """`text`, which may hold lone surrogates, as an encoded string; None while there is nothing to say yet."""
        text, self._high = self._high + text, ""
        if text and ord(text[-1]) in _HIGH_SURROGATES:
            text, self._high = text[:-1], text[-1]
        return _clean(text)

    def flush(self) -> bytes | None:
        """What still waited for its other half when the stream ended."""
        text, self._high = self._high, ""
        return _clean(text)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _clean(text: str) -> bytes | None:
    if not text.isascii():
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    text = text.replace("\x00", "")
    return encode(text) if text else None
