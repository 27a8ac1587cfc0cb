"""What a client notes of a stream, and what it finds odd."""

import pytest

from tests.chaos.blocks import Blocks
from tests.chaos.history import Connection, Ending, EventKind, History, Route

START = b'event: start\ndata: {"generation_id": "g", "message_id": "m", "conversation_id": "c", "seq": 1}\n\n'
TEXT = 'data: {"text": "⟨u1-1#1:1⟩ 你好", "seq": 2}\n\n'.encode()
DONE = b'data: {"done": true, "status": "complete", "message_id": "m", "seq": 3}\n\n'


def blocks(route: Route = Route.STREAM) -> tuple[Blocks, Connection, History]:
    history = History(seed=0, began=0.0, wall=0.0)
    connection = Connection(1, 1, 1, route, 0.0, generation_id="g")
    return Blocks(history, connection), connection, history


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_stream_is_noted_however_it_is_cut_into_pieces(size: int) -> None:
    reader, connection, history = blocks()
    body = START + b": ping\n\n" + TEXT + DONE
    for at in range(0, len(body), size):
        reader.feed(body[at : at + size])
    reader.close()
    assert reader.ending is Ending.DONE
    assert [(each.seq, each.kind) for each in connection.trace] == [
        (1, EventKind.START),
        (2, EventKind.TEXT),
        (3, EventKind.DONE),
    ]
    assert (connection.text, connection.done_status, connection.message_id) == ("⟨u1-1#1:1⟩ 你好", "complete", "m")
    assert history.oddities == []


def test_a_goodbye_says_when_to_come_back() -> None:
    reader, _, history = blocks()
    reader.feed(START + b'retry: 700\nevent: goodbye\ndata: {"reason": "draining", "seq": 1}\n\n')
    assert reader.ending is Ending.GOODBYE
    assert reader.retry == pytest.approx(0.7)
    assert history.oddities == []


@pytest.mark.parametrize(
    ("route", "body"),
    [
        (Route.STREAM, DONE + TEXT),
        (Route.STREAM, b"id: g:2\n" + TEXT),
        (Route.RESUME, TEXT),
        (Route.RESUME, b"id: other:2\n" + TEXT),
        (Route.STREAM, b"data: {oops\n\n"),
        (Route.STREAM, b"event: error\ndata: {}\n\n"),
        (Route.STREAM, START.replace(b'"g"', b'"h"')),
    ],
)
def test_what_breaks_the_contract_is_odd(route: Route, body: bytes) -> None:
    reader, _, history = blocks(route)
    reader.feed(body)
    assert len(history.oddities) == 1


@pytest.mark.parametrize("nonce", ["u2-1", "\\u0075\\u0032-1"])
def test_anothers_nonce_is_noticed_however_it_is_spelled(nonce: str) -> None:
    reader, _, history = blocks()
    reader.feed(TEXT.replace(b"u1-1", nonce.encode()))
    assert [each.foreign for each in history.oddities] == [True]
