"""What a prompt holds of documents: quoted as data, from which nothing in it gets out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.findings import Hit
from app.services.attachments import Whole
from app.services.grounded_wording import GroundedWording

# Bounded: what a hostile text repeats must not be looked through again from each place in it.
_TAG = re.compile(r"<(?=[\s/]{0,8}(?:sources?|files?)\b)", re.IGNORECASE)
_MARK = re.compile(r"[\[［【](\d{1,3}(?:\s{0,3}[,，、–-]\s{0,3}\d{1,3}){0,40})[\]］】]")
_LONGEST_TITLE = 200


@dataclass(frozen=True, slots=True)
class Material:
    """Passages that were found, None where nothing was searched, and texts that are shown whole."""

    hits: Sequence[Hit] | None
    texts: Sequence[Whole] = ()


def question_with(material: Material, question: str, wording: GroundedWording) -> str:
    """What is asked, behind what it is to be answered from; passages are numbered from 1."""
    parts: list[str] = []
    if material.texts:
        parts.append("\n".join(["<files>", *map(_file, material.texts), "</files>"]))
    if material.hits is not None:
        sources = [_source(number, hit) for number, hit in enumerate(material.hits, 1)] or [wording.none_found]
        parts.append("\n".join(["<sources>", *sources, "</sources>"]))
    if not parts:
        return question
    return "\n\n".join([*parts, f"{wording.question}\n{question}"])


def plain(text: str) -> str:
    """Text of a document, in which nothing can be taken for the end of a source or for a mark of ours."""
    return _MARK.sub(r"(\1)", _TAG.sub("‹", text))


def _source(number: int, hit: Hit) -> str:
    found = hit.found
    under = " > ".join(found.chunk.headings)
    about = {"title": found.title, "page": str(found.chunk.page), "under": under}
    told = "".join(f' {name}="{_attribute(value)}"' for name, value in about.items() if value)
    text = "\n".join(filter(None, (found.chunk.header, found.chunk.text)))
    return f'<source n="{number}"{told}>\n{plain(text)}\n</source>'


def _file(whole: Whole) -> str:
    # Its own brackets stay: no mark of ours is asked for here.
    return f'<file name="{_attribute(whole.name)}">\n{_TAG.sub("‹", whole.text)}\n</file>'


def _attribute(value: str) -> str:
    return plain(" ".join(value.split())[:_LONGEST_TITLE].replace('"', "'").replace("<", "‹").replace(">", "›"))
