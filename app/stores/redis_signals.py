"""Signals over Redis' channels."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

from redis.exceptions import RedisError, ResponseError

from app.stores.breaker import Away
from app.stores.cancelling import cancellable
from app.stores.redis import PREFIX, RedisServer
from app.stores.signals import Signal

logger = logging.getLogger(__name__)

PAUSE = 1.0
SILENCE = 5.0
"""Seconds after which a connection that says nothing is asked whether it lives, and after which as many again it is
given up."""
_LONGEST = 200
"""Characters of a message of ours."""


class _Connection(Protocol):
    """What is used of redis' own, which has few types."""

    async def connect(self) -> None: ...
    async def disconnect(self, nowait: bool = ...) -> None: ...
    async def send_command(self, *args: str) -> None: ...
    async def read_response(self, *, timeout: float) -> object: ...  # noqa: ASYNC109


class RedisSignals:
    """`heard` says what is done for each signal; it is not to wait, nor to fail for a subject that nobody knows.

    There is a connection for listening alone. When it breaks it is made anew, and what was sent meanwhile is not heard.
    """

    def __init__(
        self,
        server: RedisServer,
        heard: Mapping[Signal, Callable[[str], object]],
        *,
        pause: float = PAUSE,
        silence: float = SILENCE,
    ) -> None:
        self._server = server
        self._heard = heard
        self._pause = pause
        self._silence = silence
        # Channels are common to all numbered databases of a server.
        self._channel = f"{PREFIX}:signals:{server.pool.connection_kwargs.get('db') or 0}"
        self._refused = False

    async def send(self, signal: Signal, subject: str) -> None:
        with suppress(Away):
            await self._server.ask(lambda: self._server.client.publish(self._channel, f"{signal} {subject}"))

    async def listen_forever(self) -> None:
        """Hear what is said, whatever becomes of the connection."""
        while True:
            try:
                with cancellable():
                    await self._listen()
            except (RedisError, OSError, TimeoutError) as error:
                self._note(error)
            await asyncio.sleep(self._pause)

    async def _listen(self) -> None:
        connection: _Connection = self._server.pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            with cancellable():
                await connection.connect()
                await connection.send_command("SUBSCRIBE", self._channel)
            asked = False
            while True:
                reply = await connection.read_response(timeout=self._silence)
                if reply is not None:
                    asked = False
                    self._take(reply)
                elif asked:
                    raise TimeoutError
                else:
                    asked = True
                    with cancellable():
                        await connection.send_command("PING")
        finally:
            await connection.disconnect(nowait=True)

    def _take(self, reply: object) -> None:
        """Whatever anybody may have sent; what is none of ours is passed over."""
        match reply:
            case [b"message", _, bytes(message)] if len(message) <= _LONGEST:
                name, _, subject = message.decode(errors="replace").partition(" ")
            case _:
                return
        for signal, act in self._heard.items():
            if signal == name:
                act(subject)

    def _note(self, error: Exception) -> None:
        """That Redis is away is said elsewhere; that it forbids us this is not."""
        if isinstance(error, ResponseError) and not self._refused:
            self._refused = True
            logger.warning("redis lets us hear no signals", extra={"error": type(error).__name__})
