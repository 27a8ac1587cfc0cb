"""The body of one answer, read as it arrives; what goes wrong with it is a failure of the provider's."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx2

from app.domain.failures import FailureCode, GenerationFailure
from app.providers.http.answers import Answer
from app.providers.http.encodings import Inflater
from app.providers.verdicts import PROTOCOL

# The largest answer that is read whole is a list of models.
WHOLE_BODY_BYTES = 8 * 1024 * 1024
DRAIN_SECONDS = 0.1


class Body(httpx2.AsyncByteStream):
    """`close` cuts the connection at once, unless the answer has arrived to its end."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def read(self) -> bytes:
        """All that has arrived, at least one byte; empty at the end. Raises GenerationFailure when cut.

        What arrived before a cut comes before the failure.
        """
        answer = self._answer
        while not answer.parts:
            if answer.ended:
                if answer.error is not None:
                    raise _failure(answer.error) from answer.error
                return b""
            await answer.arrival()
        return answer.take()

    async def drain(self) -> None:
        """Wait a moment for the end of an answer that is known to be whole: its connection can then serve another."""
        answer = self._answer
        if answer.ended:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not answer.ended:
                    answer.take()
                    await answer.arrival()

    def close(self) -> None:
        self._answer.close()

    async def aclose(self) -> None:
        self.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        try:
            while data := await self.read():
                size += len(data)
                if size > WHOLE_BODY_BYTES:
                    raise httpx2.RemoteProtocolError("the answer is too large to be read whole")
                yield data
        except GenerationFailure as failure:
            raise _cause(failure) from failure


class InflatedBody(Body):
    """Of an answer that was compressed, though nobody asked for that."""

    def __init__(self, answer: Answer, inflater: Inflater) -> None:
        super().__init__(answer)
        self._inflater = inflater

    async def read(self) -> bytes:
        await asyncio.sleep(0)  # what arrived at once may last for long
        try:
            while not (piece := self._inflater.read()):
                data = await super().read()
                if not data:
                    break
                self._inflater.feed(data)
        except zlib.error as error:
            raise _unreadable("the encoding is broken") from error
        if not (piece or self._inflater.whole):
            raise _unreadable("the encoding has no end")
        return piece


class UnreadableBody(Body):
    """Of an answer in an encoding that is not known here."""

    async def read(self) -> bytes:
        raise _unreadable("the encoding is unknown")


def body(answer: Answer) -> Body:
    """As its head says that it is encoded."""
    values = [value.decode("latin-1") for name, value in answer.headers if name == b"content-encoding"]
    encoding = ",".join(values).strip().lower()
    if encoding in ("", "identity"):
        return Body(answer)
    return InflatedBody(answer, Inflater(encoding)) if Inflater.knows(encoding) else UnreadableBody(answer)


def _failure(error: httpx2.TransportError) -> GenerationFailure:
    if isinstance(error, httpx2.RemoteProtocolError):
        return PROTOCOL.failure()
    detail = "The connection to the provider was cut."
    return GenerationFailure(FailureCode.UPSTREAM_CUT, detail, retryable=True, transient=True)


def _unreadable(reason: str) -> GenerationFailure:
    failure = PROTOCOL.failure()
    failure.__cause__ = httpx2.RemoteProtocolError(reason)
    return failure


def _cause(failure: GenerationFailure) -> httpx2.TransportError:
    """As those know it who read by way of httpx2."""
    cause = failure.__cause__
    return cause if isinstance(cause, httpx2.TransportError) else httpx2.RemoteProtocolError(str(failure))
