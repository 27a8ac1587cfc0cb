"""How an embedder fails: in time, with a reason, and as seldom as it can."""

import asyncio
import json

import pytest

from app.domain.embedding import EmbedderUnavailable
from tests.providers.embedders.making import Make, are_of
from tests.upstream import Answer, Cut, Drop, Page, Refuse, Reset, Scenario, Silence, Stall, Upstream
from tests.upstream.dialects.vectors import texts
from tests.upstream.records import Record

JSON = "application/json"
MANY = [f"text {number}" for number in range(40)]


@pytest.mark.parametrize(
    ("scenario", "reason", "lasting"),
    [
        (Refuse(401), "upstream_auth", True),
        (Refuse(403), "upstream_auth", True),
        (Refuse(404), "upstream_error", True),
        (Refuse(429), "upstream_rate_limited", False),
        (Refuse(500), "upstream_error", False),
        (Refuse(503), "upstream_overloaded", False),
        (Drop(), "upstream_error", False),
        (Drop(reset=True), "upstream_error", False),
        (Answer(fault=Cut(1, terminated=False)), "upstream_cut", False),
        (Answer(fault=Reset(1)), "upstream_cut", False),
        (Answer(fault=Cut(1)), "upstream_protocol", False),
        (Page(), "upstream_protocol", False),
        (Page(b"{}", content_type=JSON), "upstream_protocol", False),
        (
            Page(b'{"data": [{"embedding": [NaN]}], "embeddings": [[NaN]]}', content_type=JSON),
            "upstream_protocol",
            False,
        ),
        (Page(b'{"data": [{"embedding": "%%%"}], "embeddings": [""]}', content_type=JSON), "upstream_protocol", False),
        (Page(b"[" * 100_000, content_type=JSON), "upstream_protocol", False),
        (Page(b'{"data": [], "embeddings": []}', content_type=JSON), "wrong_vectors", False),
        (Page(b'{"data": [{"embedding": []}], "embeddings": [[]]}', content_type=JSON), "wrong_vectors", False),
        (Page(b'{"data": [{"embedding": [1e999]}], "embeddings": [[1e999]]}', content_type=JSON), None, False),
    ],
)
async def test_every_failure_has_a_reason(
    make: Make, upstream: Upstream, scenario: Scenario, reason: str | None, lasting: bool
) -> None:
    upstream.script(scenario)
    with pytest.raises(EmbedderUnavailable) as failed:
        await make().embed_question("hello")
    assert reason is None or failed.value.reason == reason
    assert failed.value.lasting is lasting
    assert "127.0.0.1" not in str(failed.value)


@pytest.mark.parametrize("scenario", [Silence(), Stall(1)])
async def test_nobody_waits_for_ever(make: Make, upstream: Upstream, scenario: Scenario | Stall) -> None:
    upstream.script(Answer(fault=scenario) if isinstance(scenario, Stall) else scenario)
    with pytest.raises(EmbedderUnavailable) as failed:
        await make(embedding_timeout=0.1).embed_question("hello")
    assert failed.value.reason == "upstream_timeout"


async def test_an_endless_answer_ends_at_a_bound(make: Make, upstream: Upstream) -> None:
    upstream.script(Page(b" " * (33 * 1024 * 1024), content_type=JSON))
    with pytest.raises(EmbedderUnavailable) as failed:
        await make().embed_question("hello")
    assert failed.value.reason == "upstream_protocol"


@pytest.mark.parametrize("quirk", ["nan", "zero", "ragged", "fewer", "more"])
async def test_vectors_that_are_none_are_refused(make: Make, quirk: str) -> None:
    with pytest.raises(EmbedderUnavailable) as failed:
        await make(f"echo-{quirk}").embed_passages(["one", "two", "three"])
    assert failed.value.reason in ("wrong_vectors", "upstream_protocol")


async def test_other_dimensions_than_set_are_for_an_operator_to_mend(make: Make) -> None:
    with pytest.raises(EmbedderUnavailable) as failed:
        await make("echo-fixed", embedding_dimensions=16).embed_question("hello")
    assert (failed.value.reason, failed.value.lasting) == ("wrong_vectors", True)


async def test_other_dimensions_than_before_are_refused(make: Make, upstream: Upstream) -> None:
    embedder = make()
    await embedder.embed_question("hello")
    content = json.dumps({"data": [{"embedding": [1.0, 2.0]}], "embeddings": [[1.0, 2.0]]}).encode()
    upstream.script(Page(content, content_type=JSON))
    with pytest.raises(EmbedderUnavailable) as failed:
        await embedder.embed_question("hello")
    assert failed.value.lasting


async def test_dimensions_that_could_not_be_found_are_looked_for_again(make: Make, upstream: Upstream) -> None:
    upstream.script([Refuse(401), Answer()])
    embedder = make()
    with pytest.raises(EmbedderUnavailable):
        await embedder.dimensions()
    assert await embedder.dimensions() == 32


@pytest.mark.parametrize("scenario", [Refuse(503), Refuse(429, headers={"retry-after": "1"}), Drop()])
async def test_what_may_help_at_once_is_tried_again(make: Make, upstream: Upstream, scenario: Scenario) -> None:
    upstream.script([scenario, Answer()])
    assert are_of(await make().embed_passages(["hello"]), "hello")
    assert len(upstream.calls) == 2


async def test_passages_are_tried_three_times_and_questions_twice(make: Make, upstream: Upstream) -> None:
    upstream.script(Refuse(500))
    for embed, calls in ((make().embed_passages(["hello"]), 3), (make().embed_question("hello"), 2)):
        upstream.calls.clear()
        with pytest.raises(EmbedderUnavailable):
            await embed
        assert len(upstream.calls) == calls


@pytest.mark.parametrize("scenario", [Refuse(401), Refuse(404), Refuse(429, headers={"retry-after": "300"})])
async def test_what_does_not_help_is_not_tried_again(make: Make, upstream: Upstream, scenario: Refuse) -> None:
    upstream.script(scenario)
    with pytest.raises(EmbedderUnavailable) as failed:
        await make().embed_passages(["hello"])
    assert len(upstream.calls) == 1
    assert failed.value.retry_after == (300 if scenario.status == 429 else None)


async def test_what_was_used_before_a_failure_is_billed(make: Make, upstream: Upstream) -> None:
    upstream.script([Answer(usage=(5, 0)), Refuse(401)])
    with pytest.raises(EmbedderUnavailable) as failed:
        await make().embed_passages(MANY)
    attempt = failed.value.bill.attempt
    assert attempt is not None
    assert (attempt.usage.input_tokens, attempt.outcome) == (5, "upstream_auth")


async def test_a_server_gets_as_many_texts_as_it_takes(make: Make, upstream: Upstream) -> None:
    def decide(record: Record) -> Scenario:
        return Refuse(422, message="batch size 32 > maximum allowed batch size 5") if many(record) else Answer()

    def many(record: Record) -> bool:
        return len(texts(record.body)) > 5

    upstream.decide(decide, lambda _: None)
    embedder = make()
    assert are_of(await embedder.embed_passages(MANY), *MANY)
    upstream.calls.clear()
    assert are_of(await embedder.embed_passages(MANY), *MANY)
    assert not any(map(many, upstream.calls))


@pytest.mark.parametrize("status", [400, 413, 500])
async def test_a_text_that_is_too_long_is_embedded_by_its_beginning(
    make: Make, upstream: Upstream, status: int
) -> None:
    def decide(record: Record) -> Scenario:
        too_long = any(len(text) > 300 for text in texts(record.body))
        return Refuse(status, message="input is too large to process") if too_long else Answer()

    upstream.decide(decide, lambda _: None)
    embedder = make()
    long = "harbour " * 100
    assert are_of(await embedder.embed_passages(["one", long, "two"]), "one", long[:200], "two")
    upstream.calls.clear()
    await embedder.embed_passages(MANY[:10])
    assert len(upstream.calls) == 1  # they were not too many


async def test_who_refuses_everything_is_not_asked_for_long(make: Make, upstream: Upstream) -> None:
    upstream.script(Refuse(400))
    with pytest.raises(EmbedderUnavailable) as failed:
        await make().embed_passages(["text " * 200] * 32)
    assert (failed.value.reason, failed.value.lasting) == ("rejected", True)
    assert failed.value.bill.attempt is None
    assert len(upstream.calls) <= 12


async def test_a_server_that_comes_back_is_asked_again(make: Make, upstream: Upstream) -> None:
    embedder = make()
    await embedder.embed_question("hello")
    await upstream.stop()
    with pytest.raises(EmbedderUnavailable):
        await embedder.embed_question("hello")
    await upstream.start()
    assert are_of(await embedder.embed_question("hello"), "hello")


async def test_a_server_that_keeps_a_question_waiting_is_waited_for_once(make: Make, upstream: Upstream) -> None:
    embedder = make()
    upstream.script([Answer(hold=True), Answer(hold=True), Answer()])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.2):
            await embedder.embed_question("hello")
    await upstream.requested(2)  # which is let go on, so that a model that is being loaded will be
    for _ in range(3):
        with pytest.raises(EmbedderUnavailable) as failed:
            await embedder.embed_question("hello")
        assert failed.value.reason == "waking"
    await upstream.finish(request=upstream.calls[1])
    async with asyncio.timeout(5):
        while True:
            try:
                assert are_of(await embedder.embed_question("hello"), "hello")
                break
            except EmbedderUnavailable:
                await asyncio.sleep(0.01)
    assert len(upstream.calls) == 3


async def test_who_leaves_at_once_has_not_waited_for_nothing(make: Make, upstream: Upstream) -> None:
    embedder = make()
    upstream.script([Answer(hold=True), Answer()])
    asking = asyncio.create_task(embedder.embed_question("hello"))
    await upstream.requested()
    asking.cancel()
    await asyncio.wait({asking})
    assert are_of(await embedder.embed_question("hello"), "hello")
