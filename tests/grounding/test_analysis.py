"""A PDF and a question: each model is given what it takes of it."""

import asyncio
from base64 import b64decode
from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfWriter

from tests.backend import Backend, User
from tests.conftest import Serve
from tests.grounding.library import prompt
from tests.parsing.pdfs import lines, pdf, scanned
from tests.sse import Stream
from tests.upstream import Upstream

REPORT = pdf(lines("The bridge was built in 1932."), lines("It is 503 metres long."))
CLAUDE = "anthropic/claude-sonnet-5-5"


@pytest.fixture
async def backend(serve: Serve, upstream: Upstream) -> Backend:
    return await serve(anthropic_api_key="sk-ant-loopback", anthropic_base_url=f"{upstream.url}/anthropic")


@pytest.fixture
async def alice(backend: Backend) -> User:
    return await backend.user()


async def analyze(user: User, data: bytes, name: str = "bridge.pdf", /, **fields: Any) -> Stream:
    response = await user.http.post("/analyze/pdf", files={"file": (name, data)}, data=fields)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    return Stream.of(response.content)


def used(stream: Stream) -> list[tuple[str, str]]:
    (told,) = stream.named("sources")
    return [(file["name"], file["used"]) for file in told["files"]]


def locked(password: str) -> bytes:
    writer = PdfWriter(BytesIO(REPORT))
    writer.encrypt(password, "owner", algorithm="AES-256")
    written = BytesIO()
    writer.write(written)
    return written.getvalue()


async def test_a_model_that_takes_pdfs_is_given_the_pdf(alice: User, upstream: Upstream) -> None:
    stream = await analyze(alice, REPORT, question="How long is it?", model=CLAUDE)

    (call,) = upstream.calls
    document, text = call.body["messages"][-1]["content"]
    assert document["type"] == "document"
    assert b64decode(document["source"]["data"]) == REPORT
    assert text["text"] == "How long is it?"
    assert used(stream) == [("bridge.pdf", "pdf")]
    assert stream.done["status"] == "complete"


async def test_another_is_given_its_text_and_the_conversation_goes_on(alice: User, upstream: Upstream) -> None:
    first = await analyze(alice, REPORT)
    second = await alice.chat("And how old?", conversation_id=first.start["conversation_id"])

    assert used(first) == used(second) == [("bridge.pdf", "whole")]
    for call in upstream.calls:
        assert "built in 1932" in prompt(call)
        assert "503 metres long" in prompt(call)
    assert "summarize" in prompt(upstream.calls[0])


async def test_a_scan_is_shown_as_it_is_then_as_pictures_and_refused_to_who_sees_nothing(
    alice: User, upstream: Upstream
) -> None:
    scan = scanned()

    first = await analyze(alice, scan, model="openai/gpt-5")
    again = await analyze(alice, scan, model="openai/gpt-5")  # by now it is known to have no text
    later = await alice.chat("And how old?", conversation_id=first.start["conversation_id"])
    refused = await alice.http.post("/analyze/pdf", files={"file": ("scan.pdf", scan)})

    assert used(first) == used(again) == [("bridge.pdf", "pdf")]
    assert used(later) == [("bridge.pdf", "pages")]
    given = [call.body["messages"] for call in upstream.calls]
    assert [b64decode(given[n][-1]["content"][0]["file"]["file_data"].partition(",")[2]) for n in (0, 1)] == [scan] * 2
    (picture,) = [part for told in given[2] for part in told["content"] if "image_url" in part]
    assert b64decode(picture["image_url"]["url"].partition(",")[2]).startswith(b"\x89PNG")
    assert (refused.status_code, refused.json()["code"]) == (422, "no_text")


async def test_the_question_may_come_by_query(alice: User, upstream: Upstream) -> None:
    answer = await alice.http.post("/analyze/pdf?question=多长？", files={"file": ("bridge.pdf", REPORT)})

    assert answer.status_code == 200
    assert prompt(upstream.calls[0]).endswith("多长？")


async def test_the_same_key_is_the_same_answer(alice: User, upstream: Upstream) -> None:
    headers = {"Idempotency-Key": "once"}
    first, again = [
        await alice.http.post("/analyze/pdf", files={"file": ("b.pdf", REPORT)}, headers=headers) for _ in range(2)
    ]
    other = await alice.http.post(
        "/analyze/pdf", files={"file": ("b.pdf", REPORT)}, data={"question": "Why?"}, headers=headers
    )

    assert first.content == again.content
    assert len(upstream.calls) == 1
    assert other.json()["code"] == "idempotency_key_reused"


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 400, "not_a_pdf"),
        (b"# not a PDF", 400, "not_a_pdf"),
        (b"<html>%PDF-1.7</html>", 400, "not_a_pdf"),
        (b"PK\x03\x04" + bytes(100), 400, "not_a_pdf"),
        (b"%PDF-1.7\nnothing", 422, "damaged"),
        (locked("secret"), 422, "encrypted"),
    ],
    ids=["empty", "text", "html", "zip", "damaged", "encrypted"],
)
async def test_what_is_no_pdf_or_cannot_be_read_is_refused(
    alice: User, upstream: Upstream, data: bytes, status: int, code: str
) -> None:
    answer = await alice.http.post("/analyze/pdf", files={"file": ("b.pdf", data, "application/pdf")})

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert upstream.calls == []
    assert (await alice.http.get("/conversations")).json()["items"] == []


async def test_who_needs_a_password_that_is_empty_needs_none(alice: User) -> None:
    assert used(await analyze(alice, locked(""))) == [("bridge.pdf", "whole")]


async def test_bad_fields_are_told_as_such(alice: User) -> None:
    async def code(**fields: str) -> tuple[int, str]:
        answer = await alice.http.post("/analyze/pdf", files={"file": ("b.pdf", REPORT)}, data=fields)
        return answer.status_code, answer.json()["code"]

    assert await code(model="none-such") == (422, "unknown_model")
    assert await code(conversation_id="x") == (422, "validation_error")
    assert await code(conversation_id="01934a7e-0000-7000-8000-000000000000") == (404, "not_found")
    assert await code(question="q\0") == (422, "validation_error")
    missing = await alice.http.post("/analyze/pdf", data={"question": "q"})
    assert missing.status_code in (415, 422)


async def test_of_a_long_document_a_summary_is_made_from_all_over_it(alice: User, upstream: Upstream) -> None:
    word = "lorem ipsum dolor sit amet " * 3
    pages = [lines(f"Page {number} begins.", *[word] * 45) for number in range(1, 61)]

    stream = await analyze(alice, pdf(*pages))

    assert used(stream) == [("bridge.pdf", "excerpts")]
    said = prompt(upstream.calls[0])
    assert "Page 1 begins." in said
    assert any(f"Page {number} begins." in said for number in range(50, 61))
    assert stream.named("sources")[0]["sources"] == []


async def test_an_analysis_that_is_refused_leaves_nothing(alice: User, upstream: Upstream) -> None:
    missing = {"conversation_id": "01934a7e-0000-7000-8000-000000000000"}
    for data, fields in ((REPORT, missing), (REPORT, {"model": "none-such"}), (locked("secret"), {})):
        answer = await alice.http.post("/analyze/pdf", files={"file": ("b.pdf", data)}, data=fields)
        assert answer.status_code in (404, 422)

    assert (await alice.http.get("/files")).json()["items"] == []
    assert upstream.calls == []


async def test_a_file_that_others_ask_about_stays_when_one_is_refused(alice: User) -> None:
    scan = {"file": ("scan.pdf", scanned())}
    blind = asyncio.create_task(alice.http.post("/analyze/pdf", files=scan))
    while not blind.done() and not (await alice.http.get("/files")).json()["items"]:
        await asyncio.sleep(0.01)

    seeing = await alice.http.post("/analyze/pdf", files=scan, data={"model": "openai/gpt-5"})

    assert (await blind).json()["code"] == "no_text"
    assert used(Stream.of(seeing.content)) == [("scan.pdf", "pdf")]
    assert len((await alice.http.get("/files")).json()["items"]) == 1


async def test_a_repetition_makes_nothing_anew(alice: User, upstream: Upstream) -> None:
    headers = {"Idempotency-Key": "once"}
    first = await alice.http.post("/analyze/pdf", files={"file": ("b.pdf", REPORT)}, headers=headers)
    (file,) = (await alice.http.get("/files")).json()["items"]
    await alice.http.delete(f"/files/{file['id']}")

    again = await alice.http.post("/analyze/pdf", files={"file": ("b.pdf", REPORT)}, headers=headers)

    assert again.content == first.content
    assert (await alice.http.get("/files")).json()["items"] == []
    assert len(upstream.calls) == 1
