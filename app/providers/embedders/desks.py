"""A server's own route for vectors, asked with what a client sent as it was sent: no prefix, no cut, no second try."""

from array import array
from collections.abc import Sequence
from typing import Protocol, cast

from app.core.errors import UnknownModel
from app.domain.embedding import Asked, Inputs
from app.providers.embedders.answers import Numbers, check, of_ollama, of_openai, read
from app.providers.embedders.endpoint import Endpoint
from app.providers.embedders.refusals import broken_by_length
from app.providers.embedders.source import Kind, Source
from app.providers.ollama import errors as ollama_errors
from app.providers.openai import errors as openai_errors
from app.providers.transport import Refused
from app.providers.verdicts import TOO_LONG


class Desk(Protocol):
    """Where clients' own requests for vectors go; searches and the index have their embedder."""

    @property
    def takes_tokens(self) -> bool:
        """Whether a text may be the ids of its tokens."""
        ...

    @property
    def takes_dimensions(self) -> bool: ...

    @property
    def books(self) -> bool:
        """Whether what is used here is anybody's business."""
        ...

    @property
    def at_once(self) -> int:
        """Inputs of one request, at most."""
        ...

    async def ask(self, model: str, inputs: Inputs, asked: Asked) -> Numbers:
        """Of some of the inputs that are asked for. Ends within its time, and may be cancelled at any point.

        Raises GenerationFailure, and UnknownModel where the server says so.
        """
        ...

    async def aclose(self) -> None: ...


class OpenAIDesk:
    """OpenAI's protocol; `official` is OpenAI's own server, which takes more at once and packs numbers if asked to."""

    takes_tokens = True
    takes_dimensions = True
    books = True

    def __init__(self, endpoint: Endpoint, *, official: bool, dimensions: int | None = None) -> None:
        self._endpoint = endpoint
        self._official = official
        self._dimensions = dimensions
        # TEI takes 32 as it is shipped; to look through an answer of 64 takes 3 ms.
        self.at_once = 64 if official else 32

    async def ask(self, model: str, inputs: Inputs, asked: Asked) -> Numbers:
        fields: dict[str, object] = {"model": model, "input": inputs}
        if dimensions := asked.dimensions or self._dimensions:
            fields["dimensions"] = dimensions
        if self._official and asked.packed:
            fields["encoding_format"] = "base64"
        try:
            content = await self._endpoint.post(fields)
        except Refused as refused:
            _look_for_model(refused, model)
            if broken_by_length(refused):
                raise TOO_LONG.failure() from refused
            raise openai_errors.refused(refused.response) from refused
        return await read(content, of_openai, inputs)

    async def aclose(self) -> None:
        await self._endpoint.aclose()


class OllamaDesk:
    """`/api/embed` of an Ollama server, which works on one text after the other."""

    takes_tokens = False
    takes_dimensions = True
    books = True
    at_once = 16

    def __init__(self, endpoint: Endpoint, *, dimensions: int | None = None) -> None:
        self._endpoint = endpoint
        self._dimensions = dimensions

    async def ask(self, model: str, inputs: Inputs, asked: Asked) -> Numbers:
        fields: dict[str, object] = {"model": model, "input": inputs, "truncate": asked.truncate}
        if dimensions := asked.dimensions or self._dimensions:
            fields["dimensions"] = dimensions
        try:
            content = await self._endpoint.post(fields)
        except Refused as refused:
            _look_for_model(refused, model)
            raise ollama_errors.refused(refused.response) from refused
        return await read(content, of_ollama, inputs)

    async def aclose(self) -> None:
        await self._endpoint.aclose()


class LocalDesk:
    """A model that runs in this process for the index, too; its own library cuts what is too long."""

    takes_tokens = False
    takes_dimensions = False
    books = False

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def at_once(self) -> int:
        return self._source.at_once

    async def ask(self, model: str, inputs: Inputs, asked: Asked) -> Numbers:
        reply = await self._source.ask(cast("Sequence[str]", inputs), Kind.PASSAGE)
        vectors = [array("f", each) for each in reply.vectors]
        check(vectors, inputs)
        return Numbers(vectors, reply.tokens)

    async def aclose(self) -> None:
        """It is the embedder's."""


def _look_for_model(refused: Refused, model: str) -> None:
    """Raises UnknownModel."""
    if refused.response.status_code == 404:
        raise UnknownModel("The model's server does not have this model, or makes no vectors.", name=model) from refused
