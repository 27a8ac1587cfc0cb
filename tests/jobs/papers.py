"""Documents that take their time to be read."""

import asyncio
import os
from typing import Any

from tests.backend import User
from tests.documents.papers import job
from tests.parsing.pdfs import FONT, assembled, lines, stream_of


def long_report(pages: int) -> bytes:
    """A PDF that is like no other; some fifty of its pages are read in a second."""
    mark = os.urandom(6).hex()
    said = (f"Line {number} of report {mark} tells of the harbour, of ships and of cargo" for number in range(55))
    shape = b"/MediaBox [0 0 600 800] /Resources << /Font << /F1 3 0 R >> >>"
    page = b"<< /Type /Page /Parent 2 0 R /Contents 5 0 R %b >>" % shape
    numbers = range(10, 10 + pages)
    kids = " ".join(f"{number} 0 R" for number in numbers)
    return assembled(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>".encode(),
            3: FONT,
            5: stream_of(lines(*said, size=10, y=760)),
        }
        | dict.fromkeys(numbers, page)
    )


async def midway(user: User, job_id: str, *, within: float = 30.0) -> dict[str, Any]:
    """The job once some of its pages are read, and not all."""
    async with asyncio.timeout(within):
        while not (found := await job(user, job_id))["pages_done"]:
            await asyncio.sleep(0.02)
    assert (found["status"], found["stage"]) == ("running", "reading"), found
    return found
