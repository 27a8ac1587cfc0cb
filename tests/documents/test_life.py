"""Jobs are followed, cancelled, done anew; what is deleted is gone; what one process was at, the next goes on with."""

import asyncio
import io
import json
import signal
import zipfile
from pathlib import Path

import pytest

from tests.accounts.signing import is_problem
from tests.backend import Backend, Process, User
from tests.conftest import Serve
from tests.documents.papers import NOTES, add, added, ids, job, job_reached, reached, ready, report
from tests.documents.rows import OF_DOCUMENTS, counts, pages_twice
from tests.files.sending import on_disk, uploaded

LONG = 600
"""Pages that are not read at once."""


@pytest.fixture
async def alice(backend: Backend) -> User:
    return await backend.user("alice")


async def begun(user: User, job_id: str) -> None:
    """Until some of it is stored."""
    async with asyncio.timeout(30):
        while not (await job(user, job_id))["pages_done"]:
            await asyncio.sleep(0.01)


async def test_what_is_cancelled_stays_so_until_it_is_done_anew(alice: User, database_kind: str) -> None:
    (document,) = await added(alice, ("long.pdf", report(LONG)))
    await begun(alice, document["job_id"])
    assert (await alice.http.delete(f"/jobs/{document['job_id']}")).status_code == 204
    cancelled = await job(alice, document["job_id"])
    assert (cancelled["status"], cancelled["error"]) == ("cancelled", None)
    assert (await reached(alice, document["document_id"], "cancelled"))["chunks"] == 0
    await asyncio.sleep(0.5)
    assert await job(alice, document["job_id"]) == cancelled
    assert (await alice.http.delete(f"/jobs/{document['job_id']}")).status_code == 204
    again = await alice.http.post(f"/jobs/{document['job_id']}/retry")
    assert (again.status_code, again.json()["id"]) == (202, document["job_id"])
    told = await ready(alice, document["document_id"], within=60)
    assert told["pages"] == LONG
    done = await job(alice, document["job_id"])
    assert (await alice.http.post(f"/jobs/{document['job_id']}/retry")).json() == done
    assert (await alice.http.delete(f"/jobs/{document['job_id']}")).status_code == 204
    assert (await job(alice, document["job_id"]))["status"] == "complete"


async def test_a_job_is_followed_to_its_end_and_told_again_afterwards(alice: User) -> None:
    (document,) = await added(alice, ("long.pdf", report(LONG)))
    path = f"/jobs/{document['job_id']}/events"
    async with asyncio.timeout(60):
        first, second = await asyncio.gather(alice.http.get(path, timeout=60), alice.http.get(path, timeout=60))
    for answer in (first, second, await alice.http.get(path)):
        assert answer.headers["content-type"].startswith("text/event-stream")
        blocks = answer.text.removesuffix("\n\n").split("\n\n")
        assert json.loads(blocks[-1].removeprefix("data: ")) == {"done": True, "status": "complete"}
        assert blocks[-2].startswith("event: progress\ndata: ")
        last = json.loads(blocks[-2].partition("data: ")[2])
        assert (last["status"], last["pages_done"], last["page_count"]) == ("complete", LONG, LONG)


async def test_followers_hear_that_a_document_was_deleted(alice: User) -> None:
    (document,) = await added(alice, ("long.pdf", report(LONG)))
    following = asyncio.create_task(alice.http.get(f"/jobs/{document['job_id']}/events", timeout=60))
    await begun(alice, document["job_id"])
    assert (await alice.http.delete(f"{NOTES}/{document['document_id']}")).status_code == 204
    assert '"status":"cancelled"' in (await following).text
    is_problem(await alice.http.get(f"/jobs/{document['job_id']}/events"), 404, "not_found")


@pytest.mark.parametrize("moment", ["while it is read", "when it is ready"])
async def test_a_deleted_document_leaves_nothing(
    alice: User, database_kind: str, database_url: str, tmp_path: Path, moment: str
) -> None:
    (document,) = await added(alice, ("report.pdf", report(LONG if "while" in moment else 5)))
    if "while" in moment:
        await begun(alice, document["job_id"])
    else:
        await ready(alice, document["document_id"])
    assert (await alice.http.delete(f"{NOTES}/{document['document_id']}")).status_code == 204
    for path in (f"{NOTES}/{document['document_id']}", f"/jobs/{document['job_id']}"):
        is_problem(await alice.http.get(path), 404, "not_found")
        is_problem(await alice.http.delete(path), 404, "not_found")
    assert await counts(database_url) == {**dict.fromkeys(OF_DOCUMENTS, 0), "collections": 1}
    assert on_disk(tmp_path) == []
    assert not list((tmp_path / "tmp").iterdir())


async def test_a_deleted_collection_leaves_nothing(
    alice: User, database_kind: str, database_url: str, tmp_path: Path
) -> None:
    short = await added(alice, *((f"{number}.txt", f"Number {number}.".encode()) for number in range(5)))
    (long,) = await added(alice, ("long.pdf", report(LONG)))
    await ready(alice, ids(short)[0])
    kept = await uploaded(alice, b"Number 3.")
    assert (await alice.http.delete("/rag/collections/notes")).status_code == 204
    for path in (NOTES, f"{NOTES}/{ids(short)[0]}", f"/jobs/{long['job_id']}"):
        is_problem(await alice.http.get(path), 404, "not_found")
    assert await counts(database_url) == {**dict.fromkeys(OF_DOCUMENTS, 0), "files": 1}
    assert [path.name for path in on_disk(tmp_path)] == [kept["id"]]
    (again,) = await added(alice, ("a.txt", b"Number 1."))
    assert (await ready(alice, again["document_id"]))["pages"] == 1


async def test_a_closed_account_leaves_nothing(
    backend: Backend, alice: User, database_kind: str, database_url: str, tmp_path: Path
) -> None:
    documents = await added(alice, ("a.txt", b"Something."), ("long.pdf", report(LONG)))
    await ready(alice, documents[0]["document_id"])
    answer = await alice.http.request("DELETE", "/users/me")
    assert answer.status_code == 204, answer.text
    async with asyncio.timeout(20):
        while any((await counts(database_url)).values()) or on_disk(tmp_path):
            await asyncio.sleep(0.05)


async def test_the_export_tells_of_collections_and_documents(alice: User) -> None:
    (document,) = await added(alice, ("report.pdf", report(2)))
    told = await ready(alice, document["document_id"])
    answer = await alice.http.get("/users/me/export", timeout=60)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        (collection,) = json.loads(archive.read("collections.json"))
        (exported,) = json.loads(archive.read("documents.json"))
        assert f"files/{told['file_id']}/report.pdf" in archive.namelist()
    assert (collection["name"], collection["documents"]) == ("notes", 1)
    assert (exported["id"], exported["collection"], exported["pages"]) == (told["id"], "notes", 2)


async def test_a_file_that_is_deleted_leaves_its_document(alice: User) -> None:
    content = report(2)
    (document,) = await added(alice, ("report.pdf", content))
    told = await ready(alice, document["document_id"])
    assert (await alice.http.delete(f"/files/{told['file_id']}")).status_code == 204
    assert (await ready(alice, told["id"]))["file_id"] is None
    assert await added(alice, ("report.pdf", content)) == [document]
    assert (await ready(alice, told["id"]))["file_id"] is not None
    assert (await alice.http.delete(f"{NOTES}/{told['id']}")).status_code == 204
    assert (await alice.http.get("/files")).json()["items"] == []


async def test_nobody_else_sees_any_of_it(backend: Backend, alice: User, database_kind: str) -> None:
    (document,) = await added(alice, ("report.pdf", report(2)))
    await ready(alice, document["document_id"])
    bob = await backend.user("bob")
    job_path = f"/jobs/{document['job_id']}"
    for method, path in (
        ("GET", NOTES),
        ("GET", f"{NOTES}/{document['document_id']}"),
        ("DELETE", f"{NOTES}/{document['document_id']}"),
        ("DELETE", "/rag/collections/notes"),
        ("GET", job_path),
        ("GET", f"{job_path}/events"),
        ("DELETE", job_path),
        ("POST", f"{job_path}/retry"),
    ):
        is_problem(await bob.http.request(method, path), 404, "not_found")
    await added(bob, ("mine.txt", b"Bob's."))
    for method in ("GET", "DELETE"):
        is_problem(await bob.http.request(method, f"{NOTES}/{document['document_id']}"), 404, "not_found")
    assert (await bob.http.get("/rag/collections")).json()["items"][0]["documents"] == 1
    assert (await ready(alice, document["document_id"]))["pages"] == 2


async def test_what_a_process_was_at_when_it_ended_the_next_goes_on_with(
    serve: Serve, database_kind: str, database_url: str
) -> None:
    first = await serve()
    alice = await first.user("alice")
    (document,) = await added(alice, ("long.pdf", report(LONG)))
    await begun(alice, document["job_id"])
    await first.stop()
    again = await (await serve()).signed_up("alice")
    before = (await job(again, document["job_id"]))["pages_done"]
    assert before > 0
    assert (await ready(again, document["document_id"], within=60))["pages"] == LONG
    assert await pages_twice(database_url) == 0


async def test_a_killed_process_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'app.db'}"
    async with Process(tmp_path, url) as process:
        alice = await process.user("alice")
        (document,) = await added(alice, ("long.pdf", report(2 * LONG)))
        await begun(alice, document["job_id"])
        process.signal(signal.SIGKILL)
        await process.exited()
        await process.start()
        alice = await process.user("alice")
        assert (await job(alice, document["job_id"]))["pages_done"] > 0
        assert (await ready(alice, document["document_id"], within=60))["pages"] == 2 * LONG
    assert await pages_twice(url) == 0
    assert not list((tmp_path / "tmp").iterdir())


async def test_nobody_keeps_others_waiting(serve: Serve) -> None:
    """Alice's many do not come before Bob's one."""
    backend = await serve(ingest_at_once=2)
    alice, bob = await backend.user("alice"), await backend.user("bob")
    many = await added(alice, *((f"{number}.pdf", report(150)) for number in range(12)))
    (one,) = await added(bob, ("one.txt", b"Bob's."))
    await ready(bob, one["document_id"])
    waiting = [await job(alice, each["job_id"]) for each in many]
    assert any(each["status"] == "queued" for each in waiting)


async def test_nobody_has_more_under_way_than_one_may(serve: Serve, database_kind: str) -> None:
    backend = await serve(max_documents_under_way_per_user=3)
    alice = await backend.user("alice")
    many = [(f"{number}.pdf", report(LONG)) for number in range(4)]
    is_problem(await add(alice, *many), 429, "too_many_documents")
    assert (await alice.http.get("/rag/collections")).json()["items"] == []
    await added(alice, *many[:3])
    answer = await add(alice, many[3])
    is_problem(answer, 429, "too_many_documents")
    assert "retry-after" in answer.headers
    assert (await alice.http.delete("/rag/collections/notes")).status_code == 204
    await added(alice, many[3])


async def test_an_attached_file_is_read_out_of_sight(backend: Backend, alice: User) -> None:
    file = await uploaded(alice, report(2), "attached.pdf")
    user_id = (await alice.http.get("/users/me")).json()["id"]
    stored = await backend.house.files.get(user_id, file["id"])
    document = await backend.house.adding.attach(user_id, stored)
    settled = await backend.house.documents.settled(user_id, document.id, 20)
    assert (settled.status, settled.page_count) == ("ready", 2)
    assert (await backend.house.adding.attach(user_id, stored)).id == document.id
    assert (await alice.http.get("/rag/collections")).json()["items"] == []
    job_id = (await backend.house.database.now.jobs.find(user_id, document.id)).id  # type: ignore[union-attr]  # it is there
    assert (await job_reached(alice, job_id, "complete"))["document_id"] == document.id


async def test_a_job_that_its_owners_die_over_is_given_up(serve: Serve, database_kind: str) -> None:
    backend = await serve(ingest_at_once=1)
    alice = await backend.user("alice")
    await added(alice, ("long.pdf", report(LONG)))
    (document,) = await added(alice, ("deadly.txt", b"x"))
    for _ in range(6):
        async with backend.house.database.transaction() as tx:
            assert await tx.jobs.claim(document["job_id"], "somebody-who-dies", -1)
    assert (await job_reached(alice, document["job_id"], "failed", within=60))["error"]["code"] == "crashed"


async def test_who_has_lost_a_job_writes_nothing_more(serve: Serve, database_kind: str, database_url: str) -> None:
    backend = await serve()
    alice = await backend.user("alice")
    (document,) = await added(alice, ("long.pdf", report(LONG)))
    await begun(alice, document["job_id"])
    for _ in range(3):
        await backend.house.runner.begin()  # as if this process were another, and the first one dead
        await asyncio.sleep(0.05)
    told = await ready(alice, document["document_id"], within=60)
    assert (told["pages"], told["unreadable_count"]) == (LONG, 0)
    assert await pages_twice(database_url) == 0


async def test_followers_are_sent_elsewhere_when_a_server_ends(backend: Backend, alice: User) -> None:
    (document,) = await added(alice, ("long.pdf", report(LONG)))
    following = asyncio.create_task(alice.http.get(f"/jobs/{document['job_id']}/events", timeout=30))
    await begun(alice, document["job_id"])
    await backend.house.drain(0)
    blocks = (await following).text.removesuffix("\n\n").split("\n\n")
    assert blocks[-2:] == ["retry: 500", 'event: goodbye\ndata: {"reason": "ask_again"}']
