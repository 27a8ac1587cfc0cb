"""Our own chat stream: server-sent events that the simplest front-end can read.

A text block is one `data:` line and nothing else. Clients that split what they read on blank lines and look only at
pieces that begin with `data: ` see text and the ending, and pass over the rest.
"""

from collections.abc import Container

from app.domain.events import Kind, LogEvent
from app.wire.response import Encoder

_TEXT = Kind.TEXT
"""To look a member up in its enum costs half of what splicing its text does."""
_UNNAMED = {Kind.TEXT, Kind.DONE}
_UNNAMED_TO_ASKERS = {*_UNNAMED, Kind.SOURCES}


def encode(event: LogEvent) -> bytes:
    """A block without an id, for readers of a POST."""
    if event.kind is _TEXT:
        return b'data: {"text": %b, "seq": %d}\n\n' % (event.payload, event.seq)
    return _block(event)


def encode_for_askers(event: LogEvent) -> bytes:
    """The same for questions to documents, whose readers look for sources as they do for text."""
    return _block(event, unnamed=_UNNAMED_TO_ASKERS) if event.kind is Kind.SOURCES else encode(event)


def encoder_with_ids(generation_id: str) -> Encoder:
    """Blocks that carry `id: <generation>:<seq>`, for EventSource, which sends the last one back."""
    prefix = b"id: %b:" % generation_id.encode()

    def encode_with_id(event: LogEvent) -> bytes:
        return b"%b%d\n%b" % (prefix, event.seq, encode(event))

    return encode_with_id


def goodbye(seq: int) -> bytes:
    """For a reader who is to go on elsewhere after event `seq`, in half a second."""
    return b'retry: 500\n\nevent: goodbye\ndata: {"reason": "draining", "seq": %d}\n\n' % seq


def _block(event: LogEvent, *, unnamed: Container[Kind] = _UNNAMED) -> bytes:
    name = b"" if event.kind in unnamed else b"event: %b\n" % event.kind.value.encode()
    payload = b'{"text": %b}' % event.payload if event.kind is Kind.REASONING else event.payload
    return b'%bdata: %b, "seq": %d}\n\n' % (name, payload[:-1], event.seq)
