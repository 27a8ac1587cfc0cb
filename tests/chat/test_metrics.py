"""What Prometheus learns of answers: how fast they came, how they ended, what they used; and nothing that was said."""

import asyncio

from tests.backend import Backend
from tests.chat.reading import eventually, posting, reading
from tests.conftest import Serve
from tests.scrape import Scrape
from tests.upstream import Answer, Refuse, Upstream

HELD = Answer(("1 ", "2 ", "3 ", "4 "), hold=True)


async def test_a_whole_answer_is_counted_with_its_pace_and_its_tokens(backend: Backend, upstream: Upstream) -> None:
    upstream.script(Answer(("你好", ", ", "world", "!"), usage=(7, 4), delay=0.1))
    alice = await backend.user()
    assert (await Scrape.of(backend)).value("ai_generations_ended_total") == 0

    await alice.chat("Say hello")

    scrape = await Scrape.of(backend)
    assert scrape.value("ai_generations_ended_total", provider="openai", status="complete", code="none") == 1
    assert scrape.value("ai_upstream_attempts_total", provider="openai", outcome="complete") == 1
    assert scrape.value("ai_tokens_total", provider="openai", direction="input") == 7
    assert scrape.value("ai_tokens_total", provider="openai", direction="output") == 4
    assert scrape.value("ai_first_token_seconds_count", provider="openai") == 1
    assert scrape.value("ai_chunk_gap_seconds_count", provider="openai") >= 3
    assert scrape.value("ai_chunk_gap_seconds_bucket", provider="openai", le="+Inf") >= 3
    assert scrape.value("ai_chunk_gap_seconds_sum", provider="openai") > 0.05


async def test_a_failed_answer_is_counted_by_its_code(backend: Backend, upstream: Upstream) -> None:
    upstream.script(Refuse(401))
    alice = await backend.user()

    assert (await alice.chat("Hello")).failure["code"] == "upstream_auth"

    scrape = await Scrape.of(backend)
    assert scrape.value("ai_generations_ended_total", provider="openai", status="failed", code="upstream_auth") == 1
    assert scrape.value("ai_generations_ended_total") == 1
    assert scrape.value("ai_upstream_attempts_total", provider="openai", outcome="upstream_auth") == 1
    assert scrape.value("ai_first_token_seconds_count") == 0


async def test_a_call_that_was_repeated_counts_as_two_of_one_answer(backend: Backend, upstream: Upstream) -> None:
    upstream.script([Refuse(503, headers={"Retry-After-Ms": "20"}), Answer(("Fine",))])
    alice = await backend.user()

    await alice.chat("Hello")

    scrape = await Scrape.of(backend)
    assert scrape.value("ai_generations_ended_total") == 1
    assert scrape.value("ai_upstream_attempts_total", outcome="upstream_overloaded") == 1
    assert scrape.value("ai_upstream_attempts_total", outcome="complete") == 1
    assert scrape.value("ai_first_token_seconds_count") == 1


async def test_a_stopped_answer_is_counted_with_what_it_used(backend: Backend, upstream: Upstream) -> None:
    upstream.script(HELD)
    alice = await backend.user()
    async with posting(alice, "Count") as reader:
        start = await reader.event()
        await upstream.release(2)
        await reader.events(2)
        await alice.http.post(f"/ai/generations/{start.json['generation_id']}/stop")
        await reader.rest()

    scrape = await Scrape.of(backend)
    assert scrape.value("ai_generations_ended_total", provider="openai", status="stopped", code="none") == 1
    assert scrape.value("ai_upstream_attempts_total", provider="openai", outcome="stopped") == 1
    assert scrape.value("ai_tokens_total", provider="openai", direction="output") > 0


async def test_streams_are_counted_while_they_are_open_and_generations_while_they_live(
    backend: Backend, upstream: Upstream
) -> None:
    async def now() -> tuple[float, float]:
        scrape = await Scrape.of(backend)
        return scrape.value("ai_open_streams"), scrape.value("ai_live_generations")

    upstream.script(HELD)
    alice = await backend.user()
    assert await now() == (0, 0)
    async with posting(alice, "Count") as first:
        generation_id = (await first.event()).json["generation_id"]
        assert await now() == (1, 1)
        async with reading(alice, "GET", f"/ai/generations/{generation_id}/events") as second:
            await second.event()
            assert await now() == (2, 1)
        await _until(backend, open_streams=1)
    await _until(backend, open_streams=0)
    assert await now() == (0, 1), "the answer is written on though nobody reads"

    await upstream.finish()
    await eventually(lambda: not backend.house.engine.lives(generation_id))

    assert await now() == (0, 0)


async def test_saving_is_timed_where_there_is_something_to_save(serve: Serve, upstream: Upstream) -> None:
    backend = await serve(checkpoint_seconds=0.05)
    upstream.script(HELD)
    alice = await backend.user()
    assert (await Scrape.of(backend)).value("ai_checkpoint_seconds_count") == 0
    async with posting(alice, "Count") as reader:
        await reader.event()
        async with asyncio.timeout(5):
            while (await Scrape.of(backend)).value("ai_checkpoint_seconds_count") == 0:
                await asyncio.sleep(0.02)


async def test_nothing_that_users_or_vendors_write_is_in_them(serve: Serve, upstream: Upstream) -> None:
    backend = await serve(openai_api_key="sk-canary-key", metrics_token="canary-token")
    upstream.script([Answer(("canary-answer",)), Refuse(400, message="canary-vendor"), Answer(("canary-answer",))])
    alice = await backend.user("canary-name")
    for model in ("openai/canary-model", "openai/echo", "canary-model/canary"):
        body = {"message": "canary-message", "model": model, "system_prompt": "canary-prompt"}
        await alice.http.post("/ai/chat/stream", json=body, headers={"Idempotency-Key": f"canary-{model}"})
    await alice.http.get("/canary-path", params={"canary": "canary-query"})

    scrape = await Scrape.of(backend)

    assert scrape.value("ai_generations_ended_total", provider="openai") == 2
    labels = [sample.labels for family in scrape.families for sample in family.samples]
    assert {each["provider"] for each in labels if "provider" in each} == {"openai", "offline"}
    for secret in ("canary", alice.token, "echo", "127.0.0.1", str(backend.house.settings.data_dir)):
        assert secret not in scrape.text


async def _until(backend: Backend, *, open_streams: int) -> None:
    async with asyncio.timeout(5):
        while (await Scrape.of(backend)).value("ai_open_streams") != open_streams:
            await asyncio.sleep(0.02)
