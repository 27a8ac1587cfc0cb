"""One answer of an Ollama server on its way to a client, as it comes."""

from collections.abc import Awaitable, Callable

from app.core.pace import Pace
from app.domain.chat import Status
from app.domain.failures import FailureCode, GenerationFailure
from app.providers.ollama.verbatim import Flow
from app.providers.ollama.watching import Watch, error_line


class Passing:
    """`conclude` is to be called in the end, however that came; `leave` when its reader has gone."""

    def __init__(
        self,
        flow: Flow,
        user_id: str,
        concluded: "Callable[[Passing], Awaitable[None]]",
        *,
        pace: Pace | None = None,
    ) -> None:
        self.status = flow.status
        self.media_type = flow.media_type
        self.user_id = user_id
        self.watch = Watch()
        self.broken = False
        """Whether it ends in a way that its reader has to see as a break."""
        self._flow = flow
        self._concluded = concluded
        self._pace = pace
        self._ended = False
        self._is_concluded = False
        self._left = False
        self._stopped: GenerationFailure | None = None
        self._failure: GenerationFailure | None = None

    async def read(self) -> bytes:
        """The next bytes for the reader; empty at the end. What breaks an answer is its last line."""
        while not self._ended:
            try:
                data = await self._flow.read()
                if not data:
                    self._ended = True
                    return self.watch.flush()
                if self._pace is not None:
                    self._pace.batch(visible=True)
                if passing := self.watch.feed(data):
                    return passing
            except GenerationFailure as failure:
                return self._break(self._stopped or failure)
        return b""

    def leave(self) -> None:
        """Nobody reads it any more: its server is told so at once. Harmless when it has ended."""
        self._left = self._left or not self._ended
        self._flow.close()

    def stop(self, failure: GenerationFailure) -> None:
        """End it soon, and tell its reader why."""
        self._stopped = failure
        self._flow.close()

    async def conclude(self) -> None:
        self._flow.close()
        if not self._is_concluded:
            self._is_concluded = True
            await self._concluded(self)

    @property
    def outcome(self) -> str:
        """How the answer ended, as the ledger has it."""
        if self.watch.done:
            return Status.COMPLETE.value
        if self.watch.failure is not None:
            return self.watch.failure.code.value
        if self._left:
            return Status.STOPPED.value
        return (self._failure.code if self._failure else FailureCode.UPSTREAM_CUT).value

    def _break(self, failure: GenerationFailure) -> bytes:
        self._ended, self._failure = True, failure
        rest = self.watch.cut()
        if self.watch.done:
            return rest  # the answer is whole
        if not self._flow.in_lines:
            self.broken = True
            return rest
        return rest + (b"\n" if self.watch.within_a_line else b"") + error_line(failure) + b"\n"
