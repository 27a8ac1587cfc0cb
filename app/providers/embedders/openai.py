"""`/v1/embeddings`, as OpenAI has it and many after it: vLLM, TEI, Infinity, llama.cpp, Jina, gateways."""

import binascii
import sys
from array import array
from base64 import b64decode
from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec

from app.domain.embedding import Vector
from app.providers.embedders.decoding import decoded
from app.providers.embedders.endpoint import Endpoint
from app.providers.embedders.known import Traits
from app.providers.embedders.refusals import refusal
from app.providers.embedders.source import Kind, Reply
from app.providers.transport import Refused
from app.providers.verdicts import PROTOCOL

_AT_ONCE = 32
"""What TEI takes as it is shipped. Larger requests are not faster."""


class _Item(msgspec.Struct):
    embedding: list[float] | str
    index: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Item]
    usage: _Usage | None = None


_DECODER = msgspec.json.Decoder(_Answer)


class _Numbered(Protocol):
    @property
    def index(self) -> int | None: ...


_Any = TypeVar("_Any", bound=_Numbered)


class OpenAISource:
    """`packed` asks for numbers as bytes, a quarter as long: OpenAI knows that, some of the others refuse it."""

    at_once = _AT_ONCE

    def __init__(self, endpoint: Endpoint, model: str, traits: Traits, dimensions: int | None, *, packed: bool) -> None:
        self._endpoint = endpoint
        self._fields = {
            Kind.QUESTION: _fields(model, dimensions, packed) | dict(traits.question_fields),
            Kind.PASSAGE: _fields(model, dimensions, packed) | dict(traits.passage_fields),
        }

    async def ask(self, texts: Sequence[str], kind: Kind) -> Reply:
        try:
            content = await self._endpoint.post({**self._fields[kind], "input": texts})
        except Refused as refused:
            raise refusal(refused) from refused
        answer = await decoded(content, _DECODER)
        tokens = (answer.usage.prompt_tokens or answer.usage.total_tokens) if answer.usage else None
        return Reply([_vector(each) for each in in_order(answer.data)], tokens)

    async def aclose(self) -> None:
        await self._endpoint.aclose()


def _fields(model: str, dimensions: int | None, packed: bool) -> dict[str, object]:
    fields: dict[str, object] = {"model": model}
    if dimensions is not None:
        fields["dimensions"] = dimensions
    if packed:
        fields["encoding_format"] = "base64"
    return fields


def in_order(items: Sequence[_Any]) -> Sequence[_Any]:
    """Of the texts, where the server says which is which."""
    numbers = [each.index for each in items if each.index is not None]
    if len(numbers) < len(items):
        return items
    if sorted(numbers) != list(range(len(items))):
        raise PROTOCOL.failure()
    return sorted(items, key=lambda each: each.index or 0)


def _vector(item: _Item) -> Vector:
    return unpacked(item.embedding).tolist() if isinstance(item.embedding, str) else item.embedding


def unpacked(packed: str) -> "array[float]":
    """The numbers of 32 bits, the lowest byte first, that stand in base64. Raises GenerationFailure."""
    try:
        numbers = array("f", b64decode(packed, validate=True))
    except (binascii.Error, ValueError) as error:
        raise PROTOCOL.failure() from error
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
