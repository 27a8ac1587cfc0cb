"""What clients get is what is stored is what the upstream sent, however it was spelled and cut."""

import asyncio
import json
import random
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from tests.backend import Backend, User
from tests.chat.reading import follow
from tests.sse import Stream
from tests.upstream import Answer, Filler, Reasoning, Upstream, Usage, Wire
from tests.upstream.scenarios import Chunk

SEND_BYTES = 4096
PLAIN = Wire()
TEN_THOUSAND = tuple(f"{number}\n" for number in range(10_000))
LONG = "汉😀\n\u2028\\" * 20_000
NASTY = (
    "new\nline\r\nand\rreturn\ttab ",
    "line\u2028paragraph\u2029next\x85form\x0cfeed\x0bvertical\x1cfile\x1dgroup\x1erecord ",
    "data: ",
    "event: done\ndata: {}\n\n",
    'data: {"done": true}\n\n',
    ": ping\n\nid: 7\nretry: 1\n\n",
    'quote " backslash \\ both \\" and \\n \\u0041 \\',
    "n / </script> ",
    "emoji 😀👩‍👩‍👧 汉字 é e\u0301 \u202eright to left\u202c ",
    "\ufeffbom \ufffd \uffff \x7f \x01\x02\x1f \u200b",
    "",
    " ",
    "\n",
    "\n\n",
    "\r",
    "\x85",
    "\u2028",
    "[DONE]",
    "data: [DONE]\n\n",
    "null",
    '"',
    "\\",
)


@dataclass(frozen=True)
class Case:
    name: str
    chunks: tuple[Chunk, ...]
    expected: str
    wire: Wire = PLAIN


def spelled(name: str, wire: Wire) -> Case:
    return Case(name, NASTY, "".join(NASTY), wire)


def escaped(text: str) -> bytes:
    """The inside of an ASCII JSON string, every character as an escape."""
    units = text.encode("utf-16-be")
    return b"".join(b"\\u%02x%02x" % (units[i], units[i + 1]) for i in range(0, len(units), 2))


CASES = [
    spelled("as usual", PLAIN),
    spelled("one byte a packet", Wire(packets=1)),
    spelled("seven bytes a packet", Wire(packets=7)),
    spelled("all at once", Wire(packets="burst")),
    spelled("CRLF", Wire(newline=b"\r\n")),
    spelled("CRLF, one byte a packet", Wire(newline=b"\r\n", packets=1)),
    spelled("CR", Wire(newline=b"\r", packets=3)),
    spelled("comments", Wire(comments=True)),
    spelled("no space", Wire(space=False)),
    spelled("BOM", Wire(bom=True, packets=1)),
    spelled("gzip", Wire(gzip=True)),
    spelled("gzip, one byte a packet", Wire(gzip=True, packets=1)),
    spelled("until the connection closes", Wire(transfer="close", packets=5)),
    Case("all escaped", tuple(map(escaped, NASTY)), "".join(NASTY)),
    Case("halves of a pair", (rb"a\ud83d", rb"\ude00b", rb"\ud83d", rb"\ude00"), "a😀b😀"),
    Case("halves of a pair, one byte a packet", (rb"\ud83d", rb"\ude00"), "😀", Wire(packets=1)),
    Case("halves around nothing", (rb"\ud83d", "", rb"\ude00"), "😀"),
    Case("lone halves", (rb"\ude00a", rb"\ud83d", "b", rb"c\ud83d\ud83d", rb"\ude00"), "\ufffda\ufffdbc\ufffd😀"),
    Case("a lone half at the end", ("a", rb"\ud83d"), "a\ufffd"),
    Case("NUL", (rb"a\u0000b", rb"\u0000", "c"), "abc"),
    Case("raw control characters", (b"a\x00b\tc\x1fd",), "ab\tc\x1fd"),
    Case("no UTF-8", (b"a\xffb", b"\xc3(", "é"), "a\ufffdb\ufffd(é"),
    Case("odd escapes", (rb"\/\b\f\n\r\t\"\\\u00e9",), '/\b\f\n\r\t"\\é'),
    Case("10,000 chunks at once", TEN_THOUSAND, "".join(TEN_THOUSAND), Wire(packets="burst")),
    Case("100,000 characters in a chunk", (LONG,), LONG),
    Case("20,000 escapes in a chunk", ("\u2028" * 20_000,), "\u2028" * 20_000),
    Case("about 4 KiB in a chunk", ("a" * 3798, "b" * 3799, "c" * 4096), "a" * 3798 + "b" * 3799 + "c" * 4096),
    Case("half a megabyte in a chunk", (Filler(500_000), "b"), "a" * 500_000 + "b"),
]


async def read(user: User) -> bytes:
    """All bytes of an answer."""
    response = await user.http.post("/ai/chat/stream", json={"message": "Say it"})
    assert response.status_code == 200
    return response.content


def by_the_snippet(body: bytes) -> str:
    """The algorithm of the simplest front-end: blank lines cut, `data: ` begins what counts, text or done is in it."""
    output = ""
    for line in filter(None, body.decode().split("\n\n")):
        if line.startswith("data: "):
            data = json.loads(line[6:])
            if not data.get("done"):
                output += data["text"]
    return output


def by_splitlines(body: bytes) -> str:
    """A reader that cuts lines wherever Unicode would, as `str.splitlines` and many others do."""
    output, named = "", False
    for line in body.decode().splitlines():
        if not line:
            named = False
        elif line.startswith("event:"):
            named = True
        elif line.startswith("data: ") and not named:
            output += json.loads(line[6:]).get("text", "")
    return output


def assert_well_spelled(body: bytes) -> None:
    """A text block is one `data: ` line; lines end in LF alone, and nothing else looks like a line's end."""
    assert b"\r" not in body
    assert body.endswith(b"\n\n")
    text = body.decode()
    assert text.splitlines() == text.removesuffix("\n").split("\n")
    for block in text.removesuffix("\n\n").split("\n\n"):
        assert len(block.encode()) + 2 <= SEND_BYTES
        assert "\nid:" not in f"\n{block}"
        lines = block.split("\n")
        assert lines[-1].startswith("data: ")
        if len(lines) == 1:
            data = json.loads(block[6:])
            assert list(data) in (["text", "seq"], ["done", "status", "message_id", "seq"])
        else:
            (event,) = lines[:-1]
            assert event.startswith("event: ")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_clients_and_the_store_have_what_the_upstream_sent(
    backend: Backend, upstream: Upstream, case: Case
) -> None:
    alice = await backend.user()
    upstream.script(Answer(case.chunks, wire=case.wire, usage=(3, 4)))

    async with asyncio.timeout(20):
        body = await read(alice)

    assert_well_spelled(body)
    stream = Stream.of(body)
    assert stream.text == case.expected
    assert by_the_snippet(body) == case.expected
    assert by_splitlines(body) == case.expected
    assert stream.done["status"] == "complete"
    assert stream.seqs == list(range(1, len(stream.events) + 1))
    (usage,) = stream.named("usage")
    assert (usage["input_tokens"], usage["output_tokens"]) == (3, 4)
    _, answer = await alice.messages(stream.start["conversation_id"])
    assert answer["content"] == case.expected
    assert (await upstream.ended()).ended == "complete"


async def test_every_way_to_read_gives_the_same_on_every_database(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    alice = await backend.user()
    chunks: tuple[Chunk, ...] = (*NASTY, rb"\ud83d", rb"\ude00", rb"x\u0000y", b"\xff", *map(escaped, NASTY))
    expected = "".join((*NASTY, "😀xy\ufffd", *NASTY))
    upstream.script(Answer(chunks, wire=Wire(packets=11)))

    stream = Stream.of(await read(alice))
    whole = await alice.http.post("/ai/chat", json={"message": "Say it"})
    source = await alice.http.get("/ai/chat/stream", params={"message": "Say it"})
    kept = await follow(alice, stream.start["generation_id"])

    assert stream.text == expected
    assert whole.json()["reply"] == expected
    assert Stream.of(source.content).text == expected
    assert [event.json for event in kept.events] == [event.json for event in stream.events]
    for conversation in (await alice.http.get("/conversations")).json()["items"]:
        assert (await alice.messages(conversation["id"]))[1]["content"] == expected


async def test_a_text_that_was_said_comes_back_from_the_model_unchanged(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    alice = await backend.user()
    said = "".join(NASTY)

    stream = await alice.chat(said, model="openai/echo")

    assert stream.text == f"You said: {said}"
    asked, answered = await alice.messages(stream.start["conversation_id"])
    assert (asked["content"], answered["content"]) == (said, f"You said: {said}")
    assert upstream.calls[0].body["messages"] == [{"role": "user", "content": said}]


async def test_however_an_answer_is_cut_it_comes_out_whole(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    dice = random.Random(7)  # noqa: S311  # the same cuts each time
    for _ in range(8):
        text = "".join(dice.choices('ab\n\r\u2028\x85😀👩汉é"\\ :', k=1500))
        units = text.encode("utf-16-le")
        chunks: list[bytes] = []
        while units:
            size = 2 * dice.randrange(1, 9)
            part, units = units[:size].decode("utf-16-le", "surrogatepass"), units[size:]
            chunks.append(json.dumps(part, ensure_ascii=True).encode()[1:-1])
        upstream.script(Answer(tuple(chunks), wire=Wire(packets=dice.randrange(1, 400))))

        body = await read(alice)

        assert_well_spelled(body)
        assert Stream.of(body).text == by_the_snippet(body) == by_splitlines(body) == text


async def test_reasoning_is_as_safe_as_text_and_no_part_of_the_answer(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    chunks: tuple[Chunk, ...] = (*map(Reasoning, NASTY), Reasoning(rb"\ud83d"), Reasoning(rb"\ude00"), "42")
    upstream.script(Answer(chunks, usage=Usage(9, 6, 0, 5)))

    body = await read(alice)

    assert_well_spelled(body)
    stream = Stream.of(body)
    assert "".join(event["text"] for event in stream.named("reasoning")) == "".join(NASTY) + "😀"
    assert stream.text == by_the_snippet(body) == by_splitlines(body) == "42"
    assert (await alice.answer(stream.start["conversation_id"]))["content"] == "42"


@pytest.mark.parametrize("wire", [PLAIN, Wire(packets="burst"), Wire(packets=500)], ids=lambda wire: str(wire.packets))
async def test_one_send_holds_whole_blocks_and_no_more_than_4_kib(
    backend: Backend, upstream: Upstream, wire: Wire
) -> None:
    alice = await backend.user()
    text = "".join(f"{number} 汉😀\n" for number in range(2000))
    upstream.script(Answer((*text.splitlines(keepends=True), text), wire=wire))

    sends = await sends_of(alice, "/ai/chat/stream", {"message": "Say it"})

    assert all(len(send) <= SEND_BYTES for send in sends)
    assert all(send.endswith(b"\n\n") for send in sends)
    assert "".join(map(by_the_snippet, sends)) == text * 2


async def test_what_arrives_together_goes_out_together(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    upstream.script(Answer(TEN_THOUSAND, wire=Wire(packets="burst")))

    sends = await sends_of(alice, "/ai/chat/stream", {"message": "Say it"})

    assert len(sends) < len(b"".join(sends)) / (SEND_BYTES / 2)


async def sends_of(user: User, path: str, body: dict[str, str]) -> list[bytes]:
    """Each send of a stream: the server makes a chunk of HTTP's chunked encoding of it."""
    address = urlsplit(str(user.http.base_url))
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    content = json.dumps(body).encode()
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {user.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode()
    )
    writer.write(content)
    sends = []
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert b"transfer-encoding: chunked" in head.lower()
        while size := int(await reader.readuntil(b"\r\n"), 16):
            sends.append(await reader.readexactly(size))
            await reader.readexactly(2)
    writer.close()
    await writer.wait_closed()
    return sends
