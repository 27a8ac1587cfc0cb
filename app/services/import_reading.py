"""ConversationFiles read as they were sent by somebody: what is wrong with them, and what they are.

All of it runs in a thread: a long one takes a second. A busy thread gives the interpreter up after 5 ms only, and the
event loop asks for it several times with each request: so this one pauses by itself. With 30 MB on a busy machine the
slowest other request took 129 ms without that, and 22 ms with it.
"""

import hashlib
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Annotated, TypeVar

import msgspec

from app.core.errors import Finding, InvalidConversationFile, Malformed
from app.domain.chat import Author, Status
from app.domain.conversation_files import (
    MOST_MESSAGES,
    ConversationFile,
    ConversationPart,
    MessagePart,
    SourcesPart,
    encode,
)
from app.domain.trees import ordered
from app.repositories.base import now

T = TypeVar("T")

_MOST_FINDINGS = 50
_MOST_PARTS = 250_000
"""Objects in one file: 20,000 messages with all that they can have, and some thoughts each. 30 MB of tiny ones took
4 s and 250 MB to read."""
_PART = re.compile(rb'\{\s*"')
_SLICE = 64 * 1024
_BREATH = 32
"""Messages from one pause to the next."""
_PAUSE = 0.0001
_AHEAD = timedelta(days=1)
"""That another's clock may be of ours."""
_VALUE = "value_error"
_MORE = re.compile(r"Object contains unknown field `(?P<name>[^`]*)")
_KINDS = (
    # What msgspec says, what we say, and its word. Its own words may repeat what was sent.
    (
        re.compile(r"Object contains unknown field `(?P<name>[^`]*)"),
        "Extra inputs are not permitted",
        "extra_forbidden",
    ),
    (re.compile(r"Object missing required field `(?P<name>[^`]*)"), "Field required", "missing"),
    (re.compile(r"Invalid enum value "), "Input is not one of the values that are taken", _VALUE),
)
_AT = " - at `$"
_LONGEST_SAID = 200
"""Characters that are looked at of what msgspec says: a name of 30 MB kept the event loop waiting for 2 s."""
_NUL = "must not contain NUL characters"
_FUTURE = "It lies in the future"
_UNKNOWN = "No message of this file has this id"
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_OF_ANSWERS = ("reasoning", "model", "usage", "error", "feedback", "sources")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one message: a user's in characters, an answer in bytes."""

    message_chars: int
    answer_bytes: int


@dataclass(frozen=True, slots=True)
class ReadFile:
    """One that holds together. Its messages are in an order in which they can have been said.

    `fingerprint` is of all that it says, however that was spelled, but for when it was exported.
    """

    file: ConversationFile
    fingerprint: str


class _ReadMessage(MessagePart):
    def __post_init__(self) -> None:
        MessagePart.__post_init__(self)
        if hash(self.id) % _BREATH == 0:
            time.sleep(_PAUSE)


class _ReadFile(ConversationFile):
    messages: Annotated[list[_ReadMessage], msgspec.Meta(max_length=MOST_MESSAGES)]  # type: ignore[assignment]  # as read


def _breathing(parts: Iterable[T]) -> Iterator[T]:
    for number, part in enumerate(parts):
        if number % _BREATH == 0:
            time.sleep(_PAUSE)
        yield part


def read(body: bytes, bounds: Bounds) -> ReadFile:
    """Raises Malformed for what is no JSON, or nested beyond reason, and InvalidConversationFile."""
    if _parts(body) > _MOST_PARTS:
        raise InvalidConversationFile(Finding([], f"A file may have at most {_MOST_PARTS:,} parts", _VALUE))
    file = _decoded(body)
    findings = list(islice(_wrong(file, bounds), _MOST_FINDINGS))
    if findings:
        raise InvalidConversationFile(*findings)
    fingerprint = _fingerprint(file)
    file.messages = _arranged(file.messages)
    return ReadFile(file, fingerprint)


def _parts(body: bytes) -> int:
    """About how many objects there are; a text counts as one more only if it ends like the beginning of one."""
    slices = _breathing(range(0, len(body), _SLICE))
    return sum(len(_PART.findall(body, start, start + _SLICE)) for start in slices)


def _decoded(body: bytes) -> ConversationFile:
    try:
        return msgspec.json.decode(body, type=_ReadFile)
    except msgspec.ValidationError as error:
        raise InvalidConversationFile(_finding(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if "surrogate" in str(error):
            raise InvalidConversationFile(Finding([], "must not contain lone surrogates", _VALUE)) from None
        raise Malformed from None


def _finding(message: str) -> Finding:
    before, _, at = message.rpartition(_AT)
    said, at = (before, at) if before else (message, "")
    where = [int(number) if number else name for name, number in _STEP.findall(at[:_LONGEST_SAID])]
    said = said[:_LONGEST_SAID]
    for pattern, ours, kind in _KINDS:
        if (match := pattern.match(said)) is not None:
            return Finding([*where, *match.groupdict().values()], ours, kind)
    return Finding(where, said, _VALUE)


def _wrong(file: ConversationFile, bounds: Bounds) -> Iterator[Finding]:
    latest = now() + _AHEAD
    yield from _in_head(file.conversation, latest)
    for number, message in enumerate(_breathing(file.messages)):
        check = _in_answer if message.role is Author.ASSISTANT else _in_question
        for name, said in (*_in_message(message, latest), *check(message, bounds)):
            yield Finding(["messages", number, name], said, _VALUE)
    yield from _in_tree(file)
    yield from _in_references(file, bounds, latest)


def _in_head(head: ConversationPart, latest: datetime) -> Iterator[Finding]:
    for name in ("title", "model", "system_prompt"):
        if "\x00" in (getattr(head, name) or ""):
            yield Finding(["conversation", name], _NUL, _VALUE)
    for name in ("created_at", "updated_at"):
        if (getattr(head, name) or latest) > latest:
            yield Finding(["conversation", name], _FUTURE, _VALUE)


def _in_message(message: MessagePart, latest: datetime) -> Iterator[tuple[str, str]]:
    """What is wrong, by the name of a field."""
    for name, text in _texts(message):
        if "\x00" in text:
            yield name, _NUL
    if (message.created_at or latest) > latest:
        yield "created_at", _FUTURE


def _in_answer(message: MessagePart, bounds: Bounds) -> Iterator[tuple[str, str]]:
    size = sum(len(text.encode()) for name, text in _texts(message) if name in ("content", "reasoning"))
    if size > bounds.answer_bytes:
        yield "content", f"An answer may have at most {bounds.answer_bytes:,} bytes"
    if message.files:
        yield "files", "Only a question has this"


def _in_question(message: MessagePart, bounds: Bounds) -> Iterator[tuple[str, str]]:
    if not message.content.strip():
        yield "content", "The message is empty"
    if len(message.content) > bounds.message_chars:
        yield "content", f"A message may have at most {bounds.message_chars:,} characters"
    if message.status is not Status.COMPLETE:
        yield "status", "What a user says is complete"
    for name in _OF_ANSWERS:
        if getattr(message, name):
            yield name, "Only an answer has this"


def _in_references(file: ConversationFile, bounds: Bounds, latest: datetime) -> Iterator[Finding]:
    names = {each.id for each in file.messages}
    if file.conversation.leaf_id is not None and file.conversation.leaf_id not in names:
        yield Finding(["conversation", "leaf_id"], _UNKNOWN, _VALUE)
    for number, each in enumerate(file.compactions):
        if each.message_id not in names:
            yield Finding(["compactions", number, "message_id"], _UNKNOWN, _VALUE)
        if "\x00" in f"{each.summary}{each.model}":
            yield Finding(["compactions", number], _NUL, _VALUE)
        if len((each.summary or "").encode()) > bounds.answer_bytes:
            yield Finding(["compactions", number, "summary"], "The summary is too long", _VALUE)
        if (each.created_at or latest) > latest:
            yield Finding(["compactions", number, "created_at"], _FUTURE, _VALUE)


def _texts(message: MessagePart) -> Iterator[tuple[str, str]]:
    yield "content", message.content
    for block in message.reasoning or ():
        yield from (("reasoning", text) for text in (block.text, block.signature, block.redacted) if text)
    if message.model:
        yield "model", message.model
    if message.error is not None:
        yield "error", message.error.detail
    if message.feedback is not None and message.feedback.comment:
        yield "feedback", message.feedback.comment
    for file in message.files or ():
        yield from (("files", file.file_id), ("files", file.name))
    if message.sources is not None:
        yield from (("sources", text) for text in _told(message.sources))


def _told(sources: SourcesPart) -> Iterator[str]:
    for each in sources.sources:
        yield from filter(None, (each.title, each.quote, each.file_id, each.document_id, each.chunk_id))
    for file in sources.files or ():
        yield from filter(None, (file.file_id, file.name, file.used, file.reason))
    yield from sources.collections or ()


def _in_tree(file: ConversationFile) -> Iterator[Finding]:
    """A conversation begins with what a user says, and an answer follows that; users may go on by themselves."""
    found: dict[str, MessagePart] = {}
    for number, message in enumerate(file.messages):
        if message.id in found:
            yield Finding(["messages", number, "id"], "Another message of this file has this id", _VALUE)
        found.setdefault(message.id, message)
    for number, message in enumerate(file.messages):
        parent = found.get(message.parent_id) if message.parent_id is not None else None
        if message.parent_id is not None and parent is None:
            yield Finding(["messages", number, "parent_id"], _UNKNOWN, _VALUE)
        elif message.role is Author.ASSISTANT and (parent is None or parent.role is not Author.USER):
            yield Finding(["messages", number, "parent_id"], "An answer follows what a user said", _VALUE)
    if len(found) == len(file.messages):
        placed = set(ordered(_parents(file.messages)))
        for number in range(len(file.messages)):
            if number not in placed:
                yield Finding(["messages", number, "parent_id"], "It follows itself, in a circle", _VALUE)


def _arranged(messages: list[MessagePart]) -> list[MessagePart]:
    return [messages[number] for number in ordered(_parents(messages))]


def _parents(messages: list[MessagePart]) -> list[int | None]:
    """By number; of those that have no known one None."""
    numbers = {message.id: number for number, message in enumerate(messages)}
    return [numbers.get(each.parent_id) if each.parent_id is not None else None for each in messages]


def _fingerprint(file: ConversationFile) -> str:
    found = hashlib.sha256(encode(file.conversation))
    for part in _breathing((*file.messages, *file.compactions)):
        found.update(b"\n" + encode(part))
    return found.hexdigest()
