"""Requests that meet: equal ones make one document, and one that adds what another deletes gets what it asked for."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

from tests.backend import Backend, User
from tests.documents.papers import NOTES, add, added, ids, reached, ready, report
from tests.documents.rows import OF_DOCUMENTS, counts
from tests.files.sending import on_disk


@pytest.fixture
async def alice(backend: Backend) -> User:
    return await backend.user("alice")


async def test_equal_requests_at_once_make_one_document(
    alice: User, database_kind: str, database_url: str, tmp_path: Path
) -> None:
    content = report(2)
    found = await asyncio.gather(*(added(alice, (f"{number}.pdf", content)) for number in range(8)))
    assert len({each["document_id"] for documents in found for each in documents}) == 1
    await ready(alice, found[0][0]["document_id"])
    assert await counts(database_url, "collections", "documents", "jobs", "files") == dict.fromkeys(
        ("collections", "documents", "jobs", "files"), 1
    )
    assert len(on_disk(tmp_path)) == 1


async def test_equal_keys_at_once_have_one_outcome(alice: User, database_kind: str) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    content = report(1)
    found = await asyncio.gather(*(added(alice, ("a.pdf", content), headers=key) for _ in range(5)))
    assert all(each == found[0] for each in found)
    answers = await asyncio.gather(
        *(alice.http.post("/rag/collections", json={"name": "x"}, headers=key) for _ in range(5))
    )
    assert {each.status_code for each in answers} == {201}
    assert len({each.json()["id"] for each in answers}) == 1


async def test_adding_and_deleting_at_once_never_fail(
    alice: User, database_kind: str, database_url: str, tmp_path: Path
) -> None:
    content = report(1)

    async def add_and_delete() -> None:
        for _ in range(6):
            answer = await add(alice, ("a.pdf", content))
            assert answer.status_code == 202, answer.text
            await _deleted(alice, f"{NOTES}/{answer.json()['documents'][0]['document_id']}")

    async def upload() -> None:
        for _ in range(6):
            answer = await alice.http.post("/files", files={"file": ("a.pdf", content)})
            assert answer.status_code == 201, answer.text
            await _deleted(alice, f"/files/{answer.json()['id']}")

    await asyncio.gather(*(add_and_delete() for _ in range(3)), upload())
    assert (await alice.http.delete("/rag/collections/notes")).status_code == 204
    async with asyncio.timeout(20):
        while await counts(database_url) != dict.fromkeys(OF_DOCUMENTS, 0) or on_disk(tmp_path):
            await asyncio.sleep(0.05)


async def test_a_collection_that_is_deleted_while_it_grows_is_gone_or_made_anew(
    alice: User, database_kind: str
) -> None:
    async def grow() -> list[str]:
        found: list[str] = []
        for number in range(5):
            found += ids(await added(alice, (f"{number}.txt", f"{uuid4()} {number}".encode())))
        return found

    async def drop() -> None:
        for _ in range(4):
            assert (await alice.http.delete("/rag/collections/notes")).status_code in (204, 404)
            await asyncio.sleep(0.05)

    await asyncio.gather(grow(), grow(), drop())
    answer = await alice.http.get(NOTES)
    assert answer.status_code in (200, 404)
    for each in answer.json().get("items", ()):
        await reached(alice, each["id"], "ready")


async def _deleted(alice: User, path: str) -> None:
    """A server that has to choose between two who lock each other out has one of them come back: 503."""
    async with asyncio.timeout(10):
        while (answer := await alice.http.delete(path)).status_code == 503:
            assert answer.json()["code"] == "database_unavailable"
            await asyncio.sleep(0.05)
    assert answer.status_code in (204, 404), answer.text
