"""What every adapter owes the engine: the same answer, however its vendor spells it, cuts it and ends it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from app.domain.events import Finish, FinishReason, ReasoningDelta, TextDelta, Usage
from app.domain.failures import FailureCode
from app.domain.providers import Provider
from app.domain.text import decode
from app.providers.offline import OfflineProvider
from app.providers.shipped import cards
from tests import upstream as vendor
from tests.providers.adapters import Adapter, answering, asking, broken, run, text_of, thoughts_of
from tests.upstream import (
    Answer,
    Cut,
    Echo,
    Filler,
    Frame,
    Reasoning,
    Reset,
    Scenario,
    Silence,
    Stall,
    ToolArguments,
    ToolCall,
    Upstream,
    Wire,
)
from tests.upstream.scenarios import Chunk

HOSTILE = (
    "new\nline\r\nand return\r",
    "\u2028 and \u2029 and \x85 and \x0b\x0c\x1c",
    "data: [DONE]\n\n",
    "[DONE]",
    '{"done":true}\n{"error":"no"}\n',
    "event: message_stop\ndata: {}\n\n",
    ": comment\n\nid: 1\nretry: 1\n\n",
    "emoji 😀👩‍👩‍👧 汉字，句号。 é e\u0301 \u202eback\u202c",
    '\x01\x1f\x7f \\u0041 \\ " / null',
    "\ufeff \ufffd \uffff",
    "NUL\x00is dropped",
    " ",
    "\n",
)
SAID = "".join(HOSTILE).replace("\x00", "")
GARBAGE = Frame(b'data: {"oops\n\n')  # in no dialect anything else
COUNT = tuple(f"{number} " for number in range(1, 21))
AT_ONCE = 20
SOON = 10.0
"""Seconds; it takes milliseconds, and machines have bad moments."""


# An answer


async def test_it_is_its_text_then_its_end_then_what_it_used(
    upstream: Upstream, adapter: Adapter, adapted: Provider
) -> None:
    upstream.script(Answer(("Hel", "lo", "!"), usage=(9, 3)))
    assert await run(adapted, asking(adapter.card)) == [
        TextDelta(b'"Hel"'),
        TextDelta(b'"lo"'),
        TextDelta(b'"!"'),
        Finish(FinishReason.STOP),
        Usage(9, 3),
    ]


WIRES = {
    "one-byte-packets": Wire(packets=1),
    "seven-byte-packets": Wire(packets=7),
    "thousand-byte-packets": Wire(packets=1000),
    "one-packet": Wire(packets="burst"),
    "crlf": Wire(newline=b"\r\n"),
    "crlf-byte-by-byte": Wire(newline=b"\r\n", packets=1),
    "no-space-after-the-colon": Wire(space=False),
    "comments": Wire(comments=True),
    "byte-order-mark": Wire(bom=True),
    "gzip": Wire(gzip=True),
    "gzip-byte-by-byte": Wire(gzip=True, packets=1),
    "ended-by-closing": Wire(transfer="close"),
}


@pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)
async def test_any_text_arrives_as_it_was_said_in_any_spelling(
    upstream: Upstream, adapter: Adapter, adapted: Provider, wire: Wire
) -> None:
    upstream.script(Answer((*map(Reasoning, HOSTILE), *HOSTILE), wire=wire))

    seen = await run(adapted, asking(adapter.card))

    assert (text_of(seen), thoughts_of(seen)) == (SAID, SAID)
    assert seen[-2:] == [Finish(FinishReason.STOP), Usage(9, 3)]
    for event in seen:
        if isinstance(event, TextDelta | ReasoningDelta):
            assert len(event.raw.decode().splitlines()) == 1
            assert b"\x00" not in event.raw


@pytest.mark.parametrize(
    ("chunks", "said"),
    [
        ((rb"a\ud83d", rb"\ude00b"), "a😀b"),
        ((rb"a\ud83d\ude00b",), "a😀b"),
        ((rb"a\ud83d", "", rb"\ude00"), "a😀"),
        ((rb"\ude00b", rb"c\ud83d"), "\ufffdbc\ufffd"),
        ((rb"\ud83d", rb"\ud83d\ude00"), "\ufffd😀"),
        ((rb"\u6c49\u5b57",), "汉字"),
        ((rb"a\u0000b", rb"\u0000"), "ab"),
        ((b"a\xffb",), "a\ufffdb"),
        ((b"a\x01b\tc",), "a\x01b\tc"),
        (("", "a", "", "b", ""), "ab"),
    ],
)
async def test_what_is_hardly_json_is_made_good(
    upstream: Upstream, adapter: Adapter, adapted: Provider, chunks: tuple[Chunk, ...], said: str
) -> None:
    upstream.script(Answer(chunks))
    seen = await run(adapted, asking(adapter.card))
    assert text_of(seen) == said
    assert Finish(FinishReason.STOP) in seen


@pytest.mark.parametrize("word", [b"\xff", rb"\ud83d", b"\x00", rb"\u0000", b"a" * 100_000])
async def test_any_word_may_stand_where_one_is_expected(
    upstream: Upstream, adapter: Adapter, adapted: Provider, word: bytes
) -> None:
    fields = b'{"type":"W","stop_reason":"W","done_reason":"W","choices":[{"finish_reason":"W"}],"else":["W"]}'
    upstream.script(Answer(("a", Frame(adapter.event % fields.replace(b"W", word)))))
    seen = await run(adapted, asking(adapter.card))
    assert (text_of(seen), Finish(FinishReason.STOP) in seen) == ("a", True)


async def test_a_name_that_is_no_text_is_a_failure_of_the_vendor(
    upstream: Upstream, adapter: Adapter, adapted: Provider
) -> None:
    upstream.script(Answer(("a", Frame(adapter.event % rb'{"\ud83d":1}'))))
    seen, failure = await broken(adapted, asking(adapter.card))
    assert (text_of(seen), failure.code) == ("a", FailureCode.UPSTREAM_PROTOCOL)


async def test_blank_lines_between_say_nothing(upstream: Upstream, adapter: Adapter, adapted: Provider) -> None:
    blank = Frame(b"\n\r\n\n")
    upstream.script(Answer((blank, "a", blank, blank, "b", blank)))
    assert text_of(await run(adapted, asking(adapter.card))) == "ab"


async def test_ten_thousand_chunks_at_once_come_in_order(
    upstream: Upstream, adapter: Adapter, adapted: Provider
) -> None:
    chunks = tuple(f"{number} " for number in range(10_000))
    upstream.script(Answer(chunks, wire=Wire(packets="burst")))
    assert text_of(await run(adapted, asking(adapter.card))) == "".join(chunks)


async def test_a_chunk_may_be_as_large_as_the_bound(upstream: Upstream, adapter: Adapter, adapted: Provider) -> None:
    upstream.script(Answer(("汉", Filler(adapter.largest - 1000), "字")))
    text = text_of(await run(adapted, asking(adapter.card)))
    assert (text[0], text[-1], len(text)) == ("汉", "字", adapter.largest - 998)


async def test_thoughts_are_no_part_of_the_answer(upstream: Upstream, adapter: Adapter, adapted: Provider) -> None:
    upstream.script(Answer((Reasoning(rb"Let \ud83d"), Reasoning(rb"\ude00 think."), "It is ", "42.")))
    seen = await run(adapted, asking(adapter.card))
    assert (thoughts_of(seen), text_of(seen)) == ("Let 😀 think.", "It is 42.")


async def test_a_call_of_a_tool_is_no_text(upstream: Upstream, adapter: Adapter, adapted: Provider) -> None:
    call = (ToolCall("get_weather"), ToolArguments('{"ci'), ToolArguments('ty":"Paris"}'))
    upstream.script(Answer(("Let me look. ", *call), finish="tool_calls"))
    seen = await run(adapted, asking(adapter.card))
    assert (text_of(seen), seen[-2:]) == ("Let me look. ", [Finish(FinishReason.TOOL_CALLS), Usage(9, 3)])


async def test_what_the_cache_gave_is_in_the_total(upstream: Upstream, adapter: Adapter, adapted: Provider) -> None:
    upstream.script(Answer(usage=vendor.Usage(100, 6, cached=60)))
    assert (await run(adapted, asking(adapter.card)))[-1] == Usage(100, 6, cached_input_tokens=60)


async def test_no_usage_is_none(upstream: Upstream, adapter: Adapter, adapted: Provider) -> None:
    upstream.script(Answer(("Hi",), usage=None))
    assert await run(adapted, asking(adapter.card)) == [TextDelta(b'"Hi"'), Finish(FinishReason.STOP)]


async def test_an_answer_may_be_empty(upstream: Upstream, adapter: Adapter, adapted: Provider) -> None:
    upstream.script(Answer((), usage=(9, 0)))
    seen = await run(adapted, asking(adapter.card))
    assert [type(event) for event in seen] == [Finish, Usage]


@pytest.mark.parametrize("done", [True, False], ids=["with-its-last-event", "without-its-last-event"])
@pytest.mark.parametrize(("finish", "reason"), [("stop", FinishReason.STOP), ("length", FinishReason.LENGTH)])
async def test_an_answer_is_whole_by_its_finish_marker(
    upstream: Upstream, adapter: Adapter, adapted: Provider, finish: str, reason: FinishReason, done: bool
) -> None:
    upstream.script(Answer(("Hi",), finish=finish, done=done))
    assert await run(adapted, asking(adapter.card)) == [TextDelta(b'"Hi"'), Finish(reason), Usage(9, 3)]


async def test_answers_at_once_do_not_mix(upstream: Upstream, adapter: Adapter, adapted: Provider) -> None:
    upstream.script(Echo(prefix="", like=Answer(delay=0.002)), repeating=True)
    questions = [f"{number} 汉😀 " * 20 for number in range(AT_ONCE)]
    answers = await asyncio.gather(*(run(adapted, asking(adapter.card, question)) for question in questions))
    assert list(map(text_of, answers)) == questions


# Its time


async def test_a_chunk_is_yielded_when_it_arrives(upstream: Upstream, adapter: Adapter, adapted: Provider) -> None:
    upstream.script(Answer(("a", "b"), hold=True))
    async with aclosing(answering(adapted, asking(adapter.card))) as stream:
        for text in (b'"a"', b'"b"'):
            batch, _ = await asyncio.wait_for(asyncio.gather(anext(stream), upstream.release()), SOON)
            assert batch == [TextDelta(text)]


async def test_leaving_in_the_middle_ends_the_call(upstream: Upstream, adapter: Adapter, adapted: Provider) -> None:
    upstream.script(Answer(("a", "b"), hold=True))
    async with aclosing(answering(adapted, asking(adapter.card))) as stream:
        await asyncio.gather(anext(stream), upstream.release())
    assert (await upstream.ended(within=SOON)).ended == "aborted"


@pytest.mark.parametrize("scenario", [Silence(), Answer(fault=Stall(0))], ids=["before-the-head", "behind-the-head"])
async def test_leaving_before_the_first_word_ends_the_call(
    upstream: Upstream, adapter: Adapter, adapted: Provider, scenario: Scenario
) -> None:
    upstream.script(scenario)
    asked = asyncio.create_task(run(adapted, asking(adapter.card)))
    await upstream.requested()
    asked.cancel()
    assert (await upstream.ended(within=SOON)).ended == "aborted"
    await asyncio.wait({asked})
    assert asked.cancelled()


@pytest.mark.parametrize("wire", [Wire(), Wire(packets="burst"), Wire(packets=7)], ids=lambda wire: str(wire.packets))
async def test_answers_read_to_their_end_share_a_connection(
    upstream: Upstream, adapter: Adapter, adapted: Provider, wire: Wire
) -> None:
    upstream.script(Answer(wire=wire))
    for _ in range(3):
        await run(adapted, asking(adapter.card))
    assert upstream.connections == 1


@pytest.mark.parametrize(
    "broken_off",
    [
        Answer(COUNT, fault=Cut(1, terminated=False)),
        Answer(COUNT, fault=Reset(1)),
        Answer((GARBAGE, *COUNT), delay=0.02),
        Answer((Filler(8 << 20), *COUNT)),
    ],
    ids=["severed", "reset", "garbage", "huge"],
)
async def test_a_connection_that_broke_carries_no_other_answer(
    upstream: Upstream, adapter: Adapter, adapted: Provider, broken_off: Answer
) -> None:
    upstream.script([broken_off, Answer(("Fine.",))])
    await broken(adapted, asking(adapter.card))
    assert text_of(await run(adapted, asking(adapter.card))) == "Fine."
    assert upstream.connections == 2


async def test_a_connection_that_was_left_carries_no_other_answer(
    upstream: Upstream, adapter: Adapter, adapted: Provider
) -> None:
    upstream.script([Answer(COUNT, hold=True), Answer(("Fine.",))])
    async with aclosing(answering(adapted, asking(adapter.card))) as stream:
        await asyncio.gather(anext(stream), upstream.release())
    assert text_of(await run(adapted, asking(adapter.card))) == "Fine."
    assert upstream.connections == 2


async def test_closing_twice_is_harmless(adapted: Provider, upstream: Upstream, adapter: Adapter) -> None:
    await run(adapted, asking(adapter.card))
    await adapted.aclose()
    await adapted.aclose()


# The offline responder, which asks nobody


@pytest.fixture
async def offline() -> AsyncIterator[OfflineProvider]:
    provider = OfflineProvider()
    yield provider
    await provider.aclose()


async def test_the_offline_responder_answers_like_a_vendor(offline: OfflineProvider) -> None:
    *said, finish, usage = await run(offline, asking(cards("offline")[0], "你好"))
    assert (finish, usage) == (Finish(FinishReason.STOP), Usage(0, 0))
    for event in said:
        assert isinstance(event, TextDelta)
        assert decode([event.raw])
        assert len(event.raw.decode().splitlines()) == 1


async def test_the_offline_responder_can_be_left_and_asked_again(offline: OfflineProvider) -> None:
    request = asking(cards("offline")[0])
    for _ in range(2):
        async with aclosing(offline.stream(request)) as stream:
            assert await anext(stream)


async def test_the_offline_responder_lists_itself(offline: OfflineProvider) -> None:
    assert [card.name for card in await offline.models()] == ["offline/responder"]
