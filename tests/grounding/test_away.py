"""What answers from documents need is away, late or talks nonsense: refused in time, or answered without it."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.accounts.signing import is_problem
from tests.backend import User
from tests.conftest import Serve
from tests.grounding.library import PUMP, ask, read, sources, upload
from tests.parsing.pdfs import lines, pdf
from tests.qdrant_server import QdrantServer
from tests.rag.test_away import FAULTS
from tests.upstream import Answer, Upstream

WARRANTY = "How long is the warranty of the filter F3?"


@pytest.fixture
def qdrant(tmp_path: Path) -> Iterator[QdrantServer]:
    folder = tmp_path / "qdrant"
    folder.mkdir()
    with QdrantServer(folder) as server:
        yield server


@pytest.fixture
async def alice(serve: Serve, qdrant: QdrantServer) -> User:
    return await (await serve(qdrant_url=qdrant.url, qdrant_timeout=1)).user()


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_question_is_refused_before_it_is_stored_and_chats_go_on(
    alice: User, upstream: Upstream, qdrant: QdrantServer, fault: str
) -> None:
    await read(alice, "house", manual=PUMP)
    qdrant.answer_with(**FAULTS[fault])
    posts: tuple[tuple[str, dict[str, Any]], ...] = (
        ("/rag/query", {"question": WARRANTY, "collection": "house"}),
        ("/ai/chat/stream", {"message": WARRANTY, "collection": "house"}),
        ("/ai/chat", {"message": WARRANTY, "collection": "house"}),
    )
    began = time.monotonic()
    for answer in await asyncio.gather(*(alice.http.post(path, json=body) for path, body in posts)):
        is_problem(answer, 503, "rag_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
    assert time.monotonic() - began < 10
    assert (await alice.http.get("/conversations")).json()["items"] == []
    assert upstream.calls == []
    assert (await alice.chat("Hello")).done["status"] == "complete"
    assert (await alice.http.get("/rag/collections")).json()["items"][0]["documents"] == 1


async def test_a_second_search_that_is_late_costs_no_answer(
    alice: User, upstream: Upstream, qdrant: QdrantServer
) -> None:
    await read(alice, "house", manual=PUMP)
    rewritten = Answer(("How often is the filter F3 rinsed?",), hold=True)
    upstream.script([Answer(("Five years [1].",)), rewritten, Answer(("Monthly [1].",))])
    first = await ask(alice, WARRANTY)
    conversation_id = first.start["conversation_id"]
    asking = asyncio.create_task(ask(alice, "And the filter, how often?", conversation_id=conversation_id))
    await upstream.requested(2)
    qdrant.answer_with(delay=60)
    await upstream.finish()
    second = await asking
    assert (second.text, second.done["status"]) == ("Monthly [1].", "complete")
    assert sources(second)["sources"][0]["title"] == "manual"


async def test_a_long_file_that_cannot_be_searched_is_told_as_unread(
    alice: User, upstream: Upstream, qdrant: QdrantServer
) -> None:
    words = "lorem ipsum dolor sit amet " * 3
    file_id = await upload(alice, "long.pdf", pdf(*(lines(f"Page {n}.", *[words] * 45) for n in range(1, 61))))
    before = await alice.chat("Where does lorem stand?", file_ids=[file_id])
    assert [each["used"] for each in before.named("sources")[0]["files"]] == ["excerpts"]
    qdrant.answer_with(**FAULTS["500"])
    stream = await alice.chat("Where does lorem stand?", file_ids=[file_id])
    (told,) = stream.named("sources")
    assert [(each["used"], each["reason"]) for each in told["files"]] == [("unread", "rag_unavailable")]
    assert stream.done["status"] == "complete"
