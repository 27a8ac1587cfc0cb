"""The whole way of a document, in a process of its own: brought, followed, asked, and each citation opened."""

from collections.abc import Sequence

from tests.backend import User
from tests.documents.book import FACTS, bare, book
from tests.documents.citations import Opening
from tests.documents.papers import added, ready
from tests.grounding.library import ask, prompt
from tests.process.conftest import Launch
from tests.sse import Event, blocks, parse
from tests.upstream import Answer, Upstream

PAGES = 160
SHELF = "/rag/collections/shelf/documents"


async def followed(user: User, job_id: str) -> Sequence[Event]:
    """All that is told of a job, from its beginning to its end."""
    async with user.http.stream("GET", f"/jobs/{job_id}/events", timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [event async for block in blocks(answer.aiter_bytes()) for event in parse(block + b"\n\n")]


def tells_progress(told: Sequence[Event]) -> None:
    steps = [event.json for event in told if event.name == "progress"]
    done = [step["pages_done"] for step in steps]
    assert done == sorted(done)
    assert (steps[-1]["status"], done[-1], steps[-1]["page_count"]) == ("complete", PAGES, PAGES)
    assert told[-1].json == {"done": True, "status": "complete"}


async def test_every_citation_opens_the_page_on_which_its_quote_stands(
    launch: Launch, upstream: Upstream, database_url: str
) -> None:
    data = book(PAGES)
    alice = await (await launch()).user()
    (document,) = await added(alice, ("A book 一本书.pdf", data), to=SHELF)
    tells_progress(await followed(alice, document["job_id"]))
    told = await ready(alice, document["document_id"], SHELF)
    assert (told["pages"], told["unreadable"], told["size"]) == (PAGES, [], len(data))
    opening = Opening(alice, database_url, data, "shelf")
    upstream.script(Answer(("So it says [1", "], and more [", "2][99].")))

    for fact in FACTS:
        quoted = await ask(alice, fact.question, "shelf", model="offline/responder")
        await opening.answers(quoted, fact)
        assert fact.key in bare(quoted.text)
        written = await ask(alice, fact.question, "shelf", model="openai/echo")
        await opening.answers(written, fact)
        assert written.text.startswith("So it says [1], and more ")

    assert len(upstream.calls) == len(FACTS)
    for fact, call in zip(FACTS, upstream.calls, strict=True):
        assert f'page="{fact.page}"' in prompt(call)
        assert fact.key in bare(prompt(call))
