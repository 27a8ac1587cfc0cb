"""Documents are taken by their content, read, and told of; the same content is read once."""

from pathlib import Path
from uuid import uuid4

import pytest

from tests.accounts.signing import is_problem, new_key
from tests.backend import Backend, User
from tests.conftest import Serve
from tests.documents.papers import NOTES, add, added, failed, ids, job, reached, ready, report
from tests.files.places import settings_of
from tests.files.sending import on_disk, uploaded
from tests.parsing.pdfs import lines, pdf, stream_of
from tests.s3_server import S3Server


@pytest.fixture
async def alice(backend: Backend) -> User:
    return await backend.user("alice")


async def test_a_pdf_is_read_page_by_page_and_found_in_the_end(alice: User, database_kind: str) -> None:
    (document,) = await added(alice, ("Harbour report.pdf", report(3)))
    assert document["title"] == "Harbour report.pdf"
    told = await ready(alice, document["document_id"])
    assert (told["pages"], told["media_type"], told["error"]) == (3, "application/pdf", None)
    assert told["chunks"] >= 1
    assert told["characters"] > 100
    assert told["unreadable"] == []
    done = await job(alice, document["job_id"])
    assert (done["kind"], done["status"], done["pages_done"], done["page_count"]) == ("ingest", "complete", 3, 3)
    assert done["ended_at"] is not None
    listed = (await alice.http.get(NOTES)).json()["items"]
    assert [each["id"] for each in listed] == [document["document_id"]]
    (collection,) = (await alice.http.get("/rag/collections")).json()["items"]
    assert (collection["name"], collection["documents"]) == ("notes", 1)


async def test_a_text_is_a_document_too_with_a_file_of_its_own(alice: User) -> None:
    text = "# Returns\n\nGoods can be returned within 30 days.\n\n# 退货\n\n商品可在三十天内退回。"
    answer = await alice.http.post(NOTES, json={"title": "Returns 退货", "text": text})
    assert answer.status_code == 202, answer.text
    (document,) = answer.json()["documents"]
    told = await ready(alice, document["document_id"])
    assert (told["title"], told["media_type"], told["pages"]) == ("Returns 退货", "text/markdown", 1)
    file = (await alice.http.get(f"/files/{told['file_id']}")).json()
    assert file["name"] == "Returns 退货.md"
    assert (await alice.http.get(f"/files/{told['file_id']}/content")).text == text


async def test_the_same_content_again_is_the_same_document_and_job(alice: User, database_kind: str) -> None:
    content = report(2)
    (first,) = await added(alice, ("a.pdf", content))
    await ready(alice, first["document_id"])
    before = await job(alice, first["job_id"])
    (second,) = await added(alice, ("b.pdf", content))
    assert second == first
    assert await job(alice, first["job_id"]) == before
    assert ids(await added(alice, ("c.pdf", content), ("d.pdf", content))) == [first["document_id"]] * 2


async def test_one_content_is_a_document_in_each_collection_and_one_file(alice: User, tmp_path: Path) -> None:
    content = report(1)
    (one,) = await added(alice, ("a.pdf", content))
    (other,) = await added(alice, ("a.pdf", content), to="/rag/collections/other/documents")
    assert one["document_id"] != other["document_id"]
    files = {(await ready(alice, one["document_id"]))["file_id"]}
    files |= {(await ready(alice, other["document_id"], "/rag/collections/other/documents"))["file_id"]}
    assert len(files) == 1
    assert len(on_disk(tmp_path)) == 1


async def test_many_files_are_taken_at_once_each_under_its_name(alice: User) -> None:
    given = [(f"{number}.txt", f"Number {number} is here.".encode()) for number in range(20)]
    documents = await added(alice, *given)
    assert [each["title"] for each in documents] == [name for name, _ in given]
    for each in documents:
        await ready(alice, each["document_id"])


async def test_a_title_is_for_one_file(alice: User) -> None:
    (document,) = await added(alice, ("a.txt", b"Something."), data={"title": " The   title 标题 "})
    assert document["title"] == "The title 标题"
    two = (("a.txt", b"one"), ("b.txt", b"two"))
    is_problem(await add(alice, *two, data={"title": "Both"}), 422, "validation_error")
    is_problem(await add(alice, two[0], data={"title": "x" * 301}), 422, "validation_error")
    assert len((await alice.http.get(NOTES)).json()["items"]) == 1


async def test_what_is_no_document_is_refused_by_its_name_and_nothing_of_the_request_is_kept(
    alice: User, tmp_path: Path
) -> None:
    for name, content in (
        ("virus.pdf", b"MZ\x90\x00\x03" + bytes(200)),
        ("picture.pdf", b"\x89PNG\r\n\x1a\n" + bytes(50)),
        ("archive.docx", b"PK\x05\x06" + bytes(18)),
    ):
        answer = await add(alice, ("good.txt", b"Good."), (name, content))
        is_problem(answer, 415, "unsupported_document")
        assert name in answer.json()["detail"]
    assert (await alice.http.get("/rag/collections")).json()["items"] == []
    assert (await alice.http.get("/files")).json()["items"] == []
    assert on_disk(tmp_path) == []


async def test_each_document_that_cannot_be_read_says_why(alice: User) -> None:
    for content, name, code in (
        (b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\nstartxref\n0\n%%EOF\n", "broken.pdf", "damaged"),
        (pdf(b"", b""), "blank.pdf", "no_text"),
        (b"   \n \n", "white.txt", "empty"),
    ):
        (document,) = await added(alice, (name, content))
        assert await failed(alice, document["document_id"]) == code
        told = await job(alice, document["job_id"])
        assert (told["status"], told["error"]["code"]) == ("failed", code)


async def test_pages_that_cannot_be_read_are_named_and_the_rest_is_there(alice: User) -> None:
    picture = b"q 600 0 0 800 0 0 cm /Im Do Q"
    entries = "/Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8"
    image = stream_of(b"\x00", entries)
    content = pdf(lines("The first page."), picture, lines("The third page."), objects={900: image})
    (document,) = await added(alice, ("mixed.pdf", content))
    told = await ready(alice, document["document_id"])
    assert told["unreadable"] == [{"page": 2, "reason": "scanned"}]
    assert told["unreadable_count"] == 1
    assert (await alice.http.get(NOTES)).json()["items"][0]["unreadable_count"] == 1


async def test_what_failed_is_read_again_when_it_is_brought_again(alice: User) -> None:
    content = pdf(b"")
    (first,) = await added(alice, ("blank.pdf", content))
    await reached(alice, first["document_id"], "failed")
    before = await job(alice, first["job_id"])
    (second,) = await added(alice, ("blank.pdf", content))
    assert second == first
    await reached(alice, first["document_id"], "failed")
    assert (await job(alice, first["job_id"]))["ended_at"] > before["ended_at"]


async def test_a_key_that_was_used_gets_the_first_outcome(alice: User, database_kind: str) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    content = report(1)
    first = await added(alice, ("a.pdf", content), ("b.txt", b"Something else."), headers=key)
    assert await added(alice, ("a.pdf", content), ("b.txt", b"Something else."), headers=key) == first
    is_problem(await add(alice, ("a.pdf", content), headers=key), 422, "idempotency_key_reused")
    await alice.http.delete(f"{NOTES}/{first[0]['document_id']}")
    answer = await add(alice, ("a.pdf", content), ("b.txt", b"Something else."), headers=key)
    is_problem(answer, 404, "not_found")


async def test_documents_are_read_from_a_bucket_too(serve: Serve, tmp_path: Path) -> None:
    async with S3Server() as server:
        alice = await (await serve(**settings_of(server))).user("alice")
        (document,) = await added(alice, ("report.pdf", report(3)))
        assert (await ready(alice, document["document_id"]))["pages"] == 3
        assert (await alice.http.delete(f"{NOTES}/{document['document_id']}")).status_code == 204
        assert server.objects == {}
    assert not list((tmp_path / "tmp").iterdir())


async def test_a_key_needs_the_scope(backend: Backend, alice: User) -> None:
    for scopes, status in ((["files"], 403), (["rag"], 202)):
        key = await new_key(backend, dict(alice.http.headers), scopes=scopes)
        answer = await add(alice, ("a.txt", b"x"), headers={"Authorization": f"Bearer {key['key']}"})
        assert answer.status_code == status


async def test_a_file_that_came_as_a_document_is_kept_once_it_is_uploaded_for_itself(
    alice: User, tmp_path: Path
) -> None:
    (document,) = await added(alice, ("a.txt", b"The same."))
    told = await ready(alice, document["document_id"])
    file = await uploaded(alice, b"The same.", "again.txt")
    assert file["id"] == told["file_id"]
    assert (await alice.http.delete(f"{NOTES}/{told['id']}")).status_code == 204
    assert (await alice.http.get(f"/files/{file['id']}")).status_code == 200
    assert len(on_disk(tmp_path)) == 1
