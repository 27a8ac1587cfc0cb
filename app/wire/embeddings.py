"""Vectors in OpenAI's and in Ollama's words, spelled one after the other: few at once, and many while they are sent."""

import asyncio
import sys
from array import array
from base64 import b64encode
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
from starlette.responses import Response

from app.domain.downloads import Piece
from app.domain.embedding import Made
from app.wire.download import DownloadLimits, DownloadResponse

_FEW = 8 * 1024
"""Numbers, which take a millisecond to spell."""
_MANY = 64 * 1024
"""Numbers, more of which are not held as text at one time."""
_WHOLE = 120.0
"""Seconds for all of them: while they are sent they keep a place."""
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Spelling:
    """How one protocol has an answer: what is before the vectors, each of them by its number, and what is behind."""

    before: bytes
    each: Callable[[int, "array[float]"], bytes]
    behind: bytes


def openai_list(made: Made, *, packed: bool) -> Spelling:
    """`packed` has numbers as base64 of 32 bits each, the lowest byte first."""
    spell = _packed if packed else _spelled
    usage = {"prompt_tokens": made.tokens, "total_tokens": made.tokens}
    about = {"model": made.model, "usage": usage}
    return Spelling(
        b'{"object":"list","data":[',
        lambda index, vector: b'{"object":"embedding","index":%d,"embedding":%b}' % (index, spell(vector)),
        b"]," + msgspec.json.encode(about)[1:],
    )


def ollama_embeddings(made: Made, model: str, *, duration: int) -> Spelling:
    """The answer of `/api/embed`, in so many nanoseconds."""
    about = {"total_duration": duration, "load_duration": 0, "prompt_eval_count": made.tokens}
    before = b'{"model":%b,"embeddings":[' % msgspec.json.encode(model)
    return Spelling(before, lambda _, vector: _spelled(vector), b"]," + msgspec.json.encode(about)[1:])


def ollama_embedding() -> Spelling:
    """The answer of the older `/api/embeddings`, of one text."""
    return Spelling(b'{"embedding":', lambda _, vector: _spelled(vector), b"}")


def no_embeddings(model: str) -> Response:
    """Of no text at all, with which Ollama's clients have a model loaded."""
    return Response(msgspec.json.encode({"model": model, "embeddings": []}), media_type=_JSON)


def no_embedding() -> Response:
    """The same of the older route."""
    return Response(msgspec.json.encode({"embedding": []}), media_type=_JSON)


async def answer(made: Made, spelling: Spelling, limits: DownloadLimits) -> Response:
    """The response; with it, or with its end, what was made is released."""
    if made.numbers > _MANY:
        limits = DownloadLimits(stuck=limits.stuck, least=limits.least, whole=min(limits.whole, _WHOLE))
        more = {"content-disposition": "inline"}
        return DownloadResponse(_Sending(made, spelling), filename="", media_type=_JSON, limits=limits, more=more)
    try:
        few = made.numbers <= _FEW
        content = _whole(made, spelling) if few else await asyncio.to_thread(_whole, made, spelling)
    finally:
        made.release()
    return Response(content, media_type=_JSON)


class _Sending:
    """A Download of vectors, some of which are spelled when those before them are taken."""

    def __init__(self, made: Made, spelling: Spelling) -> None:
        self.on_break: Callable[[], None] = _nothing
        self._made = made
        self._spelling = spelling

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        yield Piece("", lambda: self._spelling.before)
        at_once = max(1, _FEW // len(self._made.vectors[0]))
        for first in range(0, len(self._made.vectors), at_once):
            yield self._some(first, self._made.vectors[first : first + at_once])
        yield Piece("", lambda: self._spelling.behind)

    def release(self) -> None:
        self._made.release()

    def _some(self, first: int, vectors: "Sequence[array[float]]") -> Piece:
        between = b"," if first else b""
        return Piece("", lambda: between + b",".join(_each(self._spelling, first, vectors)))


def _whole(made: Made, spelling: Spelling) -> bytes:
    return spelling.before + b",".join(_each(spelling, 0, made.vectors)) + spelling.behind


def _each(spelling: Spelling, first: int, vectors: "Sequence[array[float]]") -> Iterator[bytes]:
    for index, vector in enumerate(vectors, first):
        yield spelling.each(index, vector)


def _spelled(vector: "array[float]") -> bytes:
    return msgspec.json.encode(vector.tolist())


def _packed(vector: "array[float]") -> bytes:
    numbers = array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return b'"' + b64encode(numbers) + b'"'


def _nothing() -> None:
    """Nobody has to be told."""
