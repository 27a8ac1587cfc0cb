"""What a request for vectors came to, as bytes that are kept and read again."""

from array import array
from collections.abc import Sequence
from typing import Literal

import msgspec

from app.core.errors import AnswerFailed, AppError, Invalid
from app.generation.endings import LOST
from app.generation.run import INTERNAL


class Vectors(msgspec.Struct, frozen=True, tag="vectors"):
    """`numbers` are those of all vectors, as an array of this `kind` has them."""

    model: str
    tokens: int
    kind: Literal["f", "d"]
    dimensions: int
    numbers: bytes

    def each(self) -> "Sequence[array[float]]":
        numbers: array[float] = array(self.kind)
        numbers.frombytes(self.numbers)
        return [numbers[first : first + self.dimensions] for first in range(0, len(numbers), self.dimensions)]


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """Without a code it was the request's fault."""

    code: str | None
    detail: str
    retry_after: int | None = None
    rejected: bool = False
    field: str | None = None

    def refusal(self) -> AppError:
        if self.code is None:
            return Invalid(self.detail, field=self.field)
        wait, rejected = self.retry_after, self.rejected
        return AnswerFailed(self.code, self.detail, retry_after=wait, rejected=rejected, stored=True)


_LOST = Failed(LOST.code.value, LOST.detail, retry_after=1)
_decoder = msgspec.msgpack.Decoder(Vectors | Failed)


def pack(model: str, vectors: "Sequence[array[float]]", tokens: int) -> bytes:
    """Takes milliseconds for many."""
    kind: Literal["f", "d"] = "f" if all(vector.typecode == "f" for vector in vectors) else "d"
    numbers = b"".join(array(kind, vector).tobytes() for vector in vectors)
    return msgspec.msgpack.encode(Vectors(model, tokens, kind, len(vectors[0]), numbers))


def pack_failure(error: Exception) -> bytes:
    match error:
        case AnswerFailed():
            failed = Failed(error.answer_code, error.detail, error.retry_after, error.rejected)
        case Invalid():
            failed = Failed(None, error.detail, field=error.field)
        case _:
            failed = Failed(INTERNAL.code.value, INTERNAL.detail)
    return msgspec.msgpack.encode(failed)


def unpack(content: bytes | None) -> Vectors | Failed:
    """None is what nobody ended."""
    return _LOST if content is None else _decoder.decode(content)
