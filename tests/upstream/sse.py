"""The blocks of an event stream, in whatever spelling the standard allows and a parser may meet."""

from tests.upstream.scenarios import Wire

BOM = b"\xef\xbb\xbf"


def block(data: bytes, wire: Wire, event: bytes | None = None) -> bytes:
    space = b" " if wire.space else b""
    newline = wire.newline
    named = b"" if event is None else b"event:" + space + event + newline
    comment = b": keep-alive" + newline * 2 if wire.comments else b""
    return comment + named + b"data:" + space + data + newline * 2


def around(wire: Wire) -> tuple[bytes, bytes]:
    """What stands before and after the data of every unnamed block, for whoever builds thousands."""
    before, after = block(b"\0", wire).split(b"\0")
    return before, after
