"""A provider whose answers are from documents: their marks, images and tags are checked on the way."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing

from app.domain.cards import ModelCard
from app.domain.citing import Marks
from app.domain.events import Finish, ProviderEvent, TextDelta
from app.domain.prompts import ModelRequest
from app.domain.providers import Provider
from app.domain.text import decode, encode


class Cited:
    """`inner` for one answer; `marks` is what came of it, of its last attempt."""

    def __init__(self, inner: Provider, sources: int | None) -> None:
        self._inner = inner
        self._sources = sources
        self.marks = Marks(sources)

    @property
    def id(self) -> str:
        return self._inner.id

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ProviderEvent], None]:
        """Raises GenerationFailure; then what was held back, the beginning of a mark at most, is not said."""
        self.marks = marks = Marks(self._sources)
        async with aclosing(self._inner.stream(request)) as batches:
            async for batch in batches:
                yield list(_checked(marks, batch))

    async def models(self) -> Sequence[ModelCard]:
        return await self._inner.models()

    async def aclose(self) -> None:
        """The provider inside is not ours to close."""


def _checked(marks: Marks, batch: Sequence[ProviderEvent]) -> Iterator[ProviderEvent]:
    for event in batch:
        if isinstance(event, TextDelta):
            if text := marks.feed(decode([event.raw])):
                yield TextDelta(encode(text))
            continue
        if isinstance(event, Finish) and (rest := marks.flush()):
            yield TextDelta(encode(rest))
        yield event
