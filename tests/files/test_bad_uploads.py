"""What is no upload, or not all of one: refused with a word, at once, and nothing of it is left."""

import asyncio
import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.accounts.signing import is_problem, sign_in
from tests.backend import PASSWORD, Backend, User
from tests.conftest import Serve
from tests.files.sending import BOUNDARY, END, FORM, form, head, listed, on_disk, raw, sent, upload, uploaded

MOST = 3 * 1024 * 1024
MIB = 1024 * 1024


@pytest.fixture
async def backend(serve: Serve) -> Backend:
    return await serve(max_upload_bytes=MOST)


@pytest.fixture
async def alice(backend: Backend) -> User:
    return await backend.user("alice")


PART = head("a.txt") + b"x\r\n"
BODIES = {
    "nothing": (b"", FORM, 400, "invalid_form"),
    "JSON": (b"{}", "application/json", 415, "unsupported_media_type"),
    "no type": (form(b"x"), "", 415, "unsupported_media_type"),
    "no boundary": (form(b"x"), "multipart/form-data", 400, "invalid_form"),
    "an endless boundary": (form(b"x"), f"multipart/form-data; boundary={'b' * 2000}", 400, "invalid_form"),
    "another boundary": (form(b"x"), "multipart/form-data; boundary=other", 400, "invalid_form"),
    "no part": (b"--" + BOUNDARY + b"--\r\n", FORM, 422, "validation_error"),
    "another field": (form(b"x", name=b"upload"), FORM, 422, "validation_error"),
    "a field without a filename": (form(b"x", None), FORM, 422, "validation_error"),
    "an empty filename": (form(b"x", ""), FORM, 422, "validation_error"),
    "an empty file": (form(b""), FORM, 422, "validation_error"),
    "two files": (PART + form(b"y"), FORM, 422, "validation_error"),
    "no end": (form(b"x" * 1000)[: -len(END)], FORM, 400, "invalid_form"),
    "half an end": (form(b"x" * 1000)[:-3], FORM, 400, "invalid_form"),
    "10,000 parts": (PART.replace(b'"file"', b'"x"') * 10_000 + END, FORM, 400, "invalid_form"),
    "a header of a megabyte": (b"--" + BOUNDARY + b"\r\nX-Long: " + b"x" * MIB + END, FORM, 400, "invalid_form"),
    "1,000 headers": (b"--" + BOUNDARY + b"\r\n" + b"X: y\r\n" * 1000 + END, FORM, 400, "invalid_form"),
    "a long preamble": (b"\r\n" + b"x" * MIB + form(b"x"), FORM, 400, "invalid_form"),
    "blanks after a delimiter": (head() + b"x\r\n--" + BOUNDARY + b" " * MIB + END, FORM, 400, "invalid_form"),
    "an endless field": (form(b"x" * 2 * MIB, None, b"other"), FORM, 413, "payload_too_large"),
}


@pytest.mark.parametrize("what", BODIES)
async def test_what_is_no_form_with_one_file_is_refused_and_leaves_nothing(
    alice: User, tmp_path: Path, what: str
) -> None:
    body, content_type, status, code = BODIES[what]
    began = time.process_time()
    is_problem(await sent(alice, body, content_type), status, code)
    assert time.process_time() - began < 3
    assert on_disk(tmp_path) == []
    assert await listed(alice) == []


def endless(total: int) -> Iterable[bytes]:
    yield head("big.bin")
    for _ in range(total // 65536):
        yield os.urandom(65536)
    yield END


async def test_a_file_is_cut_off_where_it_gets_too_large_whatever_was_said_of_its_length(
    backend: Backend, alice: User, tmp_path: Path
) -> None:
    assert (await upload(alice, b"x" * MOST)).status_code == 201
    kept = on_disk(tmp_path)
    is_problem(await upload(alice, b"x" * (MOST + 1)), 413, "payload_too_large")  # told by its length, and over by one
    is_problem(await sent(alice, endless(MOST + MIB // 2)), 413, "payload_too_large")  # chunked: nothing is told
    async with raw(backend, alice, f"Content-Length: {100 * MIB}") as (reader, _):  # nothing of it is awaited
        assert b" 413 " in await asyncio.wait_for(reader.readline(), 10)
    async with raw(backend, alice, "Content-Length: -1") as (reader, _):
        assert b" 400 " in await asyncio.wait_for(reader.readline(), 10)
    assert on_disk(tmp_path) == kept


@pytest.mark.parametrize("count", [0, 1, 40])
async def test_a_client_that_leaves_in_the_middle_leaves_nothing(
    backend: Backend, alice: User, tmp_path: Path, count: int
) -> None:
    async with raw(backend, alice, f"Content-Length: {MOST}") as (_, writer):
        writer.write(head() + os.urandom(65536) * count)
        await writer.drain()
        async with asyncio.timeout(10):
            while count and not on_disk(tmp_path):
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)
    async with asyncio.timeout(10):
        while on_disk(tmp_path):
            await asyncio.sleep(0.05)
    assert await listed(alice) == []


async def test_uploads_of_one_content_at_once_make_one_file(serve: Serve, tmp_path: Path, database_kind: str) -> None:
    alice = await (await serve()).user("alice")
    content = os.urandom(700_000)
    answers = await asyncio.gather(*(upload(alice, content, f"{number}.bin") for number in range(12)))
    assert [answer.status_code for answer in answers] == [201] * 12
    assert len({answer.text for answer in answers}) == 1
    assert len(on_disk(tmp_path)) == len(await listed(alice)) == 1


async def test_nobody_keeps_more_than_the_quota(serve: Serve, database_kind: str, tmp_path: Path) -> None:
    alice = await (await serve(max_storage_bytes_per_user=2_000)).user("alice")
    first = await uploaded(alice, b"1" * 1_000)
    answers = await asyncio.gather(*(upload(alice, bytes([65 + number]) * 900) for number in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 413, 413, 413]
    is_problem(next(each for each in answers if each.status_code == 413), 413, "storage_quota_exceeded")
    assert (await upload(alice, b"1" * 1_000)).json() == first  # which takes no room
    assert len(on_disk(tmp_path)) == 2
    await alice.http.delete(f"/files/{first['id']}")
    assert (await upload(alice, b"2" * 1_000)).status_code == 201


async def test_a_repeated_request_gets_the_first_file(alice: User, database_kind: str) -> None:
    key = {"Idempotency-Key": "once"}
    first = (await upload(alice, b"one", headers=key)).json()
    assert (await upload(alice, b"one", headers=key)).json() == first
    is_problem(await upload(alice, b"two", headers=key), 422, "idempotency_key_reused")
    is_problem(await upload(alice, b"one", "other.txt", headers=key), 422, "idempotency_key_reused")
    assert await listed(alice) == [first]


async def test_who_is_signed_out_while_a_file_comes_keeps_nothing(
    backend: Backend, alice: User, tmp_path: Path
) -> None:
    stolen = await sign_in(backend, alice)
    thief = User(backend.url, stolen.bearer["Authorization"].removeprefix("Bearer "), alice.email)
    body = form(b"x" * 1000)
    async with raw(backend, thief, f"Content-Length: {len(body)}") as (reader, writer):
        writer.write(body[:-10])
        await asyncio.sleep(0.7)
        change = {"password": "another password 二", "current_password": PASSWORD}
        assert (await alice.http.patch("/users/me", json=change)).status_code == 200
        writer.write(body[-10:])
        assert b" 401 " in await asyncio.wait_for(reader.readline(), 10)
    await thief.http.aclose()
    assert await listed(alice) == []
    assert on_disk(tmp_path) == []


async def test_a_form_in_single_bytes_is_a_form(alice: User) -> None:
    content = b"\r\n--" + BOUNDARY[:-1] + b"\r\n--\r\n" * 20
    body = form(content)
    answer = await sent(alice, (body[at : at + 1] for at in range(len(body))))
    assert answer.json()["sha256"] == hashlib.sha256(content).hexdigest()
