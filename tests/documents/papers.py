"""Documents as clients add them, and what becomes of them."""

import asyncio
import os
from collections.abc import Sequence
from typing import Any

import httpx

from tests.backend import User
from tests.parsing.pdfs import lines, pdf

NOTES = "/rag/collections/notes/documents"
_PAUSE = 0.1
"""Between two looks: to look all the time took an eighth of what reading took."""


def report(pages: int, about: str = "the harbour") -> bytes:
    """A PDF that is like no other, each of whose pages says its number."""
    mark = os.urandom(6).hex()
    return pdf(
        *(
            lines(f"Report {mark}", f"Page {number} tells of {about} and of ship {number * 7}.")
            for number in range(1, pages + 1)
        )
    )


async def add(user: User, *files: tuple[str, bytes], to: str = NOTES, **more: Any) -> httpx.Response:
    return await user.http.post(to, files=[("files", each) for each in files], **more)


async def added(user: User, *files: tuple[str, bytes], to: str = NOTES, **more: Any) -> list[dict[str, str]]:
    answer = await add(user, *files, to=to, **more)
    assert answer.status_code == 202, answer.text
    documents: list[dict[str, str]] = answer.json()["documents"]
    return documents


async def shown(user: User, document_id: str, of: str = NOTES) -> dict[str, Any]:
    answer = await user.http.get(f"{of}/{document_id}")
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def reached(
    user: User, document_id: str, *statuses: str, of: str = NOTES, within: float = 30.0
) -> dict[str, Any]:
    """The document once it stands so."""
    async with asyncio.timeout(within):
        while (document := await shown(user, document_id, of))["status"] not in statuses:
            await asyncio.sleep(_PAUSE)
    return document


async def ready(user: User, document_id: str, of: str = NOTES, *, within: float = 30.0) -> dict[str, Any]:
    document = await reached(user, document_id, "ready", "failed", "cancelled", of=of, within=within)
    assert document["status"] == "ready", document
    return document


async def failed(user: User, document_id: str, of: str = NOTES) -> str:
    """With which code it failed."""
    document = await reached(user, document_id, "ready", "failed", "cancelled", of=of)
    assert document["status"] == "failed", document
    code: str = document["error"]["code"]
    return code


async def job(user: User, job_id: str) -> dict[str, Any]:
    answer = await user.http.get(f"/jobs/{job_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def job_reached(user: User, job_id: str, *statuses: str, within: float = 30.0) -> dict[str, Any]:
    async with asyncio.timeout(within):
        while (found := await job(user, job_id))["status"] not in statuses:
            await asyncio.sleep(_PAUSE)
    return found


def ids(documents: Sequence[dict[str, str]]) -> list[str]:
    return [each["document_id"] for each in documents]
