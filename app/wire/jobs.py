"""How a job's progress is streamed: server-sent events, as in chat."""

from app.domain.events import Kind, LogEvent


def encode(event: LogEvent) -> bytes:
    name = b"" if event.kind is Kind.DONE else b"event: %b\n" % event.kind.value.encode()
    return b"%bdata: %b\n\n" % (name, event.payload)


def goodbye(_: int) -> bytes:
    """For a follower who is to ask again, in half a second."""
    return b'retry: 500\n\nevent: goodbye\ndata: {"reason": "ask_again"}\n\n'
