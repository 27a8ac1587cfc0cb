"""What clients of a door read in the head of every answer, beside what all answers have."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from app.core.serving import Standing
from app.wire.doors import Door

RawHeader = tuple[bytes, bytes]


def door_headers(door: Door, request_id: str, standing: Standing | None, seconds: float) -> Iterator[RawHeader]:
    """`standing` is with the limit that the request counted against; `seconds` is since the request came."""
    if door not in (Door.OPENAI, Door.ANTHROPIC):
        return
    yield b"request-id", request_id.encode()
    if door is Door.OPENAI:
        yield b"openai-processing-ms", b"%d" % (seconds * 1000)
    if standing is not None:
        yield from _limits_at_openai(standing) if door is Door.OPENAI else _limits_at_anthropic(standing)


def _limits_at_openai(standing: Standing) -> Iterator[RawHeader]:
    yield b"x-ratelimit-limit-requests", b"%d" % standing.limit
    yield b"x-ratelimit-remaining-requests", b"%d" % standing.remaining
    yield b"x-ratelimit-reset-requests", _duration(standing.resets_in).encode()


def _limits_at_anthropic(standing: Standing) -> Iterator[RawHeader]:
    reset = (datetime.now(UTC) + timedelta(seconds=standing.resets_in)).strftime("%Y-%m-%dT%H:%M:%SZ")
    yield b"anthropic-ratelimit-requests-limit", b"%d" % standing.limit
    yield b"anthropic-ratelimit-requests-remaining", b"%d" % standing.remaining
    yield b"anthropic-ratelimit-requests-reset", reset.encode()


def _duration(seconds: int) -> str:
    """As `6s`, `6m0s`, `1h0m0s`."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}s" if hours else f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
