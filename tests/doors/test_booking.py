"""What the doors use is booked: each call of a model once, as its vendor counts it, however the answer ends."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import RowMapping, select

from app.models.usage import usage_records
from tests.accounts.behind import rows
from tests.backend import User
from tests.chat.conftest import serving
from tests.doors.conftest import Service
from tests.doors.every_door import DOORS, asked, both_ways, every_door, looks_whole, tells_an_error
from tests.holding import held
from tests.upstream import Answer, Cut, Frame, Refusal, Refuse, Stall, Upstream, Usage

_C = usage_records.c
_BOOKED = select(_C.outcome, _C.estimated, _C.input_tokens, _C.output_tokens).order_by(_C.created_at, _C.attempt)
_people = iter(range(1000))
CLAUDE = "anthropic/claude-sonnet-4-6"
PROMPT = Usage(200, 99, cached=50, written=40)
WORDLESS = Frame(b'event: ping\ndata: {"type":"ping"}\n\n')
"""With which a message of Claude's begins."""
SOON = {"retry-after-ms": "20"}
USAGE = Frame(b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":1}}\n\n')


@pytest.fixture(scope="module")
async def service(
    every_vendor: Upstream, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    settings: dict[str, Any] = {
        "max_concurrent_generations_per_user": 100,
        "chunk_timeout": 0.3,
        "max_answer_bytes": 20_000,
        "database_statement_timeout": 0.3,
    }
    async with serving(every_vendor, sqlite_template, tmp_path_factory.mktemp("booking"), **settings) as service:
        yield service


@pytest.fixture
async def newcomer(service: Service) -> User:
    """Somebody who has used nothing yet."""
    return await service.backend.user(f"newcomer-{next(_people)}")


async def ledger(service: Service, user: User, asked_for: Any = _BOOKED) -> Sequence[RowMapping]:
    me = (await user.http.get("/users/me")).json()["id"]
    await service.backend.house.engine.settle(20)
    return await rows(service.database_url, asked_for.where(_C.user_id == me))


async def booked(service: Service, user: User) -> list[tuple[str, bool, int, int]]:
    """How each call ended, whether its tokens are an estimate, and those in and out."""
    return [tuple(each.values()) for each in await ledger(service, user)]  # type: ignore[misc]  # as selected


@every_door
@both_ways
@pytest.mark.parametrize("model", ["openai/gpt", "anthropic/claude-sonnet-4-6", "ollama/llama"])
async def test_an_answer_is_booked_as_its_vendor_counts(
    service: Service, newcomer: User, vendor: Upstream, path: str, stream: bool, model: str
) -> None:
    vendor.script([Refuse(503, headers=SOON), Answer(("Fine.",), usage=(9, 3))])
    answer = await asked(newcomer, path, stream=stream, model=model)
    assert looks_whole(answer), answer.text
    assert await booked(service, newcomer) == [
        ("upstream_overloaded", True, 0, 0),
        ("complete", False, 9, 3),
    ]


@every_door
@both_ways
@pytest.mark.parametrize(
    ("scenario", "outcome"),
    [
        (Answer(("a", "b"), fault=Cut(1)), "upstream_cut"),
        (Answer(("a", "b"), fault=Stall(1)), "upstream_timeout"),
    ],
    ids=["cut", "stalled"],
)
async def test_a_broken_answer_is_booked_as_what_was_said(
    service: Service, newcomer: User, vendor: Upstream, path: str, stream: bool, scenario: Answer, outcome: str
) -> None:
    vendor.script(scenario)
    answer = await asked(newcomer, path, stream=stream)
    assert not looks_whole(answer), answer.text
    assert tells_an_error(answer), answer.text
    [(ended, estimated, inputs, outputs)] = await booked(service, newcomer)
    assert (ended, estimated) == (outcome, True)
    assert inputs > 0
    assert outputs > 0


@both_ways
@pytest.mark.parametrize("headers", [{}, {"X-Conversation-ID": "new"}], ids=["passing", "stored"])
@pytest.mark.parametrize(
    ("fault", "outcome"), [(Cut(1), "upstream_cut"), (Stall(1), "upstream_timeout")], ids=["cut", "stalled"]
)
async def test_of_a_broken_answer_the_prompt_is_booked_as_its_vendor_counts(
    service: Service,
    newcomer: User,
    vendor: Upstream,
    stream: bool,
    headers: dict[str, str],
    fault: Cut | Stall,
    outcome: str,
) -> None:
    vendor.script(Answer(("a", "b"), usage=PROMPT, fault=fault))
    await asked(newcomer, "/v1/messages", stream=stream, model=CLAUDE, headers=headers)
    assert await booked(service, newcomer) == [(outcome, True, 200, 1)]
    [of_cache] = await ledger(service, newcomer, select(_C.cached_input_tokens, _C.cache_write_tokens))
    assert [*of_cache.values()] == [50, 40]


async def test_a_prompt_that_its_vendor_has_counted_is_booked_though_no_word_follows(
    service: Service, newcomer: User, vendor: Upstream
) -> None:
    vendor.script(
        [Answer((WORDLESS,), usage=PROMPT, fault=Cut(1)), Answer((WORDLESS, "a"), usage=PROMPT, fault=Stall(1))]
    )
    reading = asyncio.create_task(asked(newcomer, "/v1/messages", stream=True, model=CLAUDE))
    call = await vendor.requested(2)
    await vendor.wait_for(lambda: call.sent_chunks == 1)
    await asyncio.sleep(0.1)  # of the 0.3 s for which it may be silent
    reading.cancel()
    async with asyncio.timeout(15):
        while len(found := await booked(service, newcomer)) < 2:
            await asyncio.sleep(0.01)
    assert found == [("upstream_cut", True, 200, 0), ("stopped", True, 200, 0)]


@every_door
@both_ways
async def test_an_answer_that_its_model_declines_is_paid_for(
    service: Service, newcomer: User, vendor: Upstream, path: str, stream: bool
) -> None:
    vendor.script(Answer((Refusal("No."),), usage=(9, 3)))
    await asked(newcomer, path, stream=stream)
    assert await booked(service, newcomer) == [("refused", False, 9, 3)]
    assert len(vendor.calls) == 1


@every_door
async def test_counts_without_an_end_are_not_kept_without_one(
    service: Service, newcomer: User, vendor: Upstream, path: str
) -> None:
    vendor.script(Answer(("a", *(USAGE,) * 500, "b")))
    answer = await asked(newcomer, path, stream=True)
    assert not looks_whole(answer)
    assert tells_an_error(answer)
    assert await booked(service, newcomer) == [("upstream_protocol", False, 7, 1)]


async def test_while_the_database_is_away_answers_end_and_are_booked_when_it_returns(
    service: Service, newcomer: User, vendor: Upstream
) -> None:
    vendor.script(Answer(("a", "b"), hold=True, usage=(9, 3)))
    ways = [(path, stream) for path in DOORS for stream in (True, False)]
    tasks = [asyncio.create_task(asked(newcomer, path, stream=stream)) for path, stream in ways]
    vectors = asyncio.create_task(newcomer.http.post("/v1/embeddings", json={"model": "openai/m", "input": "x"}))
    await vendor.requested(len(tasks) + 1)
    async with held(service.database_url.removeprefix("sqlite+aiosqlite:///")):
        for call in vendor.calls:
            await vendor.finish(request=call)
        async with asyncio.timeout(20):
            answers = await asyncio.gather(*tasks)
            made = await vectors
    assert all(looks_whole(answer) for answer in answers)
    assert made.status_code == 200, made.text
    async with asyncio.timeout(20):
        while len(found := await booked(service, newcomer)) < len(ways) + 1:
            await asyncio.sleep(0.05)
    assert sorted(found) == sorted([("complete", False, 9, 3)] * len(ways) + [("complete", False, 9, 0)])
