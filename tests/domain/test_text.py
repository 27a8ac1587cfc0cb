"""Answer text as encoded strings: what a vendor sent is what everybody reads, on one line."""

import json
import random

import pytest

from app.domain.text import TextJoiner, decode, encode, pieces

TEXTS = [
    "plain",
    "new\nline\r\nand\rreturn\ttab",
    "line\u2028paragraph\u2029next\x85",
    "data: x\n\ndata: y",
    'quote " and \\ backslash \\u0041 and / slash',
    "emoji 😀👩‍👩‍👧 and 汉字 and é",
    "all \x01\x02\x1f\x7f controls",
    "\ufeffbom \ufffd \uffff",
]


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_encoded_is_one_line_and_decodes_to_itself(text: str) -> None:
    raw = encode(text)
    assert len(raw.decode().splitlines()) == 1
    assert decode([raw]) == text


@pytest.mark.parametrize("text", TEXTS)
def test_the_pieces_of_a_text_are_small_and_join_to_it(text: str) -> None:
    parts = list(pieces(encode(text * 40), 64))
    assert all(len(part) <= 64 for part in parts)
    assert decode(parts) == text * 40


def test_a_safe_string_is_passed_on_as_it_stands() -> None:
    raw = '"汉字 \\n 😀"'.encode()
    assert TextJoiner().splice(raw) is raw


@pytest.mark.parametrize(
    "raw", [b'"\xff"', b'"\\u0041"', b'"a\rb"', '"\u2028"'.encode(), '"\x85"'.encode(), b'"\xed\xa0\xbd"']
)
def test_a_string_that_is_not_safe_is_not_spliced(raw: bytes) -> None:
    assert TextJoiner().splice(raw) is None


def test_the_halves_of_a_pair_in_two_chunks_become_one_character() -> None:
    joiner = TextJoiner()
    first = joiner.join("a\ud83d")
    assert joiner.splice(b'"b"') is None
    second = joiner.join("\ude00b")
    assert first is not None
    assert second is not None
    assert decode([first, second]) == "a😀b"
    assert joiner.flush() is None


def test_a_half_that_stays_alone_becomes_the_replacement_character() -> None:
    joiner = TextJoiner()
    parts = [joiner.join("\ude00"), joiner.join("x\ud83d"), joiner.join("y\ud83d"), joiner.flush()]
    assert decode(part for part in parts if part) == "\ufffdx\ufffdy\ufffd"


def test_nul_is_dropped() -> None:
    joiner = TextJoiner()
    assert joiner.join("a\x00b") == b'"ab"'
    assert joiner.join("\x00") is None


def test_however_a_text_is_cut_by_utf_16_units_it_comes_out_whole() -> None:
    dice = random.Random(11)  # noqa: S311
    text = "".join(dice.choices('ab\n\r\u2028\x85😀👩汉é"\\', k=2000))
    units = text.encode("utf-16-le")
    joiner, parts = TextJoiner(), []
    while units:
        size = 2 * dice.randrange(1, 6)
        chunk = units[:size].decode("utf-16-le", "surrogatepass")
        units = units[size:]
        raw = json.dumps(chunk).encode()
        parts.append(joiner.splice(raw) or joiner.join(json.loads(raw)))
    parts.append(joiner.flush())
    raws = [part for part in parts if part]
    assert decode(raws) == text
    assert all(len(raw.decode().splitlines()) == 1 for raw in raws)
