"""Files that are attached to a message: the model is shown them, and the reader is told how."""

import time
import zlib
from base64 import b64decode
from struct import pack
from typing import Any

import pytest

from app.services.pieces import holds
from tests.backend import User
from tests.conftest import Serve
from tests.grounding.library import LEASE, PUMP, prompt, upload
from tests.sse import Stream
from tests.upstream import Answer, Refuse, Upstream

SEEING = "openai/gpt-5"
BLIND = "openai/echo"
UNKNOWN = "01934a7e-0000-7000-8000-000000000000"


def png() -> bytes:
    """One white dot."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + name + data + pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0\xff")) + chunk(b"IEND", b"")


@pytest.fixture
async def alice(serve: Serve) -> User:
    return await (await serve()).user()


def used(stream: Stream) -> list[tuple[str, str, str | None]]:
    """Of each file its name, how it was used, and why not."""
    (told,) = stream.named("sources")
    return [(file["name"], file["used"], file.get("reason")) for file in told["files"]]


async def test_a_small_document_is_shown_whole_now_and_later(
    database_kind: str, alice: User, upstream: Upstream
) -> None:
    file_id = await upload(alice, "租赁.md", LEASE.encode())

    first = await alice.chat("押金是多少？", file_ids=[file_id])
    second = await alice.chat("租期呢？", conversation_id=first.start["conversation_id"])
    branch = await alice.chat("你好")

    assert used(first) == used(second) == [("租赁.md", "whole", None)]
    for call in upstream.calls[:2]:
        assert "押金为两个月租金" in prompt(call)
        assert '<file name="租赁.md">' in prompt(call)
    assert "<file" not in prompt(upstream.calls[2])
    assert branch.named("sources") == []
    asked = (await alice.messages(first.start["conversation_id"]))[0]
    assert asked["content"] == "押金是多少？"
    assert asked["files"] == [{"file_id": file_id, "name": "租赁.md"}]


async def test_a_large_document_is_searched(alice: User, upstream: Upstream) -> None:
    filling = "\n\n".join(
        f"Paragraph {number} tells of nothing in particular, at some length." for number in range(4000)
    )
    file_id = await upload(alice, "long.txt", f"{filling}\n\n{PUMP}".encode())

    stream = await alice.chat("How long is the warranty of the pump P7?", file_ids=[file_id])

    (told,) = stream.named("sources")
    assert used(stream) == [("long.txt", "passages", None)]
    assert told["sources"][0]["file_id"] == file_id
    assert "warranty of two years" in told["sources"][0]["quote"]
    assert "warranty of two years" in prompt(upstream.calls[0])
    assert len(prompt(upstream.calls[0])) < 20_000


async def test_a_question_about_the_whole_of_a_large_document_is_answered_from_excerpts(
    alice: User, upstream: Upstream
) -> None:
    filling = "\n\n".join(f"Paragraph {number} tells of herons and of tides, at some length." for number in range(4000))
    file_id = await upload(alice, "long.txt", f"A study of birds.\n\n{filling}".encode())

    stream = await alice.chat("Please summarize it.", file_ids=[file_id])

    assert used(stream) == [("long.txt", "excerpts", None)]
    shown = prompt(upstream.calls[0])
    assert "A study of birds." in shown
    assert 10_000 < len(shown) < 60_000


async def test_a_picture_is_shown_to_a_model_that_sees(alice: User, upstream: Upstream) -> None:
    file_id = await upload(alice, "dot.png", png())

    seen = await alice.chat("What is it?", file_ids=[file_id], model=SEEING)
    unseen = await alice.chat("What is it?", file_ids=[file_id], model=BLIND)

    assert used(seen) == [("dot.png", "image", None)]
    image, text = upstream.calls[0].body["messages"][-1]["content"]
    assert b64decode(image["image_url"]["url"].partition(",")[2]) == png()
    assert text == {"type": "text", "text": "What is it?"}
    assert used(unseen) == [("dot.png", "unread", "model_sees_no_images")]
    assert upstream.calls[1].body["messages"][-1]["content"] == "What is it?"


async def test_what_cannot_be_read_is_told(alice: User, upstream: Upstream) -> None:
    names = {"program.bin": b"\x7fELF" + bytes(300), "broken.pdf": b"%PDF-1.7\nnothing", "gone.md": b"# Gone"}
    ids = [await upload(alice, name, data) for name, data in names.items()]
    first = await alice.chat("Read.", file_ids=ids)
    await alice.http.delete(f"/files/{ids[2]}")

    second = await alice.chat("Again.", conversation_id=first.start["conversation_id"])

    expected = {("program.bin", "unread", "unsupported"), ("broken.pdf", "unread", "damaged")}
    assert set(used(first)) == expected | {("gone.md", "whole", None)}
    assert set(used(second)) == expected | {("gone.md", "unread", "deleted")}
    assert second.done["status"] == "complete"


async def test_another_users_file_is_not_there(serve: Serve, upstream: Upstream) -> None:
    backend = await serve()
    file_id = await upload(await backend.user("bob"), "secret.md", b"# Secret")
    alice = await backend.user()

    for ids in ([file_id], [UNKNOWN], [await upload(alice, "own.md", b"# Own"), file_id]):
        answer = await alice.http.post("/ai/chat/stream", json={"message": "Read.", "file_ids": ids})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    assert upstream.calls == []
    assert (await alice.http.get("/conversations")).json()["items"] == []


async def test_a_key_needs_the_scope_of_files(alice: User) -> None:
    file_id = await upload(alice, "a.md", b"# A")
    made = await alice.http.post("/users/me/api-keys", json={"name": "chat alone", "scopes": ["chat"]})

    answer = await alice.http.post(
        "/ai/chat",
        json={"message": "Read.", "file_ids": [file_id]},
        headers={"Authorization": f"Bearer {made.json()['key']}"},
    )

    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


async def test_an_edited_question_another_answer_and_a_fork_keep_the_files(alice: User, upstream: Upstream) -> None:
    file_id = await upload(alice, "pump.md", PUMP.encode())
    first = await alice.chat("How heavy?", file_ids=[file_id])
    conversation = f"/conversations/{first.start['conversation_id']}"
    question, answer = [each["id"] for each in await alice.messages(first.start["conversation_id"])]

    edited = await alice.http.post(f"{conversation}/messages/{question}/edit", json={"message": "How heavy is it?"})
    again = await alice.http.post(f"{conversation}/messages/{answer}/regenerate", json={})
    fork = await alice.http.post(f"{conversation}/fork", json={})
    forked = await alice.chat("And the filter?", conversation_id=fork.json()["id"])

    assert (
        used(Stream.of(edited.content))
        == used(Stream.of(again.content))
        == used(forked)
        == [("pump.md", "whole", None)]
    )
    assert all("twelve kilograms" in prompt(call) for call in upstream.calls)
    assert len(upstream.calls) == 4


async def test_without_a_model_attached_documents_speak_for_themselves(serve: Serve) -> None:
    backend = await serve(openai_api_key=None, openai_base_url=None, default_model=None)
    alice = await backend.user()
    file_id = await upload(alice, "pump.md", PUMP.encode())

    stream = await alice.chat("How long is the warranty of the pump?", file_ids=[file_id])

    assert "The pump P7 has a warranty of two years." in stream.text
    assert used(stream) == [("pump.md", "passages", None)]


BAD: dict[str, Any] = {
    "no list": "x",
    "no id": ["x"],
    "a number": [7],
    "too many": [UNKNOWN] * 21,
}


@pytest.mark.parametrize("ids", BAD.values(), ids=BAD.keys())
async def test_bad_ids_are_told_as_such(alice: User, ids: Any) -> None:
    answer = await alice.http.post("/ai/chat", json={"message": "Read.", "file_ids": ids})

    assert answer.status_code == 422


async def test_who_deletes_a_file_deletes_what_was_read_of_it(
    database_kind: str, serve: Serve, upstream: Upstream
) -> None:
    backend = await serve()
    alice = await backend.user()
    file_id = await upload(alice, "pump.md", PUMP.encode())
    await alice.chat("How heavy?", file_ids=[file_id])

    deleted = await alice.http.delete(f"/files/{file_id}")

    assert deleted.status_code == 204
    async with backend.house.database.snapshot() as tx:
        assert await tx.documents.chunk_count((await alice.http.get("/users/me")).json()["id"]) == 0


async def test_a_key_without_the_scope_sees_no_files_of_what_was_said_before(alice: User, upstream: Upstream) -> None:
    upstream.script(Answer(("OK.",)))
    file_id = await upload(alice, "pump.md", PUMP.encode())
    first = await alice.chat("How heavy?", file_ids=[file_id])
    made = await alice.http.post("/users/me/api-keys", json={"name": "chat alone", "scopes": ["chat"]})

    answer = await alice.http.post(
        "/ai/chat",
        json={"message": "And now?", "conversation_id": first.start["conversation_id"]},
        headers={"Authorization": f"Bearer {made.json()['key']}"},
    )

    assert answer.status_code == 200
    assert "twelve kilograms" not in str(upstream.calls[1].body)


async def test_a_follow_up_about_a_large_file_is_searched_for_itself(alice: User, upstream: Upstream) -> None:
    filling = "\n\n".join(f"Paragraph {number} tells of nothing in particular, at length." for number in range(4000))
    file_id = await upload(alice, "long.txt", f"{filling}\n\n{PUMP}".encode())
    first = await alice.chat("Paragraph and particular and nothing. " * 150, file_ids=[file_id])
    upstream.script([Refuse(500), Answer(("Two years [1].",))])

    stream = await alice.chat(
        "How long is the warranty of the pump P7?", conversation_id=first.start["conversation_id"]
    )

    assert "warranty of two years" in stream.named("sources")[0]["sources"][0]["quote"]


async def test_another_answer_about_a_file_is_from_none_of_other_conversations(alice: User, upstream: Upstream) -> None:
    filling = "\n\n".join(f"Paragraph {number} tells of nothing in particular, at length." for number in range(4000))
    one, other = [
        await upload(alice, f"{name}.txt", f"{filling}\n\nThe pump {name} has a warranty of {years} years.".encode())
        for name, years in (("P7", "two"), ("Q8", "nine"))
    ]
    first = await alice.chat("How long is the warranty of the pump?", file_ids=[one])
    await alice.chat("How long is the warranty of the pump?", file_ids=[other])

    again = await alice.http.post(
        f"/conversations/{first.start['conversation_id']}/messages/{first.start['message_id']}/regenerate", json={}
    )

    (told,) = Stream.of(again.content).named("sources")
    assert {source["file_id"] for source in told["sources"]} == {one}


@pytest.mark.parametrize("border", range(1, 12))
async def test_a_word_is_found_across_the_borders_of_pieces(border: int) -> None:
    data = b"x /Encrypt x"
    assert await holds([data[:border], b"", data[border : border + 1], data[border + 1 :]], b"/Encrypt")
    assert not await holds([data[:border], data[border + 1 :]], b"/Encrypt" if 1 < border < 10 else b"-")


async def test_a_hostile_file_holds_nobody_up(alice: User) -> None:
    file_id = await upload(alice, "hostile.txt", ("a <" + " " * 30_000 + "[1 " * 10_000 + "`" * 20_000).encode())

    began = time.monotonic()
    await alice.chat("Read it.", file_ids=[file_id])

    assert time.monotonic() - began < 20  # it took minutes, of which the event loop saw nothing else
