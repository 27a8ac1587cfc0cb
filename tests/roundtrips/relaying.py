"""The app between a vendor and a door, without the sockets: a vendor's bytes in, a log, and a door's bytes out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from app.domain.chat import Generation, Status
from app.domain.events import Kind, LogEvent
from app.generation.log import EventLog
from app.generation.passages import AtOnce, PassageRecorder
from app.generation.payloads import passage_last_events, start_payload
from app.providers.anthropic.events import EventReader
from app.providers.ndjson import LineSplitter
from app.providers.ollama.lines import LineReader
from app.providers.openai.chunks import ChunkReader
from app.providers.openai.response_events import ResponseReader
from app.providers.relay import Reader, Splitter
from app.providers.sse import EventSplitter
from app.wire.anthropic_messages import MessageStream, message
from app.wire.dialects import Dialect
from app.wire.ollama_chat import OllamaStream, whole_answer
from app.wire.openai_chat import ChatCompletionStream, chat_completion
from app.wire.openai_response import whole_response
from app.wire.openai_responses import ResponseStream
from app.wire.whole import WholeAnswer, put_together
from tests.roundtrips.answers import STOP_SEQUENCE
from tests.upstream.dialects import Dialect as VendorDialect
from tests.upstream.dialects import Flood
from tests.upstream.dialects.anthropic import Anthropic
from tests.upstream.dialects.ollama import Ollama
from tests.upstream.dialects.openai import OpenAI
from tests.upstream.dialects.responses import Responses
from tests.upstream.scenarios import Answer

_MOST_BYTES = 1 << 24
_ASKED = {
    "model": "m",
    "messages": [],
    "stream": True,
    "stream_options": {"include_usage": True},
    "stop_sequences": [STOP_SEQUENCE],
}
_ABOUT = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m"}


@dataclass(frozen=True, slots=True)
class Vendor:
    speaks: VendorDialect
    splitter: Callable[[], Splitter]
    reader: Callable[[], Reader]


VENDORS: Mapping[str, Vendor] = {
    "openai": Vendor(OpenAI(), EventSplitter, ChunkReader),
    "openai-responses": Vendor(Responses(), EventSplitter, ResponseReader),
    "anthropic": Vendor(Anthropic(), EventSplitter, EventReader),
    "ollama": Vendor(Ollama(), LineSplitter, LineReader),
}
STREAMS: Mapping[str, Callable[[], Dialect]] = {
    "chat": lambda: ChatCompletionStream("chatcmpl-1", 1, "m", include_usage=True),
    "responses": lambda: ResponseStream(_ABOUT, with_seals=True),
    "messages": lambda: MessageStream("msg_1", "m"),
    "ollama": lambda: OllamaStream("m", generate=False),
}
WHOLES: Mapping[str, Callable[[WholeAnswer], bytes]] = {
    "chat": lambda answer: chat_completion(answer, "chatcmpl-1", 1, "m"),
    "responses": lambda answer: whole_response(answer, _ABOUT, with_seals=True),
    "messages": lambda answer: message(answer, "msg_1", "m"),
    "ollama": lambda answer: whole_answer(answer, "m", generate=False, began=0),
}


def logged(vendor: str, answer: Answer, rng: Random) -> Sequence[LogEvent]:
    """The log of an answer whose bytes arrive in packets of any size."""
    log = EventLog()
    generation = Generation("g1", "u1", "", "m1", Status.STREAMING, "", 1, "vendor/m", 0, None)
    log.append(Kind.START, start_payload(generation))
    recorder = PassageRecorder(log, AtOnce().open(generation, log, lambda: None), _MOST_BYTES)
    recorder.begin_attempt()
    reader = VENDORS[vendor].reader()
    _relay(packets(_bytes(vendor, answer), rng), VENDORS[vendor].splitter(), reader, recorder)
    if reader.failure is not None:
        assert reader.failure.answered, reader.failure
        recorder.declined(reader.failure)
    assert recorder.finish is not None
    log.extend(
        passage_last_events(
            log.written_seq, Status.COMPLETE, failure=None, usage=recorder.usage, finish=recorder.finish
        )
    )
    log.end()
    return log.after(0)


def streamed(door: str, events: Sequence[LogEvent]) -> bytes:
    stream = STREAMS[door]()
    return b"".join(map(stream.encode, events))


def whole(door: str, events: Sequence[LogEvent]) -> bytes:
    return WHOLES[door](put_together(events))


def packets(data: bytes, rng: Random) -> Iterator[bytes]:
    most = rng.choice((7, 100, 2000, len(data)))
    while data:
        size = rng.randint(1, most)
        yield data[:size]
        data = data[size:]


def _bytes(vendor: str, answer: Answer) -> bytes:
    script = VENDORS[vendor].speaks.script(answer, _ASKED, 1)
    parts = [script.opening, *script.chunks, *script.closing]
    return b"".join(part for part in parts if not isinstance(part, Flood))


def _relay(data: Iterator[bytes], splitter: Splitter, reader: Reader, recorder: PassageRecorder) -> None:
    """As `app.providers.relay` goes."""
    for packet in data:
        if events := reader.read(splitter.feed(packet)):
            recorder.record(events)
        if reader.failure or reader.done:
            return
    recorder.record([*reader.read(splitter.flush()), *reader.flush()])
