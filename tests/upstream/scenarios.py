"""What the vendor does with a call, as immutable values that know no vendor.

    Scenario
    ├── Answer            chunks, ending, pace and spelling of an answer, streamed or whole as the caller asked
    │   ├── chunks:       str | bytes | Reasoning | Refusal | ToolCall | ToolArguments | Frame | Filler
    │   ├── fault:        Cut | Reset | Stall | InBandError, each after k chunks: how it ends before its time
    │   └── wire: Wire    the same events in other bytes: line ends, packets, transfer, compression
    ├── Echo              an Answer made of the caller's last message
    ├── Refuse            an error in the vendor's own shape, with any status (200 too)
    ├── Page              any other HTTP answer: HTML, broken JSON
    ├── Silence           takes the request and never answers
    ├── Drop              takes the request and closes or resets the connection
    └── EndlessHeaders    a head that does not end

Sizes are bytes, times seconds.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

Headers = Mapping[str, str]
# Words with the space before them, long ones in pieces: joined they are the text again.
WORDS = re.compile(r"\s*\S{1,64}|\s+")
_MOST_CHUNKS = 512

Reason = Literal[
    "bad_key",
    "forbidden",
    "model_not_found",
    "context_length",
    "bad_request",
    "rate_limited",
    "quota",
    "server_error",
    "overloaded",
]


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Thinking, where the dialect has a field for it.

    A `signature` seals and ends a block of it, where thoughts are signed; an empty one leaves it without a seal, and
    None is the usual one at its end. `redacted` stands for thoughts that are not shown.
    """

    text: str | bytes = ""
    signature: str | None = None
    redacted: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The model's own words on why it will not answer."""

    text: str | bytes


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The start of a tool call; further pieces of its arguments follow as `ToolArguments` with the same index."""

    name: str
    arguments: str | bytes = ""
    id: str = "call_1"
    index: int = 0


@dataclass(frozen=True, slots=True)
class ToolArguments:
    text: str | bytes
    index: int = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """Bytes put into the body just as they are, in place of a chunk: garbage, a foreign dialect, an odd spelling."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Filler:
    """One text chunk of `size` times the letter a, made while it is sent: a huge line, with gzip a bomb."""

    size: int


# A str is text. Bytes are the inside of a JSON string as it goes over the wire: rb"\ud83d" is half an emoji, b"\xff" no
# UTF-8 at all. The same holds for the texts of the other chunks.
Chunk = str | bytes | Reasoning | Refusal | ToolCall | ToolArguments | Frame | Filler


@dataclass(frozen=True, slots=True)
class Cut:
    """The body ends after k chunks without a finish marker; unless `terminated`, HTTP's own end is missing too."""

    after: int
    terminated: bool = True


@dataclass(frozen=True, slots=True)
class Reset:
    """RST after k chunks. The pause lets the client read what came before: some HTTP clients drop it on an error."""

    after: int
    pause: float = 0.02


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing more after k chunks (0: only the head), until the client leaves or the server stops."""

    after: int


@dataclass(frozen=True, slots=True)
class InBandError:
    """The vendor's error as the last event, after k chunks. A whole answer is then that error alone, with 200."""

    after: int
    reason: Reason = "server_error"
    message: str | None = None


Fault = Cut | Reset | Stall | InBandError


@dataclass(frozen=True, slots=True)
class Wire:
    """How the body is spelled and carried; what it says stays the same."""

    newline: bytes = b"\n"
    space: bool = True  # after "data:"
    comments: bool = False  # one before every event
    bom: bool = False
    # "frame": one write an event; "burst": all in one write; a number: so many bytes a packet.
    packets: Literal["frame", "burst"] | int = "frame"
    # "auto": Content-Length where the length is known, else chunked; "close": the end of the connection is the end.
    transfer: Literal["auto", "chunked", "close"] = "auto"
    gzip: bool = False


class Usage(NamedTuple):
    prompt: int
    completion: int
    cached: int = 0  # of the prompt, what the vendor's cache gave; and `written`, what it took
    reasoning: int = 0
    written: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """`after` of a fault and `sent_chunks` of a record count `chunks`; the events around them are not counted.

    With `hold`, each chunk and then the ending waits for `Upstream.release` or `Upstream.finish`.
    """

    chunks: tuple[Chunk, ...] = ("Hel", "lo", "!")
    delay: float = 0.0  # between chunks, on a fixed schedule
    first_delay: float = 0.0  # between the head and the first chunk
    usage: Usage | tuple[int, int] | None = (9, 3)  # in a stream only where the caller asks for it
    finish: str | None = "stop"  # in the vendor's own words; None: the marker is missing
    done: bool = True  # the stream's last event, as [DONE]
    hold: bool = False
    fault: Fault | None = None
    wire: Wire = Wire()
    headers: Headers = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Echo:
    """`prefix` and the last user message word for word, and in larger chunks where that were too many; all else as in
    `like`.
    """

    prefix: str = "You said: "
    like: Answer = Answer()

    def answer(self, message: str) -> Answer:
        words = WORDS.findall(self.prefix + message)
        step = -(-len(words) // _MOST_CHUNKS)
        chunks = tuple("".join(words[first : first + step]) for first in range(0, len(words), step))
        return replace(self.like, chunks=chunks, usage=(len(message.split()), len(words)))


@dataclass(frozen=True, slots=True)
class Refuse:
    status: int
    reason: Reason | None = None  # None: the usual one for this status
    message: str | None = None
    headers: Headers = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    body: bytes = b"<!doctype html><html><body><h1>Bad gateway</h1></body></html>"
    status: int = 200
    content_type: str = "text/html; charset=utf-8"
    headers: Headers = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Silence:
    pass


@dataclass(frozen=True, slots=True)
class Drop:
    reset: bool = False


@dataclass(frozen=True, slots=True)
class EndlessHeaders:
    size: int = 1 << 30


Played = Answer | Refuse | Page | Silence | Drop | EndlessHeaders
Scenario = Played | Echo  # which is an Answer as soon as the message is known
