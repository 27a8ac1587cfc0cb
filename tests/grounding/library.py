"""What the tests of answers from documents share: documents that are ready, and questions to them."""

import asyncio
from typing import Any

from tests.backend import User
from tests.sse import Stream
from tests.upstream import Record

PUMP = (
    "# Pump P7\n\nThe pump P7 has a warranty of two years. It weighs twelve kilograms.\n\n"
    "# Filter F3\n\nThe filter F3 has a warranty of five years, and is rinsed each month.\n"
)
LEASE = "# 租赁合同\n\n租金为每月八千元，押金为两个月租金。租期自二零二六年一月一日起，为期三年。\n"


async def read(user: User, collection: str, /, **texts: str) -> dict[str, str]:
    """Documents of these titles and texts, once they can be found; answers their ids by title."""
    ids: dict[str, str] = {}
    for title, text in texts.items():
        answer = await user.http.post(f"/rag/collections/{collection}/documents", json={"title": title, "text": text})
        assert answer.status_code == 202, answer.text
        (added,) = answer.json()["documents"]
        ids[title] = added["document_id"]
        await done(user, added["job_id"])
    return ids


async def done(user: User, job_id: str, *, within: float = 30.0) -> dict[str, Any]:
    async with asyncio.timeout(within):
        while True:
            answer = await user.http.get(f"/jobs/{job_id}")
            assert answer.status_code == 200, answer.text
            job: dict[str, Any] = answer.json()
            if job["status"] not in ("queued", "running"):
                assert job["status"] == "complete", job
                return job
            await asyncio.sleep(0.1)


async def ask(user: User, question: str, collection: str | list[str] = "house", /, **body: Any) -> Stream:
    body = {"question": question, "collection": collection, **body}
    response = await user.http.post("/rag/query", json=body)
    assert response.status_code == 200, response.text
    return Stream.of(response.content)


def sources(stream: Stream) -> dict[str, Any]:
    """What a stream of `/rag/query` told of them: the first that `onmessage` gets."""
    told: dict[str, Any] = stream.messages[0].json
    assert "sources" in told
    return told


def prompt(call: Record) -> str:
    """The last message that a model was sent, as text."""
    content = call.body["messages"][-1]["content"]
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


async def upload(user: User, name: str, data: bytes) -> str:
    answer = await user.http.post("/files", files={"file": (name, data)})
    assert answer.status_code == 201, answer.text
    file_id: str = answer.json()["id"]
    return file_id
