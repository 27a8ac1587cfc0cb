"""What a client is told of sources: always one block that fits a send, and always true."""

import json
from typing import Any

import pytest

from app.domain.documents import Chunk, FoundChunk
from app.domain.findings import Findings, Hit, Quote
from app.domain.sources import UsedFile, payload, shown, together

ID = "01934a7e-0000-7000-8000-000000000000"


def findings(count: int, text: str, title: str = "Handbuch") -> Findings:
    chunk = Chunk(ID, ID, 1, 3, 10, 10 + len(text), text, (), "")
    found = FoundChunk(chunk, ID, title, ID, "application/pdf")
    return Findings([Hit(found, 0.51239, Quote(10, 10 + len(text), text))] * count, answerable=True, confidence=0.98765)


def told(*given: Any) -> dict[str, Any]:
    encoded = payload(*given)
    assert len(encoded) <= 3950
    assert not any(each in encoded.decode() for each in "\r\n\x85\u2028\u2029")
    decoded: dict[str, Any] = json.loads(encoded)
    return decoded


def test_a_source_says_where_it_stands() -> None:
    said = told(findings(2, "Die Garantie gilt zwei Jahre."))
    assert said["answerable"] is True
    assert said["confidence"] == 0.988
    assert [source["n"] for source in said["sources"]] == [1, 2]
    assert said["sources"][0] == {
        "n": 1,
        "title": "Handbuch",
        "score": 0.5124,
        "page": 3,
        "start": 10,
        "end": 39,
        "quote": "Die Garantie gilt zwei Jahre.",
        "file_id": ID,
        "document_id": ID,
        "chunk_id": ID,
    }


@pytest.mark.parametrize("text", ["保修" * 300, 'a "quoted" \\ word ' * 40, "😀" * 400, "\u2028\x85" * 200])
@pytest.mark.parametrize("count", [1, 6, 10, 20, 40])
@pytest.mark.parametrize(
    ("files", "collections", "most"), [(0, 1, 20), (0, 20, 20), (5, 1, 20), (20, 0, 10), (20, 1, 9), (20, 20, 3)]
)
def test_many_long_ones_fit_into_one_block_and_stay_word_for_word(
    text: str, count: int, files: int, collections: int, most: int
) -> None:
    attached = [UsedFile(ID, "\x01" + text, "unread", "model_sees_no_images")] * files
    some = shown(findings(count, text, title=text), attached, [ID] * collections)
    sources = told(some, attached, [ID] * collections)["sources"]
    assert len(sources) >= min(count, most)
    assert len(sources) <= 20
    for source in sources:
        assert text.startswith(source["quote"])
        if "end" in source:
            assert source["end"] - source["start"] == len(source["quote"])


def test_what_files_say_is_told_beside_however_much_collections_say() -> None:
    files = [UsedFile(ID, "plan.pdf", "passages")]
    found = shown(together(findings(20, "a", "A"), findings(2, "b", "B")), files, [ID])
    assert [source["title"] for source in told(found, files, [ID])["sources"]] == ["A", "B", "A", "B", *"A" * 16]


def test_files_are_told_beside_them() -> None:
    files = [UsedFile(ID, "plan.pdf", "whole"), UsedFile(ID, "x.png", "unread", "model_sees_no_images")]
    assert told(None, files) == {
        "sources": [],
        "files": [
            {"file_id": ID, "name": "plan.pdf", "used": "whole"},
            {"file_id": ID, "name": "x.png", "used": "unread", "reason": "model_sees_no_images"},
        ],
    }
