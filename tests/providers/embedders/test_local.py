"""Models that run in this process: in a thread of their own, bounded, and without a word to anybody."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from decimal import Decimal

import pytest

from app.domain.embedding import EmbedderUnavailable
from app.providers.embedders.billing import Biller
from app.providers.embedders.embedder import SourceEmbedder
from app.providers.embedders.known import Traits
from app.providers.embedders.local import LocalSource, Model, Row
from tests.upstream.dialects.vectors import vector_of


class Numbers(list[float]):
    """As an array has it."""

    def tolist(self) -> list[float]:
        return list(self)


class Words:
    """A model whose vectors count words, as the loopback vendor's do."""

    def __init__(self) -> None:
        self.threads: set[str] = set()
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def query_embed(self, query: str | Iterable[str]) -> Iterable[Row]:
        return self.passage_embed(query)

    def passage_embed(self, texts: Iterable[str]) -> Iterable[Row]:
        for text in texts:
            self.threads.add(threading.current_thread().name)
            assert self.may_go_on.wait(10)
            if text == "broken":
                raise RuntimeError("the session is broken")
            yield Numbers(vector_of(text))


def embedder(
    load: Callable[[], Model], *, patience: float = 5.0, clock: Callable[[], float] = time.monotonic
) -> SourceEmbedder:
    biller = Biller(None, lambda card, usage: Decimal(1))
    return SourceEmbedder("fastembed/words", LocalSource(load, patience, clock=clock), Traits(None), None, biller)


async def test_texts_are_embedded_beside_the_event_loop_and_cost_nothing() -> None:
    words = Words()
    local = embedder(lambda: words)
    embedded = await local.embed_passages([f"text {number}" for number in range(20)])
    assert len(embedded.vectors) == 20
    assert embedded.bill.attempt is None
    assert await local.dimensions() == 32
    assert threading.current_thread().name not in words.threads
    assert len(words.threads) == 1
    await local.aclose()


async def test_a_model_is_loaded_once_and_after_a_failure_a_minute_later(caplog: pytest.LogCaptureFixture) -> None:
    loads: list[float] = []
    now = 0.0

    def load() -> Words:
        loads.append(now)
        if len(loads) == 1:
            raise FileNotFoundError("no such model")
        return Words()

    local = embedder(load, clock=lambda: now)
    for _ in range(2):
        with pytest.raises(EmbedderUnavailable) as failed:
            await local.embed_question("hello")
        assert failed.value.lasting
    assert caplog.text.count("no such model") == 1
    now = 61.0
    for _ in range(3):
        await local.embed_question("hello")
    assert loads == [0.0, 61.0]
    await local.aclose()


async def test_a_model_that_breaks_does_not_break_what_comes_after() -> None:
    words = Words()
    local = embedder(lambda: words)
    with pytest.raises(EmbedderUnavailable):
        await local.embed_passages(["fine", "broken"])
    assert (await local.embed_question("fine")).vectors
    await local.aclose()


async def test_nobody_waits_longer_than_set() -> None:
    words = Words()
    words.may_go_on.clear()
    local = embedder(lambda: words, patience=0.1)
    with pytest.raises(EmbedderUnavailable) as failed:
        await local.embed_passages(["hello"])
    assert failed.value.reason == "upstream_timeout"
    words.may_go_on.set()
    await local.aclose()


async def test_a_question_waits_for_no_more_than_the_texts_under_way() -> None:
    words = Words()
    local = embedder(lambda: words)
    passages = asyncio.create_task(local.embed_passages([f"text {number}" for number in range(400)]))
    await asyncio.sleep(0)
    assert (await local.embed_question("hello")).vectors
    assert not passages.done()
    await passages
    await local.aclose()


async def test_closing_ends_what_waits() -> None:
    words = Words()
    words.may_go_on.clear()
    local = embedder(lambda: words)
    under_way = [asyncio.create_task(local.embed_passages(["hello"])) for _ in range(2)]
    await asyncio.sleep(0.05)
    await local.aclose()
    words.may_go_on.set()
    with pytest.raises(EmbedderUnavailable):
        await under_way[1]
    await asyncio.wait(under_way)
    with pytest.raises(EmbedderUnavailable):
        await local.embed_question("hello")
