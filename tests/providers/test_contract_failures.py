"""What every adapter makes of a vendor that fails: what was said before, then one failure with a name of ours."""

import pytest

from app.domain.events import Finish, TextDelta
from app.domain.failures import FailureCode, GenerationFailure
from app.domain.providers import Provider
from tests.providers.adapters import Adapter, asking, broken, outcome, run, text_of
from tests.upstream import (
    Answer,
    Cut,
    Drop,
    EndlessHeaders,
    Filler,
    Frame,
    InBandError,
    Page,
    Refuse,
    Reset,
    Scenario,
    Upstream,
)
from tests.upstream.scenarios import Played

JSON = "application/json"
GARBAGE = Frame(b'data: {"oops\n\n')  # in no dialect anything else
COUNT = tuple(f"{number} " for number in range(1, 21))


@pytest.mark.parametrize(
    ("scenario", "code"),
    [
        (Answer(COUNT, fault=Cut(3, terminated=False)), FailureCode.UPSTREAM_CUT),
        (Answer(COUNT, fault=Reset(3)), FailureCode.UPSTREAM_CUT),
        (Answer(COUNT, fault=InBandError(3)), FailureCode.UPSTREAM_ERROR),
        (Answer((*COUNT[:3], GARBAGE, "more")), FailureCode.UPSTREAM_PROTOCOL),
        (Answer((*COUNT[:3], Filler(8 << 20), "more")), FailureCode.UPSTREAM_PROTOCOL),
    ],
    ids=["severed", "reset", "error", "garbage", "huge"],
)
async def test_what_was_said_comes_before_the_failure(
    upstream: Upstream, adapter: Adapter, adapted: Provider, scenario: Scenario, code: FailureCode
) -> None:
    upstream.script(scenario)
    seen, failure = await broken(adapted, asking(adapter.card))
    assert (text_of(seen), failure.code) == ("1 2 3 ", code)
    assert not any(isinstance(event, Finish) for event in seen)


async def test_a_stream_that_just_ends_has_no_finish(upstream: Upstream, adapter: Adapter, adapted: Provider) -> None:
    upstream.script(Answer(COUNT[:3], finish=None, done=False, usage=None))
    seen = await run(adapted, asking(adapter.card))
    assert (text_of(seen), seen[-1]) == ("1 2 3 ", TextDelta(b'"3 "'))


ERRORS = {
    "nothing": b"",
    "page": b"<html>secret</html>",
    "no-utf-8": b'{"error":{"message":"\xff\x00secret","type":"\xff"}}',
    "half-a-pair": rb'{"error":{"message":"\ud83dsecret","type":"\ud83d"}}',
    "text": b'"secret"',
    "number": b"7",
    "null": b"null",
    "list": b'["secret"]',
    "null-error": b'{"error":null}',
    "text-error": b'{"error":"secret"}',
    "list-error": b'{"error":["secret"]}',
    "odd-fields": b'{"error":{"type":{"a":[7]},"code":[],"message":{"secret":1},"details":"x"}}',
    "deep": b'{"error":' + b"[" * 60_000,
    "large": b'{"error":"' + b"x" * (1 << 20) + b'"}',
}


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (200, None),
        (400, FailureCode.UPSTREAM_ERROR),
        (401, FailureCode.UPSTREAM_AUTH),
        (429, FailureCode.UPSTREAM_RATE_LIMITED),
        (500, FailureCode.UPSTREAM_ERROR),
        (503, FailureCode.UPSTREAM_OVERLOADED),
        (529, FailureCode.UPSTREAM_OVERLOADED),
    ],
)
async def test_any_page_may_come_with_a_status(
    upstream: Upstream, adapter: Adapter, adapted: Provider, status: int, code: FailureCode | None
) -> None:
    for body in ERRORS.values():
        for kind in (JSON, "text/html; charset=nonsense", ""):
            upstream.script(Page(body, status=status, content_type=kind))
            seen, failure = await broken(adapted, asking(adapter.card))
            assert (seen, failure.code) == ([], code or failure.code)
            assert failure.code in (code, FailureCode.UPSTREAM_PROTOCOL, FailureCode.UPSTREAM_ERROR)
            assert "secret" not in str(failure)


DIALECTS = {
    "openai": (b'data: {"choices":[{"index":0,"delta":{"content":"no"}}]}\n\ndata: [DONE]\n\n', "text/event-stream"),
    "anthropic": (
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"no"}}\n\n'
        b'data: {"type":"message_stop"}\n\n',
        "text/event-stream",
    ),
    "ollama": (b'{"message":{"content":"no"},"done":true}\n', "application/x-ndjson"),
}


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_answer_in_another_dialect_is_no_answer(
    upstream: Upstream, adapter: Adapter, adapted: Provider, dialect: str
) -> None:
    body, kind = DIALECTS[dialect]
    if dialect == ("openai" if adapter.id == "deepseek" else adapter.id):
        kind = "application/octet-stream"
    upstream.script(Page(body, content_type=kind))
    seen, failure = await outcome(adapted, asking(adapter.card))
    assert seen == []
    assert failure is None or failure.code is FailureCode.UPSTREAM_PROTOCOL


# The list of models


async def test_its_models_are_listed(upstream: Upstream, adapter: Adapter, adapted: Provider) -> None:
    upstream.models = ("b-model", "a/model", "汉字")
    listed = await adapted.models()
    assert {card.name for card in listed} == {f"{adapter.card.provider}/{name}" for name in upstream.models}
    assert upstream.calls == []


async def test_there_may_be_no_models(upstream: Upstream, adapter: Adapter, adapted: Provider) -> None:
    upstream.models = ()
    assert list(await adapted.models()) == []


NO_LISTS: dict[str, Played] = {
    "401": Refuse(401),
    "429": Refuse(429),
    "500": Refuse(500),
    "page": Page(),
    "empty": Page(b"", content_type=JSON),
    "broken-json": Page(b'{"data":[{"id":', content_type=JSON),
    "no-object": Page(b"[]", content_type=JSON),
    "other-object": Page(b'{"data":7,"models":7}', content_type=JSON),
    "odd-entries": Page(b'{"data":[7],"models":[7]}', content_type=JSON),
    "no-utf-8": Page(b'{"data":[{"id":"\xff"}],"models":[{"name":"\xff"}]}', content_type=JSON),
    "deep": Page(b'{"data":' + b"[" * 100_000, content_type=JSON),
    "redirect": Page(b"", status=302, headers={"location": "http://127.0.0.1:9/"}),
    "too-large": Page(b" " * (9 << 20) + b"{}", content_type=JSON),
    "drop": Drop(),
    "reset": Drop(reset=True),
    "endless-headers": EndlessHeaders(),
}


@pytest.mark.parametrize("scenario", NO_LISTS.values(), ids=NO_LISTS)
async def test_a_list_that_is_none_is_a_failure_of_the_vendor(
    upstream: Upstream, adapted: Provider, scenario: Played
) -> None:
    upstream.models = scenario
    with pytest.raises(GenerationFailure):
        await adapted.models()


async def test_a_vendor_that_is_away_is_a_failure_that_may_pass(
    upstream: Upstream, adapter: Adapter, adapted: Provider
) -> None:
    await upstream.stop()
    _, failure = await broken(adapted, asking(adapter.card))
    with pytest.raises(GenerationFailure) as no_list:
        await adapted.models()
    for each in (failure, no_list.value):
        assert (each.code, each.transient) == (FailureCode.UPSTREAM_ERROR, True)
