"""Vectors in the answer of a server, taken out one after the other: many at once would hold up everything else."""

import asyncio
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from app.domain.embedding import Inputs
from app.providers.embedders.openai import in_order, unpacked
from app.providers.embedders.vectors import MOST_DIMENSIONS
from app.providers.verdicts import PROTOCOL

_LARGE = 64 * 1024
"""Bytes, beyond which it takes a millisecond."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a server answered to one request; `tokens` as it counted, None if it did not."""

    vectors: "Sequence[array[float]]"
    tokens: int | None


class _Item(msgspec.Struct):
    embedding: msgspec.Raw
    index: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


class _OpenAI(msgspec.Struct):
    data: list[_Item]
    usage: _Usage | None = None


class _Ollama(msgspec.Struct):
    embeddings: list[msgspec.Raw]
    prompt_eval_count: int | None = None


_QUOTE = ord('"')
_OPENAI = msgspec.json.Decoder(_OpenAI)
_OLLAMA = msgspec.json.Decoder(_Ollama)
_VECTOR = msgspec.json.Decoder(list[float])
_PACKED = msgspec.json.Decoder(str)


def of_openai(content: bytes) -> Numbers:
    """Raises GenerationFailure for anything else, as `of_ollama` does."""
    try:
        answer = _OPENAI.decode(content)
        vectors = [_vector(each.embedding) for each in in_order(answer.data)]
    except (ValueError, RecursionError) as error:
        raise PROTOCOL.failure() from error
    usage = answer.usage or _Usage()
    return Numbers(vectors, usage.prompt_tokens or usage.total_tokens)


def of_ollama(content: bytes) -> Numbers:
    try:
        answer = _OLLAMA.decode(content)
        vectors = [_vector(each) for each in answer.embeddings]
    except (ValueError, RecursionError) as error:
        raise PROTOCOL.failure() from error
    return Numbers(vectors, answer.prompt_eval_count)


async def read(content: bytes, spelling: Callable[[bytes], Numbers], inputs: Inputs) -> Numbers:
    """A vector for each of the inputs, all of the same dimensions. Raises GenerationFailure."""
    large = len(content) > _LARGE
    numbers = await asyncio.to_thread(spelling, content) if large else spelling(content)
    check(numbers.vectors, inputs)
    return numbers


def check(vectors: "Sequence[array[float]]", inputs: Inputs) -> None:
    """Raises GenerationFailure."""
    lengths = set(map(len, vectors))
    if len(vectors) != len(inputs) or len(lengths) != 1 or not 1 <= min(lengths) <= MOST_DIMENSIONS:
        raise PROTOCOL.failure()


def _vector(raw: msgspec.Raw) -> "array[float]":
    if memoryview(raw)[0] == _QUOTE:
        return unpacked(_PACKED.decode(raw))
    return array("d", _VECTOR.decode(raw))
