"""The splitter of event streams: whatever the packets, the same events."""

import json
import random
import time
from collections import deque
from itertools import repeat

import pytest

from app.domain.failures import FailureCode, GenerationFailure
from app.providers.sse import MAX_FRAME_BYTES, EventSplitter

STREAMS = {
    "lf": (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
    "crlf": (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
    "cr": (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
    "mixed": (b"data: a\r\n\ndata: b\n\rdata: c\r\n\r", [b"a", b"b", b"c"]),
    "no space": (b"data:a\n\ndata:  b\n\n", [b"a", b" b"]),
    "multi-line": (b"data: a\ndata: b\ndata\n\n", [b"a\nb\n"]),
    "empty data": (b"data:\n\ndata: \n\n", [b"", b""]),
    "comments": (b": ping\n\n:\ndata: a\n: x\n\n", [b"a"]),
    "other fields": (b"event: x\nid: 7\nretry: 5\ndata: a\nfoo\ndatax: no\n\n", [b"a"]),
    "named": (b"event: a\ndata: {}\n\nevent: b\ndata: 1\ndata: 2\n\nevent: c\n\n", [b"{}", b"1\n2"]),
    "bom": (b"\xef\xbb\xbfdata: a\n\ndata: \xef\xbb\xbfb\n\n", [b"a", b"\xef\xbb\xbfb"]),
    "blank lines": (b"\n\n\ndata: a\n\n\n\n", [b"a"]),
    "unfinished": (b"data: a\n\ndata: lost\n", [b"a"]),
    "data in data": (b"data: data: x\n\n", [b"data: x"]),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_has_the_same_events_whole_and_in_single_bytes(name: str) -> None:
    stream, expected = STREAMS[name]
    whole, single = EventSplitter(), EventSplitter()
    assert whole.feed(stream) == expected
    assert [event for i in range(len(stream)) for event in single.feed(stream[i : i + 1])] == expected


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_has_the_same_events_however_it_is_cut_in_two(name: str) -> None:
    stream, expected = STREAMS[name]
    for cut in range(len(stream) + 1):
        splitter = EventSplitter()
        assert splitter.feed(stream[:cut]) + splitter.feed(b"") + splitter.feed(stream[cut:]) == expected


def test_random_packets_change_nothing() -> None:
    dice = random.Random(7)  # noqa: S311
    texts = [
        json.dumps("".join(dice.choices("a\n\r\u2028é😀 :data", k=dice.randrange(30)))).encode() for _ in range(500)
    ]
    stream = b"".join(b"data: " + text + dice.choice((b"\n\n", b"\r\n\r\n", b"\r\r")) for text in texts)
    splitter, events = EventSplitter(), []
    while stream:
        size = dice.randrange(1, 200)
        events += splitter.feed(stream[:size])
        stream = stream[size:]
    assert events == texts


def test_ten_thousand_events_in_one_packet_all_come() -> None:
    assert len(EventSplitter().feed(b"data: {}\n\n" * 10_000)) == 10_000


@pytest.mark.parametrize("packet", [b"x" * 4096, b"\ndata: " + b"x" * 4096])
def test_an_event_above_one_mebibyte_is_refused(packet: bytes) -> None:
    splitter = EventSplitter()
    splitter.feed(b"data: ")
    with pytest.raises(GenerationFailure) as refusal:
        deque(map(splitter.feed, repeat(packet, MAX_FRAME_BYTES // 4096 + 1)))
    assert refusal.value.code is FailureCode.UPSTREAM_PROTOCOL


def test_many_events_above_one_mebibyte_together_are_not() -> None:
    splitter = EventSplitter()
    event = b"data: " + b"x" * 900_000 + b"\n\n"
    assert sum(len(splitter.feed(event)) for _ in range(5)) == 5


def test_the_work_is_linear_in_the_bytes() -> None:
    def seconds(size: int) -> float:
        line = b"data: " + b"x" * size + b"\n\n"
        splitter, start = EventSplitter(), time.process_time()
        for i in range(0, len(line), 4):
            splitter.feed(line[i : i + 4])
        return time.process_time() - start

    assert seconds(900_000) < 40 * max(seconds(90_000), 0.005)
