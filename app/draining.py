"""How this process leaves: by a signal, by its parent's word, or because its parent has died."""

import asyncio
import logging
import signal
from collections.abc import Callable
from types import FrameType

from app.bootstrap import House

logger = logging.getLogger(__name__)

_HandOn = Callable[[], None]


class Draining:
    """Drain first, then hand the signal to the server's own handler.

    Left alone, uvicorn cancels streams and only then runs the shutdown of the lifespan: too late to let anything
    finish. A second signal ends what still runs, with its text kept and its readers told; a third goes straight on.

    A terminal and some supervisors signal a parent and its workers at once, and the parent passes it on. So signals and
    the parent's words are counted apart, and the higher count holds.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._signals = self._words = self._step = 0
        self._drains: list[asyncio.Task[None]] = []
        self._drained = False

    def attend_signals(self) -> None:
        """From now on, in the running loop; where signals are another thread's, whoever runs this one closes it."""
        self._loop = asyncio.get_running_loop()
        try:
            self._install(signal.SIGTERM)
            self._install(signal.SIGINT)
        except ValueError:
            logger.debug("signals belong to the main thread; whoever runs this one drains it by closing it")

    def told(self) -> None:
        """The parent has had a signal."""
        self._words += 1
        self._advance(self._words, signal.SIGTERM, self._ask_server)

    def abandoned(self) -> None:
        """The parent has died, and nobody will say anything more."""
        logger.error("the parent of the workers has died")
        self._advance(1, signal.SIGTERM, self._ask_server)

    def _install(self, number: signal.Signals) -> None:
        inherited = signal.getsignal(number)

        def handler(_: int, frame: FrameType | None) -> None:
            self._signals += 1

            def hand_on() -> None:
                if callable(inherited):
                    inherited(number, frame)

            self._advance(self._signals, number, hand_on)

        if number == signal.SIGTERM:
            self._inherited = inherited
        signal.signal(number, handler)

    def _ask_server(self) -> None:
        if callable(self._inherited):
            self._inherited(signal.SIGTERM, None)

    def _advance(self, step: int, number: signal.Signals, hand_on: _HandOn) -> None:
        if step <= self._step:
            return
        self._step = step
        if step > 2:
            hand_on()
            return
        patience = self._house.settings.drain_seconds if step == 1 else 0.0
        self._loop.call_soon_threadsafe(
            lambda: self._drains.append(self._loop.create_task(self._drain(number, patience, hand_on)))
        )

    async def _drain(self, number: signal.Signals, patience: float, hand_on: _HandOn) -> None:
        logger.info("draining", extra={"signal": number.name, "seconds": patience})
        await self._house.drain(patience)
        if not self._drained:  # a second SIGINT would make the server skip its shutdown
            self._drained = True
            hand_on()
