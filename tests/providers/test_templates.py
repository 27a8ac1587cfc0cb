"""Chunks that are known by their bytes say what they would say if they were parsed."""

import random
from collections.abc import Callable, Sequence

import pytest

from app.domain.events import ProviderEvent, ReasoningDelta, TextDelta
from app.domain.failures import GenerationFailure
from app.domain.text import TextJoiner, is_plain
from app.providers.anthropic.events import EventReader
from app.providers.ollama.lines import LineReader
from app.providers.openai.chunks import ChunkReader
from app.providers.reading import AnswerReader
from app.providers.templates import ChunkTemplate

SAFE = [rb'"a"', rb'" the"', rb'"\n\n"', rb'"say \"so\""', '"汉字"'.encode(), '"é😀 €"'.encode()]
NOT_PLAIN = [
    b"",
    b'"',
    b'""',
    b"a",
    b"null",
    b'{"a":"b"}',
    b'"a" ',
    b' "a"',
    b'"a","b"',
    b'"a\\"',
    b'"a\nb"',
    b'"a\x00b"',
    b'"\\u0041"',
    b'"\\ud83d"',
    b'"\\x41"',
    rb'"\\"',
    rb'"\/"',
    b'"\xff"',
    b'"\xe6\xb1"',
    b'"\xed\xa0\xbd"',
    '"\u2028"'.encode(),
    '"\u2029"'.encode(),
    '"\x85"'.encode(),
    '"\ufffd'.encode(),
]
STRINGS = [*SAFE, *NOT_PLAIN, '"\ufffd"'.encode(), b'"text"', b'"text_delta"', b'"stop"', b'","', b'":"', b'"content"']
Spell = Callable[[random.Random], bytes]


def openai(chance: random.Random) -> bytes:
    field = chance.choice([b"content"] * 8 + [b"reasoning_content", b"reasoning", b"refusal", b"role", b"x"])
    further = chance.choice([b""] * 12 + [b',"refusal":"no"', b',"content":"b"', b',"tool_calls":[{"id":"a"}]'])
    finish = chance.choice([b"null"] * 20 + [b'"stop"', b'"content_filter"'])
    rest = chance.choice([b""] * 4 + [b',"usage":null', b',"usage":{"prompt_tokens":1,"completion_tokens":2}'])
    if chance.random() < 0.8:
        rest += b',"obfuscation":%b' % chance.choice([*STRINGS[:4], b'"abc"', b'"de"', b"null", b"7"])
    string = chance.choice(STRINGS)
    return b'{"id":"c-1","model":"text","choices":[{"index":0,"delta":{"%b":%b%b},"finish_reason":%b}]%b}' % (
        field,
        string,
        further,
        finish,
        rest,
    )


def anthropic(chance: random.Random) -> bytes:
    match chance.randrange(12):
        case 0:
            return b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}'
        case 1:
            return b'{"type":"content_block_stop","index":0}'
        case 2:
            thought = chance.choice(STRINGS)
            return b'{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":%b}}' % thought
        case 3 if chance.random() < 0.3:
            return b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}}'
    text = chance.choice(STRINGS)
    return b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":%b}}' % text


def ollama(chance: random.Random) -> bytes:
    time = chance.choice([b'"2026-11-22T10:00:00Z"', b'"2026-11-22T10:00:01.5Z"', *STRINGS[:12], b"null", b"1"])
    field = chance.choice([b"content"] * 6 + [b"thinking", b"reasoning_content", b"role"])
    done = chance.choice([b"false"] * 25 + [b"true"])
    line = b'{"model":"content","created_at":%b,"message":{"role":"assistant","%b":%b},"done":%b}'
    return line % (time, field, chance.choice(STRINGS), done)


def garbled(chance: random.Random, payload: bytes) -> bytes:
    """The same with a byte more, less or another, now and then."""
    if not payload or chance.random() > 0.05:
        return payload
    at = chance.randrange(len(payload))
    return payload[:at] + chance.choice([b"", b'"', b"\\", b"\x00", b" ", b"x"]) + payload[at + chance.randrange(2) :]


def told(reader: AnswerReader, payloads: Sequence[bytes]) -> list[ProviderEvent | str]:
    """All that comes of them, and how it fails."""
    found: list[ProviderEvent | str] = []
    for payload in payloads:
        found += reader.read([payload])
        if reader.failure or reader.done:
            break
    if reader.failure is None:
        found += reader.flush()
    else:
        found.append(f"{reader.failure.code} {reader.failure}")
    return found


@pytest.mark.parametrize(
    ("reader", "spell", "silence"),
    [
        pytest.param(ChunkReader, openai, b"{}", id="openai"),
        pytest.param(EventReader, anthropic, b'{"type":"ping"}', id="anthropic"),
        pytest.param(LineReader, ollama, b"{}", id="ollama"),
    ],
)
def test_a_stream_says_the_same_when_each_of_its_chunks_has_to_be_parsed(
    reader: type[AnswerReader], spell: Spell, silence: bytes
) -> None:
    """Behind an event that says nothing no chunk is known from the one before."""
    chance = random.Random(8)  # noqa: S311
    for _ in range(3000):
        payloads = [spell(chance)]
        while len(payloads) < 12:
            again = payloads[-1] if chance.random() < 0.2 else spell(chance)
            payloads.append(garbled(chance, again))
        parsed = [each for payload in payloads for each in (silence, payload)]
        assert told(reader(), payloads) == told(reader(), parsed), payloads


class Counted(ChunkReader):
    parsed = 0

    def _read(self, payload: bytes, events: list[ProviderEvent]) -> None:
        self.parsed += 1
        super()._read(payload, events)


def test_of_many_chunks_that_are_alike_one_is_parsed() -> None:
    reader = Counted()
    chunk = b'{"id":"c","choices":[{"index":0,"delta":{"content":"w%d"},"finish_reason":null}],"obfuscation":"%b"}'
    events = reader.read([chunk % (number, b"x" * (number % 9 + 1)) for number in range(100)])
    assert events == [TextDelta(b'"w%d"' % number) for number in range(100)]
    assert reader.parsed == 1


def test_an_answer_whose_chunks_are_all_different_is_not_learnt_from_for_ever() -> None:
    """Nor is one given up too early: it may be alike for a while, then different, then alike again."""
    reader = Counted()
    alike = [b'{"created":1,"choices":[{"delta":{"content":"w"}}]}'] * 3
    different = [b'{"created":%d,"choices":[{"delta":{"content":"w"}}]}' % number for number in range(5, 10)]
    reader.read([*alike * 2, *different] * 3)
    assert reader.parsed == 3 * (1 + len(different))
    reader.read([b'{"created":%d,"choices":[{"delta":{"content":"w"}}]}' % number for number in range(20, 40)])
    reader.parsed = 0
    reader.read(alike)
    assert reader.parsed == len(alike)


@pytest.mark.parametrize("raw", SAFE)
def test_a_plain_string_may_be_spliced(raw: bytes) -> None:
    assert is_plain(raw)
    assert TextJoiner().splice(raw) == raw


@pytest.mark.parametrize("raw", NOT_PLAIN)
def test_what_is_no_string_or_not_safe_is_not_plain(raw: bytes) -> None:
    assert not is_plain(raw)


def test_a_long_text_is_looked_at_once() -> None:
    """In time that grows with its length: a pattern that goes back would take for ever."""
    for text in (b"a" * 200_000 + b"\n", b"\\n" * 100_000, "汉".encode() * 60_000 + b"\\", b"\xc2\x85" * 100_000):
        assert not is_plain(b'"' + text)


OBFUSCATED = ChunkReader.varying


@pytest.mark.parametrize("said", [TextDelta(b'"one"'), ReasoningDelta(b'"one"')])
def test_a_chunk_with_another_text_is_known(said: TextDelta | ReasoningDelta) -> None:
    template = ChunkTemplate.of(b'{"id":1,"text":"one"}', said, None)
    assert template is not None
    assert template.read(b'{"id":1,"text":"two"}') == type(said)(b'"two"')
    assert template.read(b'{"id":2,"text":"two"}') is None
    assert template.read(b'{"id":1,"text":"two"} ') is None
    assert template.read(b'{"id":1,"text":"two","x":"y"}') is None
    assert template.read(b'{"id":1,"text":2}') is None
    assert template.read(b'{"id":1,"text":}') is None
    assert template.read(b'{"id":1,"te}') is None


@pytest.mark.parametrize(
    ("chunk", "another", "broken"),
    [
        (
            b'{"text":"one","n":1,"obfuscation":"abc"}',
            b'{"text":"two","n":1,"obfuscation":"d"}',
            b'{"text":"two","n":1,"obfuscation":"d","text":"e"}',
        ),
        (
            b'{"obfuscation": "abc","n":1,"text":"one"}',
            b'{"obfuscation": "","n":1,"text":"two"}',
            b'{"obfuscation": "d","n":2,"text":"two"}',
        ),
    ],
)
def test_a_field_that_nobody_reads_may_differ(chunk: bytes, another: bytes, broken: bytes) -> None:
    template = ChunkTemplate.of(chunk, TextDelta(b'"one"'), OBFUSCATED)
    assert template is not None
    assert template.read(another) == TextDelta(b'"two"')
    assert template.read(broken) is None


@pytest.mark.parametrize(
    "chunk",
    [
        pytest.param(b'{"model":"one","text":"one"}', id="twice"),
        pytest.param(b'{"model":"one","text":"\\u006fne"}', id="escaped"),
        pytest.param(b'{"model":"one","text":"o\x00ne"}', id="with NUL"),
        pytest.param(b'{"text":"two"}', id="not there"),
    ],
)
def test_nothing_is_learnt_where_the_place_of_the_text_is_not_certain(chunk: bytes) -> None:
    assert ChunkTemplate.of(chunk, TextDelta(b'"one"'), None) is None


@pytest.mark.parametrize(
    ("reader", "chunk", "another"),
    [
        (ChunkReader, b'{"choices":[{"delta":{"content":":"}}]}', b'{"choices":[{"delta":{"content": ":"}}]}'),
        (ChunkReader, b'{"choices":[{"delta":{"content":":"}}]}', b'{"choices":[{"delta":{"content"abc":"}}]}'),
        (LineReader, b'{"message":{"content":":"},"done":false}', b'{"message":{"content" : ":"},"done":false}'),
    ],
)
def test_a_text_that_looks_like_what_stands_before_it_is_not_mistaken(
    reader: type[AnswerReader], chunk: bytes, another: bytes
) -> None:
    assert told(reader(), [chunk, another]) == told(reader(), [chunk, b"{}", another])


def test_a_text_beside_calls_is_parsed_each_time() -> None:
    """They may be new ones each time, and too many."""
    reader = ChunkReader()
    chunk = '{"choices":[{"delta":{"content":"x","tool_calls":[{"function":{"name":"\u200b"}}]}}]}'.encode()
    reader.read([chunk] * 200)
    assert reader.failure is not None


def test_lines_are_known_though_each_has_a_time_of_its_own() -> None:
    template = ChunkTemplate.of(
        b'{"created_at":"2026-11-22T10:00:00.1Z","message":{"content":"one"},"done":false}',
        TextDelta(b'"one"'),
        LineReader.varying,
    )
    assert template is not None
    another = b'{"created_at":"2026-11-22T10:00:00.25Z","message":{"content":"two"},"done":false}'
    assert template.read(another) == TextDelta(b'"two"')


def test_nothing_long_is_kept_of_a_chunk() -> None:
    assert ChunkTemplate.of(b'{"x":"%b","text":"one"}' % (b"y" * 5000), TextDelta(b'"one"'), None) is None


def test_a_text_behind_the_end_fails_though_it_looks_like_the_last() -> None:
    reader = ChunkReader()
    chunk = b'{"choices":[{"delta":{"content":"%b"}}]}'
    finish = b'{"choices":[{"delta":{},"finish_reason":"stop"}]}'
    events = reader.read([chunk % b"a", chunk % b"b", finish, chunk % b"c"])
    assert events[:2] == [TextDelta(b'"a"'), TextDelta(b'"b"')]
    assert isinstance(reader.failure, GenerationFailure)
