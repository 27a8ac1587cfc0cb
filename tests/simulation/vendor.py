"""The simulated vendor: answers as their scripts say, and a ledger of what it sent to whom."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from app.domain.cards import ModelCard
from app.domain.events import Finish, FinishReason, ProviderEvent, ReasoningDelta, TextDelta, Usage
from app.domain.failures import FailureCode, GenerationFailure
from app.domain.prompts import ModelRequest
from app.domain.text import encode
from tests.simulation.loop import Process, VirtualLoop

CARD = ModelCard("openai", "echo", context_window=100_000, max_output_tokens=10_000)

_Sent = Sequence[ProviderEvent] | GenerationFailure | None
"""What goes over the wire; None is its end."""


@dataclass(frozen=True, slots=True)
class Script:
    """One call: batches of pieces, each after so many seconds, then an end.

    `end` is `finish`, `usage` (a finish and then what was used), `late` (the same, too late to be waited for), `cut`,
    `error` (transient), `refusal` (not), or `stall`.
    """

    batches: Sequence[tuple[float, Sequence[str]]]
    end: str
    pause: float = 0.0
    """Seconds before the end."""
    reasoning: bool = False
    """Whether the first piece is a thought."""


@dataclass(eq=False)
class Call:
    """What the vendor knows of one call."""

    question: str
    client: Process | None
    began: float
    pieces: list[str] = field(default_factory=list)
    """The answer as far as it was sent."""
    sent_at: dict[str, float] = field(default_factory=dict)
    """When each piece was."""
    finished: bool = False
    usage: Usage | None = None
    closed: float | None = None
    """When it ended, unless its client died."""


class Vendor:
    id = "openai"

    def __init__(self, loop: VirtualLoop, on_end: Callable[[Call], None]) -> None:
        self._loop = loop
        self._on_end = on_end
        self.scripts: Mapping[str, Sequence[Script]] = {}
        """By question: what happens at its first call, its second and so on; the last one stays."""
        self.calls: list[Call] = []

    def calls_for(self, question: str) -> list[Call]:
        return [call for call in self.calls if call.question == question]

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ProviderEvent], None]:
        question = request.messages[-1].text.rpartition("\n")[2]  # behind questions that were never answered
        scripts = self.scripts[question]
        script = scripts[min(len(self.calls_for(question)), len(scripts) - 1)]
        call = Call(question, self._loop.running, self._loop.time())
        self.calls.append(call)
        wire: asyncio.Queue[_Sent] = asyncio.Queue()
        # The vendor goes on whatever becomes of its client, who finds what has arrived when it looks.
        sending = self._loop.create_task(self._send(script, call, wire), context=self._loop.outside())
        try:
            while (sent := await wire.get()) is not None:
                if isinstance(sent, GenerationFailure):
                    raise sent
                yield sent
        finally:
            sending.cancel()

    def check(self, request: ModelRequest) -> None:
        """It does whatever it is asked."""

    async def _send(self, script: Script, call: Call, wire: "asyncio.Queue[_Sent]") -> None:
        try:
            thinks = script.reasoning
            for pause, pieces in script.batches:
                await asyncio.sleep(pause)
                if thinks:
                    thinks = False
                    wire.put_nowait([ReasoningDelta(encode(f"About {call.question}."))])
                call.pieces += pieces
                call.sent_at |= dict.fromkeys(pieces, self._loop.time())
                wire.put_nowait([TextDelta(encode(piece)) for piece in pieces])
            await asyncio.sleep(script.pause)
            self._on_end(call)
            await _end(script, call, wire)
        finally:
            call.closed = self._loop.time()

    async def models(self) -> Sequence[ModelCard]:
        return [CARD]

    async def aclose(self) -> None:
        """Nothing is held."""


async def _end(script: Script, call: Call, wire: "asyncio.Queue[_Sent]") -> None:
    if script.end == "stall":
        await asyncio.sleep(1000)
    if script.end in ("error", "refusal"):
        transient = script.end == "error"
        code = FailureCode.UPSTREAM_ERROR if transient else FailureCode.REFUSED
        wire.put_nowait(GenerationFailure(code, "The vendor says no.", retryable=transient, transient=transient))
    elif script.end != "cut":
        call.finished = True
        wire.put_nowait([Finish(FinishReason.STOP)])
        if script.end != "finish":
            await asyncio.sleep(1000 if script.end == "late" else 0.01)
            call.usage = Usage(len(call.question), sum(map(len, call.pieces)))
            wire.put_nowait([call.usage])
    wire.put_nowait(None)
