"""The sets of questions, each with the documents that answer them."""

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.domain.passages import Block, BlockKind, Page
from tests.eval.library import Document, Hit


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer is: in a document, or in these characters of it."""

    document: str
    span: tuple[int, int] | None = None

    def holds(self, hit: Hit) -> bool:
        inside = self.span is None or (hit.passage.start <= self.span[0] and self.span[1] <= hit.passage.end)
        return hit.document == self.document and inside


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    places: Sequence[Place]

    def is_answered_by(self, hit: Hit) -> bool:
        return any(place.holds(hit) for place in self.places)


@dataclass(frozen=True, slots=True)
class Set:
    name: str
    documents: Sequence[Document]
    questions: Sequence[Question]


def paragraphs(folder: Path, name: str) -> Set:
    """Each paragraph a document of its own, under the title of its article."""
    corpus = _lines(folder / name / "corpus.jsonl.gz")
    documents = [_document(line["id"], line.get("title", ""), [line["text"]]) for line in corpus]
    return Set(name, documents, list(_questions(folder / name)))


def parallel(folder: Path) -> Sequence[Set]:
    """XQuAD: paragraphs in both languages together; the right one is that in the question's."""
    documents = [_document(line["id"], "", [line["text"]]) for line in _lines(folder / "xquad" / "corpus.jsonl.gz")]
    lines = _lines(folder / "xquad" / "questions_dev.jsonl.gz")

    def asked(language: str) -> Iterator[Question]:
        for line in lines:
            gold = [Place(each) for each in line["gold"] if each.endswith(f"-{language}")]
            yield Question(line[f"question_{language}"], gold)

    return [Set(f"xquad {language}", documents, list(asked(language))) for language in ("en", "zh")]


def articles(folder: Path, name: str = "squad") -> Set:
    """The paragraphs of each title as one Markdown file; only the answer in its place is a hit."""
    lines = _lines(folder / name / "corpus.jsonl.gz")
    titles = {line["id"]: line["title"] for line in lines}
    texts = {line["id"]: line["text"] for line in lines}
    documents: list[Document] = []
    starts: dict[str, int] = {}
    for title in dict.fromkeys(titles.values()):
        own = [each for each in titles if titles[each] == title]
        document = _document(title, title, [texts[each] for each in own], heading=f"# {title}")
        starts |= {each: block.start for each, block in zip(own, document.pages[0].blocks[1:], strict=True)}
        documents.append(document)

    def asked() -> Iterator[Question]:
        for line in _lines(folder / name / "questions_dev.jsonl.gz"):
            spans = [
                (titles[gold], starts[gold] + texts[gold].index(answer), len(answer))
                for gold in line["gold"]
                for answer in line["answers"]
                if answer in texts[gold]
            ]
            yield Question(line["question"], [Place(title, (at, at + length)) for title, at, length in spans])

    return Set("long documents", documents, list(asked()))


def unanswerable(folder: Path) -> Sequence[str]:
    """Questions that are near to a paragraph of `squad` and answered by none."""
    path = folder / "squad2" / "noanswer_dev.jsonl.gz"
    return [line["question"] for line in _lines(path)] if path.exists() else []


def _questions(folder: Path) -> Iterator[Question]:
    for line in _lines(folder / "questions_dev.jsonl.gz"):
        yield Question(line["question"], [Place(gold) for gold in line["gold"]])


def _document(name: str, title: str, paragraphs: Sequence[str], heading: str = "") -> Document:
    blocks: list[Block] = []
    text = ""
    for part in filter(None, (heading, *paragraphs)):
        text += "\n\n" if text else ""
        kind = BlockKind.HEADING if part == heading else BlockKind.PARAGRAPH
        blocks.append(Block(kind, len(text), len(text) + len(part), level=int(part == heading)))
        text += part
    return Document(name, title, [Page(1, text, blocks)])


def _lines(path: Path) -> list[Any]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
