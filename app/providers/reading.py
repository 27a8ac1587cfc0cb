"""What the readers of all vendors' streams have in common."""

from msgspec import Raw

from app.domain.events import ProviderEvent, ReasoningDelta, TextDelta
from app.domain.failures import GenerationFailure
from app.domain.text import TextJoiner
from app.providers.raw_json import piece
from app.providers.verdicts import PROTOCOL


class AnswerReader:
    """Turns a vendor's events into ours (`app.providers.relay.Reader`); one for each answer.

    A vendor's reader says in `_read` what one of its events means.
    """

    __slots__ = ("_reasoning", "_text", "done", "failure", "finished")

    def __init__(self) -> None:
        self._text = TextJoiner()
        self._reasoning = TextJoiner()
        self.finished = False
        self.done = False
        self.failure: GenerationFailure | None = None

    def read(self, payloads: list[bytes]) -> list[ProviderEvent]:
        events: list[ProviderEvent] = []
        try:
            for payload in payloads:
                if payload:
                    self._read(payload, events)
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
