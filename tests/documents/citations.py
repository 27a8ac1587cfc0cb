"""Who opens what an answer cites: the page as it is stored, and the file itself, with programs of others."""

import re
from collections.abc import Sequence
from functools import cached_property
from io import BytesIO
from typing import Any

import pypdfium2
from pypdf import PdfReader
from sqlalchemy import select

from app.models.documents import document_pages
from tests.accounts.behind import rows
from tests.backend import User
from tests.documents.book import Fact, bare
from tests.grounding.library import sources
from tests.sse import Stream


class Opening:
    """Of a user who has brought this PDF into the collection."""

    def __init__(self, user: User, database_url: str, data: bytes, collection: str) -> None:
        self._user = user
        self._database_url = database_url
        self._data = data
        self._collection = collection
        self._other = PdfReader(BytesIO(data))

    async def answers(self, stream: Stream, fact: Fact) -> None:
        """The best source is where the fact stands, each source is true, and the answer names none beside them."""
        told = sources(stream)
        best, *others = told["sources"]
        assert (best["n"], best["page"]) == (1, fact.page)
        assert fact.key in bare(best["quote"])
        assert told["answerable"] is True
        assert self._pages_with(fact) == [fact.page]
        for source in (best, *others):
            await self._opens(source, fact.question)
        named = {int(number) for number in re.findall(r"\[(\d+)\]", stream.text)}
        assert named
        assert named <= {source["n"] for source in told["sources"]}
        answer = (await self._user.messages(stream.start["conversation_id"]))[-1]
        assert answer["sources"]["sources"] == told["sources"]

    async def _opens(self, source: dict[str, Any], question: str) -> None:
        """The quote stands on the page of the file, in the passage, and on the stored page to the character."""
        quote = bare(source["quote"])
        assert quote
        assert quote in self._pages[source["page"] - 1]
        assert quote in bare(self._other.pages[source["page"] - 1].extract_text())
        file = await self._user.http.get(f"/files/{source['file_id']}/content")
        assert file.content == self._data
        stored = await self._stored(source["document_id"], source["page"])
        assert stored[source["start"] : source["end"]] == source["quote"]
        passage = await self._passage(source, question)
        assert (passage["page"], passage["document_id"]) == (source["page"], source["document_id"])
        assert source["quote"] in passage["content"]
        assert passage["content"] in stored

    def _pages_with(self, fact: Fact) -> Sequence[int]:
        return [number for number, page in enumerate(self._pages, 1) if fact.key in page]

    @cached_property
    def _pages(self) -> Sequence[str]:
        with pypdfium2.PdfDocument(self._data) as opened:
            return [bare(page.get_textpage().get_text_bounded()) for page in opened]

    async def _stored(self, document_id: str, number: int) -> str:
        of_it = (document_pages.c.document_id == document_id) & (document_pages.c.number == number)
        (row,) = await rows(self._database_url, select(document_pages.c.text).where(of_it))
        return str(row["text"])

    async def _passage(self, source: dict[str, Any], question: str) -> dict[str, Any]:
        """The one that was cited, as it is found by the same question."""
        body = {"query": question, "collection": self._collection, "top_k": 50}
        found = (await self._user.http.post("/rag/search", json=body)).json()["results"]
        (passage,) = [each for each in found if each["chunk_id"] == source["chunk_id"]]
        return dict(passage)
