"""Uploads as clients send them, good ones and others."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.backend import Client, User

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]

BOUNDARY = b"x-boundary-x"
FORM = f"multipart/form-data; boundary={BOUNDARY.decode()}"
END = b"\r\n--" + BOUNDARY + b"--\r\n"
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\nstartxref\n0\n%%EOF\n"


def head(filename: str | bytes | None = "notes.txt", name: bytes = b"file") -> bytes:
    """What stands before the bytes of a file."""
    named = filename.encode() if isinstance(filename, str) else filename
    told = b'; filename="' + named + b'"' if named is not None else b""
    return b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="' + name + b'"' + told + b"\r\n\r\n"


def form(content: bytes, filename: str | bytes | None = "notes.txt", name: bytes = b"file") -> bytes:
    return head(filename, name) + content + END


async def upload(user: User, content: bytes, name: str = "notes.txt", **more: Any) -> httpx.Response:
    return await user.http.post("/files", files={"file": (name, content)}, **more)


async def uploaded(user: User, content: bytes, name: str = "notes.txt") -> dict[str, Any]:
    answer = await upload(user, content, name)
    assert answer.status_code == 201, answer.text
    file: dict[str, Any] = answer.json()
    return file


async def sent(user: User, body: bytes | Iterable[bytes], content_type: str = FORM, **headers: str) -> httpx.Response:
    """A body as it stands; in pieces it is sent chunked."""
    content = body if isinstance(body, bytes) else _one_by_one(iter(body))
    return await user.http.post("/files", content=content, headers={"Content-Type": content_type, **headers})


async def _one_by_one(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def content_of(user: User, file: dict[str, Any]) -> bytes:
    answer = await user.http.get(f"/files/{file['id']}/content")
    assert answer.status_code == 200, answer.text
    return answer.content


async def listed(user: User) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await user.http.get("/files")).json()["items"]
    return items


@asynccontextmanager
async def raw(client: Client, user: User, *headers: str, path: str = "/files") -> AsyncIterator[Connection]:
    """A connection on which the head of an upload was sent."""
    url = urlsplit(client.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    lines = (f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {user.token}", f"Content-Type: {FORM}")
    writer.write("\r\n".join((*lines, *headers, "", "")).encode())
    try:
        yield reader, writer
    finally:
        writer.close()


def on_disk(data_dir: Path) -> list[Path]:
    """Every file that is kept, or was left."""
    return within(data_dir / "files")


def within(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
