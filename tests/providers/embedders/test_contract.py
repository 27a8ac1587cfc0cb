"""What an embedder promises, of every kind of server."""

import asyncio
from typing import Any

import pytest

from app.domain.embedding import EmbedderUnavailable
from app.domain.tokens import estimate
from app.domain.usage import Purpose
from tests.providers.embedders.making import Make, are_of, unit
from tests.upstream import Answer, Upstream
from tests.upstream.dialects.vectors import texts
from tests.upstream.records import Record


def inputs(upstream: Upstream) -> list[list[str]]:
    return [list(texts(call.body)) for call in upstream.calls]


async def test_vectors_are_of_unit_length_in_the_order_of_the_texts(make: Make) -> None:
    embedder = make()
    assert are_of(await embedder.embed_passages(["one", "two words", "一二三"]), "one", "two words", "一二三")
    assert are_of(await embedder.embed_question("two words"), "two words")


async def test_many_texts_go_in_requests_of_a_bounded_size(make: Make, upstream: Upstream) -> None:
    many = [f"text {number}" for number in range(100)]
    assert are_of(await make().embed_passages(many), *many)
    assert [text for each in inputs(upstream) for text in each] == many
    assert max(map(len, inputs(upstream))) <= 32

    upstream.reset()
    long = ["x" * 8000] * 20
    await make().embed_passages(long)
    assert max(sum(map(len, each)) for each in inputs(upstream)) <= 60_000


async def test_without_a_text_nobody_is_asked(make: Make, upstream: Upstream) -> None:
    embedded = await make().embed_passages([])
    assert not embedded.vectors
    assert embedded.bill.attempt is None
    assert not upstream.calls


@pytest.mark.parametrize("text", ["", " \n\t", "\0", "\ud83d", "a\0b\udcffc", "𠮷🎉", "x" * 100_000])
async def test_any_text_has_a_vector(make: Make, upstream: Upstream, text: str) -> None:
    embedder = make()
    assert len((await embedder.embed_passages([text])).vectors) == 1
    assert len((await embedder.embed_question(text)).vectors) == 1
    for (sent,) in inputs(upstream):
        assert sent.strip()
        assert "\0" not in sent
        assert len(sent) <= 8000


async def test_questions_and_passages_get_what_their_model_wants_before_them(make: Make, upstream: Upstream) -> None:
    embedder = make("multilingual-e5-small")
    await embedder.embed_passages(["Ein Satz."])
    await embedder.embed_question("Was?")
    assert inputs(upstream) == [["passage: Ein Satz."], ["query: Was?"]]


async def test_dimensions_that_are_set_are_asked_for_and_known(make: Make, upstream: Upstream) -> None:
    embedder = make(embedding_dimensions=16)
    assert await embedder.dimensions() == 16
    assert not upstream.calls
    assert len((await embedder.embed_question("hello")).vectors[0]) == 16
    assert upstream.calls[0].body["dimensions"] == 16


async def test_dimensions_are_found_out_once_for_all_who_ask(make: Make, upstream: Upstream) -> None:
    embedder = make("words-48d")
    assert await asyncio.gather(*(embedder.dimensions() for _ in range(5))) == [48] * 5
    assert await embedder.dimensions() == 48
    assert len(upstream.calls) == 1
    assert "dimensions" not in upstream.calls[0].body


async def test_who_stops_waiting_for_the_dimensions_leaves_the_others_theirs(make: Make, upstream: Upstream) -> None:
    embedder = make("echo-1d")
    upstream.script(Answer(first_delay=0.2))
    first, second = asyncio.create_task(embedder.dimensions()), asyncio.create_task(embedder.dimensions())
    await upstream.requested()
    first.cancel()
    assert await second == 1


async def test_what_was_used_is_billed_as_the_server_counts_it(make: Make, upstream: Upstream) -> None:
    upstream.script(Answer(usage=(7, 0)))
    bill = (await make().embed_passages([f"text {number}" for number in range(64)])).bill
    assert bill.attempt is not None
    assert bill.attempt.usage.input_tokens == 7 * len(upstream.calls)
    assert bill.attempt.usage.output_tokens == 0
    assert (bill.attempt.model, bill.attempt.purpose, bill.attempt.outcome) == ("echo", Purpose.EMBEDDING, "complete")
    assert not bill.attempt.estimated
    assert bill.attempt.cost is None  # nobody knows the prices of this address
    assert bill.id != (await make().embed_question("again")).bill.id


async def test_what_a_server_does_not_count_is_estimated(make: Make, upstream: Upstream) -> None:
    upstream.script(Answer(usage=None))
    attempt = (await make().embed_passages(["three words here", "四个汉字"])).bill.attempt
    assert attempt is not None
    assert attempt.estimated
    assert attempt.usage.input_tokens == estimate("three words here") + estimate("四个汉字")


async def test_a_cancelled_call_is_over_for_the_server_too(make: Make, upstream: Upstream) -> None:
    upstream.script(Answer(hold=True))
    asking = asyncio.create_task(make().embed_question("hello"))
    record = await upstream.requested()
    asking.cancel()
    await upstream.wait_for(lambda: record.ended is not None)
    assert record.ended == "aborted"


async def test_closing_ends_what_is_under_way(make: Make, upstream: Upstream) -> None:
    upstream.script(Answer(hold=True))
    embedder = make()
    asking = asyncio.create_task(embedder.embed_passages(["hello"]))
    await upstream.requested()
    await embedder.aclose()
    with pytest.raises(EmbedderUnavailable):
        await asking
    assert len(upstream.calls) == 1


async def test_questions_do_not_wait_behind_passages(make: Make, upstream: Upstream) -> None:
    def decide(record: Record) -> Any:
        return Answer(hold=True) if "passage" in texts(record.body)[0] else Answer()

    upstream.decide(decide, lambda _: None)
    embedder = make()
    passages = [asyncio.create_task(embedder.embed_passages(["passage"])) for _ in range(8)]
    await upstream.requested(2)
    assert are_of(await embedder.embed_question("question"), "question")
    for each in passages:
        each.cancel()
    await asyncio.gather(*passages, return_exceptions=True)


def test_the_vendor_has_texts_of_the_same_words_near_to_each_other() -> None:
    def near(one: str, other: str) -> float:
        return sum(mine * theirs for mine, theirs in zip(unit(one), unit(other), strict=True))

    assert near("the harbour of Aldmoor", "harbour Aldmoor built") > near("the harbour of Aldmoor", "tomato leaves")
