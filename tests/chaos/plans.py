"""What a question's answer is to be, said in the question itself: the vendor needs no other word from who asks.

    Tell me of tea. ⟦nonce=u7-12;chunks=40;gap=20;fault=429:1⟧

The answer of a plan is a function of the plan and of the attempt alone. Each chunk names both and its own number, so
that no two chunks of a run are alike.
"""

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Literal, Self

Wire = Literal["frame", "burst", "bytes"]

_PLAN = re.compile(r"⟦([^⟦⟧]*)⟧")
NONCE = re.compile(r"⟨([^⟨⟩#]+)#(\d+):(\d+)⟩")
"""A chunk's name, as it stands in answers: nonce, attempt, number."""

# A chunk is its name and one of these. What is odd to those who escape, split and splice; all of it must arrive.
_DECORATIONS = (
    "",
    " 你好,世界。",
    "\n\n",
    ' "quoted" \\ ',
    " 👩‍👩‍👧 ",
    "\r\n",
    " data: {}\n\nevent: done\n",
    " naïve ́",
    "\t</script>\u2028",
    " 北京🍵",
)
_PAIR = "🦄"  # whose halves go out in two chunks
_HIGH, _LOW = (json.dumps(_PAIR)[1:-1].encode()[start : start + 6] for start in (0, 6))


@dataclass(frozen=True, slots=True)
class Plan:
    """`gap` and `first` are milliseconds: between chunks, and before the first.

    `faults` are what attempts do, in order; those beyond them are whole, as an empty one is:

        reset:n cut:n sever:n stall:n error:n   after n chunks: RST, an end without a marker, one without HTTP's own end
                                                either, silence, an error as an event of the stream
        429 429:s 503 500                       a refusal, with `Retry-After: s`
        silence drop                            not even a head; the connection closed instead of an answer
    """

    nonce: str
    chunks: int = 20
    gap: int = 20
    first: int = 0
    faults: tuple[str, ...] = ()
    usage: bool = True
    finish: Literal["stop", "length"] = "stop"
    wire: Wire = "frame"

    def __str__(self) -> str:
        words = [f"nonce={self.nonce}", f"chunks={self.chunks}", f"gap={self.gap}"]
        words += [f"first={self.first}"] * bool(self.first)
        words += ["fault=" + ",".join(self.faults)] * bool(self.faults)
        words += ["usage=no"] * (not self.usage)
        words += [f"finish={self.finish}"] * (self.finish != "stop")
        words += [f"wire={self.wire}"] * (self.wire != "frame")
        return f"⟦{';'.join(words)}⟧"

    @classmethod
    def of(cls, question: str) -> Self | None:
        """The last plan in a text: what the model is shown may hold unanswered questions before it."""
        found = _PLAN.findall(question)
        if not found:
            return None
        said = dict(word.partition("=")[::2] for word in found[-1].split(";"))
        return cls(
            nonce=said["nonce"],
            chunks=int(said["chunks"]),
            gap=int(said["gap"]),
            first=int(said.get("first", 0)),
            faults=tuple(said["fault"].split(",")) if "fault" in said else (),
            usage=said.get("usage") != "no",
            finish="length" if said.get("finish") == "length" else "stop",
            wire=_WIRES[said.get("wire", "frame")],
        )

    def fault(self, attempt: int) -> str:
        """What goes wrong with the n-th call for this question, from 1; empty if nothing does."""
        return self.faults[attempt - 1] if attempt <= len(self.faults) else ""

    def text(self, attempt: int, chunks: int | None = None) -> str:
        """The answer, or what so many of its chunks say; half a surrogate pair at the end is left out."""
        return _text(self.nonce, attempt, self.chunks, self.chunks if chunks is None else chunks)

    def spelled(self, attempt: int) -> tuple[bytes, ...]:
        """The chunks as the insides of JSON strings, as they go over the wire."""
        return tuple(_spelled(self.nonce, attempt, self.chunks))


_WIRES: dict[str, Wire] = {"frame": "frame", "burst": "burst", "bytes": "bytes"}


def nonces(text: str) -> set[str]:
    """Whose answers stand in a text."""
    return {found[0] for found in NONCE.findall(text)}


def _draw(nonce: str, number: int) -> int:
    return blake2b(f"{nonce}:{number}".encode(), digest_size=2).digest()[0]


def _splits(nonce: str, number: int, chunks: int) -> bool:
    """Whether a chunk ends in the first half of a pair, and the next begins with the other."""
    return 0 < number < chunks and _draw(nonce, number) % 7 == 3


def _said(nonce: str, attempt: int, number: int) -> str:
    return f"⟨{nonce}#{attempt}:{number}⟩{_DECORATIONS[_draw(nonce, number) % len(_DECORATIONS)]}"


@lru_cache(maxsize=64)
def _text(nonce: str, attempt: int, chunks: int, upto: int) -> str:
    return "".join(
        _PAIR * _splits(nonce, number - 1, chunks) + _said(nonce, attempt, number) for number in range(1, upto + 1)
    )


def _spelled(nonce: str, attempt: int, chunks: int) -> list[bytes]:
    return [
        _LOW * _splits(nonce, number - 1, chunks)
        + json.dumps(_said(nonce, attempt, number), ensure_ascii=_draw(nonce, number) % 2 == 0)[1:-1].encode()
        + _HIGH * _splits(nonce, number, chunks)
        for number in range(1, chunks + 1)
    ]
