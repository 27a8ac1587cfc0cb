"""Embedders for tests, closed after them."""

from contextlib import AsyncExitStack
from math import hypot, isclose
from typing import Any, Protocol, Self

from app.core.config import Settings
from app.domain.embedding import Embedded, Embedder, Vector
from app.providers.embedders.registry import configured_embedder
from tests.upstream.dialects.vectors import DIMENSIONS, vector_of

SERVERS = ("openai", "ollama")


class Make(Protocol):
    def __call__(self, model: str = "echo", **settings: object) -> Embedder: ...


class Maker:
    """At one address of a vendor, which speaks all protocols."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._made = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._made.aclose()

    def make(self, name: str, **given: object) -> Embedder:
        base = f"{self._url}/v1" if name.startswith("openai/") else self._url
        embedder = configured_embedder(
            settings(**{"embedding_model": name, "embedding_base_url": base, "embedding_timeout": 5, **given})
        )
        assert embedder is not None
        self._made.push_async_callback(embedder.aclose)
        return embedder


def settings(**given: object) -> Settings:
    values: dict[str, Any] = {"ollama_discovery": False, **given}
    return Settings(_env_file=None, **values)


def unit(text: str, dimensions: int = DIMENSIONS) -> Vector:
    """Of what the vendor knows of a text."""
    vector = vector_of(text, dimensions)
    return [each / hypot(*vector) for each in vector]


def are_of(embedded: Embedded, *texts: str) -> bool:
    """Whether these are the vectors of these texts, in their order."""
    return len(embedded.vectors) == len(texts) and all(
        len(mine) == len(theirs) and all(isclose(*both, abs_tol=1e-6) for both in zip(mine, theirs, strict=True))
        for mine, theirs in zip(embedded.vectors, map(unit, texts), strict=True)
    )
