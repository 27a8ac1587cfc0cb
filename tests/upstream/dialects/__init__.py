"""The vendors' protocols: each turns scenarios into its own bytes and knows nothing of connections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from tests.upstream.scenarios import Answer, InBandError, Page, Refuse

Body = Mapping[str, Any]  # a request as parsed; a caller may have put anything there


@dataclass(frozen=True, slots=True)
class Flood:
    """A frame with `size` letters in the middle."""

    before: bytes
    size: int
    after: bytes


@dataclass(frozen=True, slots=True)
class Script:
    """The body of one answer, in the order of sending. There is one frame for each chunk of the answer."""

    content_type: str
    opening: bytes  # sent together with the first chunk
    chunks: tuple[bytes | Flood, ...]
    closing: tuple[bytes, ...]

    @property
    def length(self) -> int:
        sizes = (len(c) if isinstance(c, bytes) else len(c.before) + c.size + len(c.after) for c in self.chunks)
        return len(self.opening) + sum(sizes) + sum(map(len, self.closing))


class Dialect(Protocol):
    def wants(self, method: str, path: str) -> Literal["answer", "models", "about"] | None:
        """What a request to this path asks for; None: it is not of this dialect."""
        ...

    def streams(self, body: Body) -> bool: ...

    def question(self, body: Body) -> str:
        """The text of the last user message."""
        ...

    def headers(self, number: int) -> Mapping[str, str]:
        """What every answer of this vendor carries."""
        ...

    def script(self, answer: Answer, body: Body, number: int) -> Script: ...

    def error(self, refuse: Refuse) -> bytes:
        """The body of a refusal."""
        ...

    def error_event(self, error: InBandError, answer: Answer) -> bytes:
        """The same inside a stream."""
        ...

    def models(self, names: Sequence[str]) -> bytes: ...


@runtime_checkable
class Telling(Dialect, Protocol):
    """A dialect whose vendor has more to ask it than the list of its models."""

    def about(self, path: str, body: Body, names: Sequence[str]) -> Page | Refuse:
        """What a request that wants "about" is told."""
        ...
