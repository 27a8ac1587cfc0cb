"""Passages in the order in which they answer, and as they were wherever nobody can tell."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from app.core.metrics import Metrics
from app.domain.embedding import Reranker
from app.providers.embedders.endpoint import Endpoint
from app.providers.rerank import ServerReranker, configured_reranker
from tests.providers.embedders.making import settings
from tests.scrape import Scrape
from tests.upstream import Answer, Cut, Drop, Page, Refuse, Reset, Scenario, Silence, Stall, Upstream

JSON = "application/json"
QUESTION = "when was the harbour built"
PASSAGES = ["Tomatoes need water.", "The harbour was built in 1834.", "A harbour has water."]
BEST_FIRST = [1, 2, 0]
Make = Callable[..., Reranker]


@pytest.fixture
def missed() -> list[str]:
    """The reasons why the order stayed."""
    return []


@pytest.fixture
async def make(upstream: Upstream, missed: list[str]) -> AsyncIterator[Make]:
    made: list[Reranker] = []

    def make(**given: Any) -> Reranker:
        values = {"rerank_url": f"{upstream.url}/v1/rerank", "rerank_model": "bge-reranker-v2-m3", **given}
        reranker = configured_reranker(settings(**values), missed.append)
        assert reranker is not None
        made.append(reranker)
        return reranker

    yield make
    for each in made:
        await each.aclose()


def test_there_is_none_unless_it_is_named() -> None:
    assert configured_reranker(settings(rerank_model="bge-reranker-v2-m3"), lambda _: None) is None


async def test_the_best_comes_first(make: Make, upstream: Upstream, missed: list[str]) -> None:
    assert list(await make(rerank_api_key="sk-rank").order(QUESTION, PASSAGES)) == BEST_FIRST
    (call,) = upstream.calls
    assert call.path == "/v1/rerank"
    assert call.headers["authorization"] == "Bearer sk-rank"
    assert call.body == {"model": "bge-reranker-v2-m3", "query": QUESTION, "documents": PASSAGES}
    assert not missed


async def test_without_a_model_it_is_asked_as_tei_is(make: Make, upstream: Upstream) -> None:
    reranker = make(rerank_model=None, rerank_url=f"{upstream.url}/")
    assert list(await reranker.order(QUESTION, PASSAGES)) == BEST_FIRST
    assert upstream.calls[0].path == "/rerank"
    assert upstream.calls[0].body == {"query": QUESTION, "texts": PASSAGES, "truncate": True}


async def test_what_is_as_good_stays_in_its_order(make: Make) -> None:
    assert list(await make().order("nothing of it", ["a b", "c d", "e f"])) == [0, 1, 2]


@pytest.mark.parametrize("passages", [[], ["alone"]])
async def test_where_there_is_no_choice_nobody_is_asked(make: Make, upstream: Upstream, passages: list[str]) -> None:
    assert list(await make().order(QUESTION, passages)) == list(range(len(passages)))
    assert not upstream.calls


async def test_a_hundred_are_looked_at_and_the_rest_stays_behind(make: Make, upstream: Upstream) -> None:
    many = ["nothing"] * 150
    many[99], many[149] = "the harbour was built", "when was the harbour built"
    order = list(await make().order(QUESTION, many))
    assert order[0] == 99
    assert order[100:] == list(range(100, 150))
    assert sorted(order) == list(range(150))
    assert len(upstream.calls[0].body["documents"]) == 100


@pytest.mark.parametrize("odd", ["", "\0", "\ud83d", "x" * 100_000, "港口🎉"])
async def test_any_text_may_be_asked_about(make: Make, missed: list[str], odd: str) -> None:
    assert sorted(await make().order(odd, [odd, "b", "c"])) == [0, 1, 2]
    assert not missed


@pytest.mark.parametrize(
    ("scenario", "reason"),
    [
        (Refuse(401), "upstream_auth"),
        (Refuse(429), "upstream_rate_limited"),
        (Refuse(500), "upstream_error"),
        (Drop(), "upstream_error"),
        (Silence(), "upstream_timeout"),
        (Answer(fault=Stall(1)), "upstream_timeout"),
        (Answer(fault=Cut(1, terminated=False)), "upstream_cut"),
        (Answer(fault=Reset(1)), "upstream_cut"),
        (Page(), "upstream_protocol"),
        (Page(b"[]", content_type=JSON), "upstream_protocol"),
        (Page(b'{"results": null}', content_type=JSON), "upstream_protocol"),
        (Page(b'{"results": [{"index": -1}, {"index": 0}, {"index": 1}]}', content_type=JSON), "upstream_protocol"),
    ],
)
async def test_whatever_goes_wrong_the_order_stays_and_that_is_counted(
    make: Make, upstream: Upstream, missed: list[str], scenario: Scenario, reason: str
) -> None:
    upstream.script(scenario)
    patience = 0.2 if reason == "upstream_timeout" else 5
    assert list(await make(rerank_timeout=patience).order(QUESTION, PASSAGES)) == [0, 1, 2]
    assert missed == [reason]


@pytest.mark.parametrize("quirk", ["nan", "fewer", "twice"])
async def test_scores_that_are_none_are_not_followed(make: Make, missed: list[str], quirk: str) -> None:
    assert list(await make(rerank_model=f"echo-{quirk}").order(QUESTION, PASSAGES)) == [0, 1, 2]
    assert missed == ["upstream_protocol"]


async def test_after_a_failure_it_rests_for_a_moment(upstream: Upstream, missed: list[str]) -> None:
    now = 0.0
    endpoint = Endpoint(f"{upstream.url}/rerank", None, connect_timeout=5, patience=5)
    reranker = ServerReranker(endpoint, "echo", missed.append, clock=lambda: now)
    upstream.script([Refuse(500), Answer()])
    await reranker.order(QUESTION, PASSAGES)
    now = 4.9
    await reranker.order(QUESTION, PASSAGES)
    assert len(upstream.calls) == 1
    now = 5.1
    assert list(await reranker.order(QUESTION, PASSAGES)) == BEST_FIRST
    assert missed == ["upstream_error", "resting"]
    await reranker.aclose()


async def test_the_metrics_say_why(upstream: Upstream) -> None:
    metrics = Metrics([], "1.0")
    assert Scrape.straight(metrics).value("ai_rerank_missed_total") == 0
    reranker = configured_reranker(settings(rerank_url=upstream.url), metrics.rerank_missed)
    assert reranker is not None
    upstream.script(Refuse(503))
    for _ in range(3):
        await reranker.order(QUESTION, PASSAGES)
    scrape = Scrape.straight(metrics)
    assert scrape.value("ai_rerank_missed_total", reason="upstream_overloaded") == 1
    assert scrape.value("ai_rerank_missed_total", reason="resting") == 2
    await reranker.aclose()
