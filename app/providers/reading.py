"""What the readers of all vendors' streams have in common."""

import re
from typing import ClassVar

from msgspec import Raw

from app.domain.events import ProviderEvent, ReasoningDelta, TextDelta
from app.domain.failures import GenerationFailure
from app.domain.text import TextJoiner
from app.providers.raw_json import piece
from app.providers.templates import ChunkTemplate
from app.providers.verdicts import PROTOCOL

_FRUITLESS = 8
"""Templates more than chunks that were like one, after which an answer is taken for one of chunks that differ."""


class AnswerReader:
    """Turns a vendor's events into ours (`app.providers.relay.Reader`); one for each answer.

    A vendor's reader says in `_read` what one of its events means. Where `_steady` is true behind one that said nothing
    but a text, or a thought, another that is like it must change nothing more: it is then not decoded.
    """

    __slots__ = ("_learnable", "_reasoning", "_template", "_text", "done", "failure", "finished")

    varying: ClassVar[re.Pattern[bytes] | None] = None
    """Finds a field that is different in each event and is nowhere read; see `ChunkTemplate.of`."""

    def __init__(self) -> None:
        self._text = TextJoiner()
        self._reasoning = TextJoiner()
        self._template: ChunkTemplate | None = None
        self._learnable = _FRUITLESS
        self.finished = False
        self.done = False
        self.failure: GenerationFailure | None = None

    def read(self, payloads: list[bytes]) -> list[ProviderEvent]:
        events: list[ProviderEvent] = []
        try:
            for payload in payloads:
                if (template := self._template) is not None and (written := template.read(payload)) is not None:
                    if self._learnable < _FRUITLESS:
                        self._learnable += 1
                    events.append(written)
                elif payload:
                    self._parse(payload, events)
                    if self.done:
                        break
        except GenerationFailure as failure:
            self.failure = failure
        return events

    def flush(self) -> list[ProviderEvent]:
        events: list[ProviderEvent] = []
        if raw := self._reasoning.flush():
            events.append(ReasoningDelta(raw))
        if raw := self._text.flush():
            events.append(TextDelta(raw))
        return events

    def _read(self, payload: bytes, events: list[ProviderEvent]) -> None:
        raise NotImplementedError

    @property
    def _steady(self) -> bool:
        return not self.finished

    def _parse(self, payload: bytes, events: list[ProviderEvent]) -> None:
        """Read an event, and learn from it what the next may look like."""
        self._template = None
        known = len(events)
        self._read(payload, events)
        if self._learnable and len(events) == known + 1 and self._steady:
            said = events[-1]
            if isinstance(said, TextDelta | ReasoningDelta):
                self._template = ChunkTemplate.of(payload, said, self.varying)
                self._learnable -= self._template is not None

    def _think(self, text: Raw, events: list[ProviderEvent]) -> bool:
        """Add what was thought; answers whether it was anything."""
        if raw := piece(self._reasoning, text):
            events.append(ReasoningDelta(raw))
            return True
        return False

    def _say(self, text: Raw, events: list[ProviderEvent]) -> None:
        if raw := piece(self._text, text):
            if self.finished:  # what follows the marker would be lost, and the answer called whole
                raise PROTOCOL.failure()
            events.append(TextDelta(raw))
