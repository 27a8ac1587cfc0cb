"""Claims about the long bodies that doors take: as long as they may be, they keep nobody waiting and nothing full."""

import asyncio
import json
from typing import Any

import pytest

from app.core.errors import Malformed, Overloaded, TooLarge
from app.services.bodies import BodyRoom
from app.wire.large_json import MOST_VALUES, decode
from tests.doors.conftest import Service
from tests.upstream import Upstream

LONG = "x" * 300_000
"""So that a body is not small any more."""
JSON = {"Content-Type": "application/json"}

SAID: list[Any] = [
    {},
    [],
    "",
    0,
    -1.5e-7,
    True,
    None,
    {"a": {"b": [{"c": "}"}, "]", '"', "\\"]}, "": [[], {}]},
    {"plain": "a" * 10_000, "escaped": 'line\n"quoted"\t\\' * 10_000, "世界": "世" * 70_000 + "🙂" * 30_000},
    ["\ud83d", "\ud83d\ude42" * 3000, "\ude42"],
    list(range(-5000, 5000)),
    [[0.25] * 3000, [1, "two", 3]],
    [{"role": "user", "content": f"message {number}"} for number in range(500)],
]


@pytest.mark.parametrize("said", SAID, ids=lambda said: f"{type(said).__name__}-{len(repr(said))}")
@pytest.mark.parametrize("spelling", [{}, {"indent": 1}, {"ensure_ascii": False}], ids=str)
def test_it_is_decoded_as_any_decoder_would(said: Any, spelling: dict[str, Any]) -> None:
    try:
        body = json.dumps(said, **spelling).encode()
    except UnicodeEncodeError:
        return  # half a pair, which UTF-8 cannot say
    assert decode(body) == json.loads(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"a"}',
        b'{"a":1,}',
        b"[1,]",
        b"[,1]",
        b"[1,,2,3]",
        b"[1 2]",
        b"01",
        b"1.",
        b"+1",
        b"NaN",
        b'{"a":NaN}',
        b"[Infinity]",
        b"nul",
        b'"a',
        b'"a\n"',
        b'"\\x"',
        b'"\\u12"',
        b'"\xff"',
        b'"' + b"a" * 5000 + b"\x01" + b"a" * 5000 + b'"',
        b'"' + b"a" * 65_530 + b"\xc3",
        b"[" * 100_000,
        b"1" * 5000,
        b"{} {}",
        b"\xef\xbb\xbf{}",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        decode(body)


def test_more_values_than_anybody_means_are_refused() -> None:
    with pytest.raises(TooLarge):
        decode(b"[" + b"1," * MOST_VALUES * 4 + b"0]")
    assert len(decode(b"[" + b"1," * MOST_VALUES + b"0]")) == MOST_VALUES + 1  # tokens, of which embeddings are made


async def test_the_event_loop_goes_on_meanwhile() -> None:
    body = json.dumps([{"content": ["text"] * 30} for _ in range(600)]).encode()
    decoding = asyncio.create_task(asyncio.to_thread(decode, body))
    rounds = 0
    while not decoding.done():
        rounds += 1
        await asyncio.sleep(0.0005)
    assert rounds > 3  # a decoder in C lets none pass


def test_a_user_has_half_of_the_room_and_gives_it_back() -> None:
    room = BodyRoom(100, busy="Wait.", free=10)
    with room.body("alice") as first, room.body("alice") as second, room.body("bob") as third:
        for body in (first, second, third):
            body.add(b"x" * 10)  # small ones are not counted
            body.add(b"x" * 100)
        with pytest.raises(Overloaded, match=r"Wait\."):
            second.add(b"x")
        third.add(b"x" * 100)
        assert first.take() == b"x" * 110
    with room.body("alice") as again:
        again.add(b"x" * 210)


async def test_a_long_message_gets_its_answer(patient: Service, vendor: Upstream) -> None:
    given = {"model": "openai/gpt", "messages": [{"role": "user", "content": "é" * 1_100_000}]}
    answer = await patient.alice.http.post("/v1/chat/completions", json=given)
    assert answer.status_code == 200, answer.text
    assert len(vendor.requests[-1].body["messages"][-1]["content"]) == 1_100_000


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        (json.dumps({"model": "m", "messages": [{"role": "user", "content": [{}]}], "x": LONG}), 400, "messages[0]"),
        (json.dumps({"model": "m", "messages": [{"role": 5, "content": LONG}] * 3}), 400, "messages[0].role"),
        (f'{{"model": "m", "messages": [{LONG}', 400, None),
        (json.dumps({"model": "m", "messages": [0] * (MOST_VALUES * 4 + 1)}), 413, None),
        (json.dumps([LONG]), 400, None),
        (f"{' ' * 300_000}null", 400, None),
    ],
    ids=["missing", "faulty", "broken", "flood", "list", "null"],
)
async def test_a_long_body_is_refused_as_a_short_one_is(
    patient: Service, body: str, status: int, param: str | None
) -> None:
    answer = await patient.alice.http.post("/v1/chat/completions", content=body, headers=JSON)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (status, "invalid_request_error"), answer.text
    assert error["param"] == param or (param and error["param"].startswith(param))
    assert len(answer.content) < 2000


async def test_a_long_body_of_another_type_is_not_taken(patient: Service) -> None:
    answer = await patient.alice.http.post("/v1/chat/completions", content=LONG, headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


@pytest.mark.parametrize("content", ["", LONG], ids=["short", "long"])
async def test_ollamas_door_takes_json_by_any_name(patient: Service, vendor: Upstream, content: str) -> None:
    given = {"model": "openai/gpt", "stream": False, "messages": [{"role": "user", "content": f"Hello{content}"}]}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await patient.alice.http.post("/ollama/api/chat", content=json.dumps(given), headers=form)
    assert answer.status_code == 200, answer.text
    assert vendor.requests
