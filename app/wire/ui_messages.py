"""The AI SDK's UI message stream, protocol v1: an answer as the parts of one message, for `useChat`.

Its client takes no part that is not in its schema, and no piece of a part that has not begun. It knows nothing of where
it broke off: whoever comes back reads the whole message again.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

import msgspec

from app.domain.chat import Status
from app.domain.conversation_files import SourcePart, SourcesPart
from app.domain.events import FinishReason, Kind, LogEvent
from app.domain.failures import FailureCode
from app.parsing.kinds import FileKind
from app.wire.dialects import EventStream
from app.wire.whole import Counts, Ending

HEADERS: Mapping[str, str] = {"x-vercel-ai-ui-message-stream": "v1"}
_DONE = b"data: [DONE]\n\n"
_PARTS = {Kind.TEXT: b"text", Kind.REASONING: b"reasoning"}
_FINISHED = {
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.TOOL_CALLS: "tool-calls",
    FinishReason.REFUSED: "content-filter",
}
_KINDS = {each.value: each.media_type for each in FileKind if each.is_document}


class _Start(msgspec.Struct):
    conversation_id: str
    message_id: str
    generation_id: str
    model: str


class _Usage(Counts, frozen=True):
    cost: str | None = None


class _Failure(msgspec.Struct):
    code: FailureCode
    detail: str
    retryable: bool


class UiMessageStream(EventStream):
    """One reading of one answer."""

    def __init__(self) -> None:
        self._open: Kind | None = None
        self._opened = 0
        self._delta = b""
        """How a piece of the open part begins."""
        self._usage: _Usage | None = None
        self._failure: _Failure | None = None

    def encode(self, event: LogEvent) -> bytes:
        kind = event.kind
        if kind is self._open:  # one more piece: nearly always
            return b'%b"delta":%b}\n\n' % (self._delta, event.payload)
        if kind in _PARTS:
            return b'%b%b"delta":%b}\n\n' % (self._turn_to(kind), self._delta, event.payload)
        return b"".join(self._rest(event))

    def _rest(self, event: LogEvent) -> Iterator[bytes]:
        match event.kind:
            case Kind.START:
                yield from _started(msgspec.json.decode(event.payload, type=_Start))
            case Kind.SOURCES:
                yield from _sources(msgspec.json.decode(event.payload, type=SourcesPart))
            case Kind.USAGE:
                self._usage = msgspec.json.decode(event.payload, type=_Usage)
            case Kind.FAILURE:
                self._failure = msgspec.json.decode(event.payload, type=_Failure)
            case Kind.DONE:
                yield from self._end(msgspec.json.decode(event.payload, type=Ending))

    def _turn_to(self, kind: Kind) -> bytes:
        """End the part that is open, and begin one of this kind."""
        ended = self._close()
        self._open = kind
        self._opened += 1
        self._delta = b'data: {"type":"%b-delta","id":"%d",' % (_PARTS[kind], self._opened)
        return b'%bdata: {"type":"%b-start","id":"%d"}\n\n' % (ended, _PARTS[kind], self._opened)

    def _close(self) -> bytes:
        kind, self._open = self._open, None
        return b"" if kind is None else b'data: {"type":"%b-end","id":"%d"}\n\n' % (_PARTS[kind], self._opened)

    def _end(self, ending: Ending) -> Iterator[bytes]:
        yield self._close()
        yield _part("finish-step")
        metadata = self._metadata(ending)
        if self._failure is not None:
            # Before the error, behind which its client reads nothing more.
            yield _part("message-metadata", messageMetadata=metadata)
            yield _part("error", errorText=self._failure.detail)
            refused = self._failure.code is FailureCode.REFUSED
            yield _part("finish", finishReason="content-filter" if refused else "error")
        elif ending.status == Status.STOPPED:
            yield _part("message-metadata", messageMetadata=metadata)
            yield _part("abort", reason="stopped")
        else:
            yield _part("finish", finishReason=_FINISHED[ending.reason], messageMetadata=metadata)
        yield _DONE

    def _metadata(self, ending: Ending) -> Mapping[str, object]:
        metadata: dict[str, object] = {"status": ending.status}
        if (used := self._usage) is not None:
            tokens = {"inputTokens": used.input_tokens, "outputTokens": used.output_tokens}
            total = used.input_tokens + used.output_tokens
            metadata["usage"] = {**tokens, "totalTokens": total, "cost": used.cost}
        if (failure := self._failure) is not None:
            metadata["error"] = {"code": failure.code.value, "retryable": failure.retryable}
        return metadata


def _started(start: _Start) -> Iterator[bytes]:
    metadata = {
        "conversationId": start.conversation_id,
        "generationId": start.generation_id,
        "model": start.model,
    }
    yield _part("start", messageId=start.message_id, messageMetadata=metadata)
    yield _part("start-step")


def _sources(told: SourcesPart) -> Iterator[bytes]:
    for source in told.sources:
        yield _source(source)
    metadata: dict[str, object] = {}
    if told.answerable is not None:
        metadata |= {"answerable": told.answerable, "confidence": told.confidence}
    if told.files:
        metadata["files"] = [
            {"fileId": each.file_id, "name": each.name, "used": each.used, "reason": each.reason} for each in told.files
        ]
    if metadata:
        yield _part("message-metadata", messageMetadata=metadata)


def _source(source: SourcePart) -> bytes:
    """By its number, which the answer has in brackets where it speaks of it."""
    place = {
        "page": source.page,
        "quote": source.quote,
        "score": source.score,
        "fileId": source.file_id,
        "documentId": source.document_id,
        "chunkId": source.chunk_id,
    }
    kind = _KINDS.get(PurePosixPath(source.title).suffix[1:].lower(), FileKind.TEXT.media_type)
    named = {"sourceId": str(source.n), "mediaType": kind, "title": source.title}
    return _part("source-document", **named, providerMetadata={"source": place})


def _part(kind: str, **fields: object) -> bytes:
    # ASCII; there are a few of these a message.
    return b"data: %b\n\n" % json.dumps({"type": kind, **fields}, separators=(",", ":")).encode()
