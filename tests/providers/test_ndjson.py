"""The splitter of lines: whatever the packets, the same lines."""

import json
import random

import pytest

from app.domain.failures import FailureCode, GenerationFailure
from app.providers.ndjson import MAX_LINE_BYTES, LineSplitter

STREAMS = {
    "lf": (b'{"a":1}\n{"b":2}\n', [b'{"a":1}', b'{"b":2}']),
    "blank lines": (b'\n\r\n{"a":1}\n \n\n', [b'{"a":1}']),
    "bom": (b'\xef\xbb\xbf{"a":1}\n\xef\xbb\xbf{}\n', [b'{"a":1}', b"\xef\xbb\xbf{}"]),
    "no last line end": (b'{"a":1}\n{"b":2}', [b'{"a":1}', b'{"b":2}']),
    "bom and no line end": (b'\xef\xbb\xbf{"a":1} ', [b'{"a":1} ']),
    "cut within a line": (b'{"a":1}\n{"b":', [b'{"a":1}']),
    "nothing": (b"", []),
}


def split(*packets: bytes) -> list[bytes]:
    splitter = LineSplitter()
    return [line for packet in packets for line in splitter.feed(packet)] + splitter.flush()


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_has_the_same_lines_however_it_is_cut(name: str) -> None:
    stream, expected = STREAMS[name]
    assert split(stream) == expected
    assert split(*(stream[i : i + 1] for i in range(len(stream)))) == expected
    for cut in range(len(stream) + 1):
        assert split(stream[:cut], b"", stream[cut:]) == expected


def test_either_line_end_leaves_the_same_json() -> None:
    assert [json.loads(line) for line in split(b'{"a":1}\r\n{"b":2}\r', b"\n")] == [{"a": 1}, {"b": 2}]


def test_a_line_is_there_with_the_packet_that_ends_it() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b'{"a":') == []
    assert splitter.feed(b'1}\n{"b"') == [b'{"a":1}']


def test_random_packets_change_nothing() -> None:
    dice = random.Random(7)  # noqa: S311
    lines = [json.dumps({"t": "".join(dice.choices("a\n\r\u2028é😀 {}", k=9))}).encode() for _ in range(500)]
    stream = b"\n".join(lines)
    cuts = sorted(dice.choices(range(len(stream)), k=300))
    assert split(*(stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True))) == lines


@pytest.mark.parametrize("size", [MAX_LINE_BYTES + 1, 64 * MAX_LINE_BYTES])
@pytest.mark.parametrize("ended", [True, False])
def test_a_line_beyond_bounds_is_refused(size: int, ended: bool) -> None:
    packets = [b"x" * 65_536] * (size // 65_536) + [b"x"] + ([b"\n"] if ended else [])
    with pytest.raises(GenerationFailure) as failure:
        split(*packets)
    assert failure.value.code is FailureCode.UPSTREAM_PROTOCOL


def test_many_lines_in_one_packet_are_not_beyond_them() -> None:
    assert len(split(b'{"a":1}\n' * 400_000)) == 400_000
