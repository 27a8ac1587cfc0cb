"""What a client is told of that an answer is made from, as the payload of one event."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from app.domain.findings import Findings, Hit

_MOST = 3950
"""Bytes: an event becomes one block of a stream, with some 80 around it, and one send holds whole blocks of 4 KiB at
most."""
_SIZES = ((400, 120), (240, 120), (160, 100), (100, 80), (60, 60), (30, 40), (15, 30))
"""Characters of a quote and of a title, from what is good to what still says something."""
_LEAST = ((60, 40), (30, 20), (15, 10), (0, 0))
"""The same of sources that are told without ids of their own, until all fits."""
MOST = 20
"""Sources, or files, that fit."""


@dataclass(frozen=True, slots=True)
class UsedFile:
    """What became of a file that was attached: `used` is `whole`, `excerpts`, `passages`, `image`, `pdf`, `pages` or
    `unread`; for the last, `reason` is a stable word."""

    file_id: str
    name: str
    used: str
    reason: str | None = None


def payload(findings: Findings | None, files: Sequence[UsedFile] = (), collection_ids: Sequence[str] = ()) -> bytes:
    """Sources are numbered from 1, in the order of the hits; quotes and titles are shortened until all fits, which what
    `shown` leaves of the hits does beside the same files and collections. The collections that were searched are told
    too, 20 at most: another answer to the same question is to be from them, whatever was found."""
    encoded = b""
    for whole, (quote, title) in [*((True, each) for each in _SIZES), *((False, each) for each in _LEAST)]:
        encoded = _encoded(findings, files, collection_ids, quote, title, whole=whole)
        if len(encoded) <= _MOST:
            break
    return encoded


def shown(findings: Findings, files: Sequence[UsedFile], collection_ids: Sequence[str]) -> Findings:
    """As much of what was found as can be told beside these, and so is to be numbered."""
    least = replace(findings, hits=findings.hits[:MOST])
    while least.hits and len(_encoded(least, files, collection_ids, *_LEAST[-1], whole=False)) > _MOST:
        least = replace(least, hits=least.hits[:-1])
    return least


def together(found: Findings, within: Findings) -> Findings:
    """What was found in collections, and in files beside them, by turns: however much can be told, it is of both."""
    return Findings(
        [hit for pair in zip_longest(found.hits, within.hits) for hit in pair if hit is not None],
        answerable=found.answerable or within.answerable,
        confidence=max(found.confidence, within.confidence),
    )


def _encoded(
    findings: Findings | None,
    files: Sequence[UsedFile],
    collection_ids: Sequence[str],
    quote: int,
    title: int,
    *,
    whole: bool,
) -> bytes:
    hits = findings.hits if findings is not None else ()
    told: dict[str, object] = {
        "sources": [_source(number, hit, quote, title, whole=whole) for number, hit in enumerate(hits, 1)]
    }
    if findings is not None:
        told |= {"answerable": findings.answerable, "confidence": round(findings.confidence, 3)}
    if files:
        told["files"] = [_file(each, title) for each in files]
    if collection_ids:
        told["collections"] = list(collection_ids)
    return _one_line(json.dumps(told, ensure_ascii=False)).encode()


def _source(number: int, hit: Hit, quote: int, title: int, *, whole: bool) -> Mapping[str, object]:
    found, said = hit.found, hit.quote.text[:quote]
    least = {
        "n": number,
        "title": found.title[:title],
        "score": round(hit.score, 4),
        "page": found.chunk.page,
        "quote": said,
        "file_id": found.file_id,
    }
    if not whole:
        return least
    place = {"start": hit.quote.start, "end": hit.quote.start + len(said)}
    return {**least, **place, "document_id": found.chunk.document_id, "chunk_id": found.chunk.id}


def _file(file: UsedFile, title: int) -> Mapping[str, object]:
    told = {"file_id": file.file_id, "name": _printable(file.name[:title]), "used": file.used}
    return told if file.reason is None else {**told, "reason": file.reason}


def _printable(name: str) -> str:
    """An imported one may hold what takes six bytes each to spell."""
    return "".join(each if each.isprintable() else " " for each in name)


def _one_line(text: str) -> str:
    """For readers that split lines at Unicode's separators, too."""
    for separator in "\x85\u2028\u2029":
        text = text.replace(separator, f"\\u{ord(separator):04x}")
    return text
