"""The calls of tools in one answer, each a block of its own that its arguments' JSON text is added to."""

from msgspec import Raw

from app.domain.events import ProviderEvent, ToolCallDelta, ToolCallStart
from app.domain.text import TextJoiner, encode
from app.providers.raw_json import NULL, piece
from app.providers.verdicts import PROTOCOL

_EMPTY = (b"null", b"{}")


class _Call:
    __slots__ = ("given", "index", "joiner", "said")

    def __init__(self, index: int, given: Raw) -> None:
        self.index = index
        self.given = given
        self.joiner = TextJoiner()
        self.said = False


class Calls:
    """By the numbers of their blocks, which count all that an answer is made of."""

    __slots__ = ("_began", "_open")

    def __init__(self) -> None:
        self._began = 0
        self._open: dict[int | None, _Call] = {}

    def begin(
        self, block: int | None, call_id: str | None, name: str | None, given: Raw, events: list[ProviderEvent]
    ) -> None:
        """Raises GenerationFailure for a call that nobody could answer, without a name or with a strange one."""
        if not (call_id and name and call_id.isprintable() and name.isprintable()):
            raise PROTOCOL.failure()
        self._open[block] = _Call(self._began, given)
        events.append(ToolCallStart(self._began, call_id, name))
        self._began += 1

    def add(self, block: int | None, text: Raw, events: list[ProviderEvent]) -> None:
        """Also of blocks that are no call of ours, of which nothing is told."""
        call = self._open.get(block)
        if call is not None and (raw := piece(call.joiner, text)):
            call.said = True
            events.append(ToolCallDelta(call.index, raw))

    def close(self, block: int | None, events: list[ProviderEvent]) -> None:
        """The end of a block, whatever it was; a call without arguments has an empty object of them."""
        call = self._open.pop(block, None)
        if call is None:
            return
        if raw := call.joiner.flush():
            events.append(ToolCallDelta(call.index, raw))
        elif not call.said:
            # Servers that do not send them in pieces give them whole with the block's beginning.
            whole = b"{}" if call.given is NULL or bytes(call.given) in _EMPTY else bytes(call.given)
            events.append(ToolCallDelta(call.index, encode(whole.decode(errors="replace"))))

    def close_all(self, events: list[ProviderEvent]) -> None:
        for block in list(self._open):
            self.close(block, events)
