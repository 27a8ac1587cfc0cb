"""A provider whose answers are from documents: their marks, images and tags are checked on the way."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing

from app.domain.cards import ModelCard
from app.domain.citing import Marks
from app.domain.events import Finish, ProviderEvent, ReasoningDelta, TextDelta
from app.domain.failures import GenerationFailure
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
        """Raises GenerationFailure. What was held back is said before, unless nothing was said: then all of it may be
        tried again."""
        self.marks = marks = Marks(self._sources)
        visible = False
        async with aclosing(self._inner.stream(request)) as batches:
            try:
                async for batch in batches:
                    checked = list(_checked(marks, batch))
                    visible = visible or any(isinstance(each, TextDelta | ReasoningDelta) for each in checked)
                    yield checked
            except GenerationFailure:
                if visible:
                    yield _rest(marks)
                raise
        if visible:
            yield _rest(marks)

    def check(self, request: ModelRequest) -> None:
        self._inner.check(request)

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
        if isinstance(event, Finish):
            yield from _rest(marks)
        yield event


def _rest(marks: Marks) -> Sequence[ProviderEvent]:
    rest = marks.flush()
    return [TextDelta(encode(rest))] if rest else []
