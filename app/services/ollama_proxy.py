"""The real Ollama behind this service: its own routes, for those who may, as they are."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import partial
from math import ceil
from typing import Any, TypeVar

import msgspec

from app.core.errors import (
    AnswerFailed,
    DatabaseUnavailable,
    Draining,
    InsufficientScope,
    NotFound,
    Unavailable,
)
from app.core.metrics import Metrics
from app.database import Database
from app.domain.cards import ModelCard
from app.domain.chat import Generation, Status
from app.domain.events import Usage
from app.domain.failures import FailureCode, GenerationFailure
from app.domain.identity import Grants, Principal
from app.domain.usage import Attempt
from app.generation.attempts import Price
from app.generation.engine import Engine, Slot
from app.generation.passages import PassageEndings
from app.providers import shipped
from app.providers.catalogue import Catalogue
from app.providers.ollama.verbatim import Flow, Missing, Verbatim
from app.providers.verdicts import PROTOCOL
from app.services.limits import Limited, RateLimits
from app.services.ollama_inquiries import Inquiry, names_of, read_inquiry
from app.services.ollama_passing import Passing

_T = TypeVar("_T")

_PROVIDER = "ollama"
_TAGS = "/api/tags"
_BLOBS = "/api/blobs/"
_MOST_LIST_BYTES = 8 * 1024 * 1024
_LOOKED_EACH = 1.0
"""Seconds after which those for whom something passes are looked for again: they may be gone."""
_ENDED_WITHIN = 2.0
_COME_BACK = 10


class Asked(Enum):
    """What a model is asked for, by its route."""

    CHAT = "/api/chat"
    GENERATE = "/api/generate"


class Managed(Enum):
    """What is done to the models of the server, by its route."""

    PULL = "/api/pull"
    PUSH = "/api/push"
    CREATE = "/api/create"
    COPY = "/api/copy"
    DELETE = "/api/delete"


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of a model, until it is booked."""

    generation: Generation
    card: ModelCard
    input_tokens: int
    slot: Slot


class OllamaProxy:
    """All methods raise Unavailable where no server is configured, AnswerFailed where it does not do its part, and
    NotFound for what it does not have."""

    def __init__(
        self,
        *,
        server: Verbatim | None,
        database: Database,
        catalogue: Catalogue,
        engine: Engine,
        endings: PassageEndings,
        limits: RateLimits,
        price: Price,
        metrics: Metrics,
    ) -> None:
        self._server = server
        self._database = database
        self._catalogue = catalogue
        self._engine = engine
        self._endings = endings
        self._limits = limits
        self._price = price
        self._metrics = metrics
        self._passing: set[Passing] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._noting: set[asyncio.Task[None]] = set()

    async def ask(self, principal: Principal, content: bytes, asked: Asked) -> Passing:
        """Have a model answer to this request as it stands.

        Raises Malformed, Invalid, InsufficientScope (a model that the API key may not use), TooMany (by the rate or at
        once), Draining or DatabaseUnavailable: before the model is called.
        """
        server = await self._present()
        inquiry = await read_inquiry(content)
        if not _may(principal.grants, inquiry.model):
            raise InsufficientScope(f"This API key may not use {inquiry.model}; name a model that it may.")
        slot = await self._engine.admit(principal.user.id)
        try:
            await self._limits.spend(Limited.AI, principal.limit_key)
        except BaseException:
            slot.release()
            raise
        call = _call(principal.user.id, inquiry, slot)
        pace = self._metrics.pace(_PROVIDER)
        try:
            flow = await _reached(server.open("POST", asked.value, content), inquiry.model)
        except AnswerFailed as error:
            await self._book(call, None, error.answer_code)
            raise
        except NotFound:
            await self._book(call, None, FailureCode.UPSTREAM_ERROR.value)
            raise
        except BaseException:
            # Whoever asked has gone, and nobody waits here any more.
            self._note(self._book(call, Usage(call.input_tokens, 0), Status.STOPPED.value))
            raise
        return self._pass(Passing(flow, principal.user.id, partial(self._conclude, call), pace=pace))

    async def tags(self, grants: Grants) -> tuple[bytes, str]:
        """The server's list of models with its type; as it came, but for those that a credential may not use."""
        flow = await _reached((await self._present()).open("GET", _TAGS))
        try:
            listed = await _whole(flow)
        except GenerationFailure as failure:
            raise _failed(failure) from failure
        finally:
            flow.close()
        return (_granted(listed, grants) if grants.models else listed), flow.media_type

    async def manage(self, principal: Principal, content: bytes, managed: Managed) -> Passing:
        """For administrators: the answer may take as long as it goes on."""
        server = await self._present()
        if self._engine.draining:
            raise Draining(retry_after=5)
        method = "DELETE" if managed is Managed.DELETE else "POST"
        flow = await _reached(server.open(method, managed.value, content))
        return self._pass(Passing(flow, principal.user.id, self._forget))

    async def find_blob(self, digest: str) -> None:
        """Whether a file of this digest is there: `sha256:` and 64 digits. Raises NotFound."""
        (await _reached((await self._present()).open("HEAD", _BLOBS + digest))).close()

    async def take_blob(self, digest: str, pieces: AsyncIterator[bytes]) -> int:
        """The file, while it comes. Answers the server's status; what `pieces` raises is raised."""
        return await _reached((await self._present()).upload(_BLOBS + digest, pieces))

    async def watch_forever(self) -> None:
        """Stop what passes for users who are gone, or may not be here any more, whichever instance was told so."""
        while True:
            await asyncio.sleep(_LOOKED_EACH)
            passing = list(self._passing)
            if not passing:
                continue
            try:
                async with self._database.snapshot() as tx:
                    there = await tx.users.active_among({each.user_id for each in passing})
            except DatabaseUnavailable:
                continue
            for each in passing:
                if each.user_id not in there:
                    each.leave()

    async def drain(self, seconds: float) -> None:
        """Let what passes end by itself for so long, then end it."""
        await self._wait(seconds)
        for each in list(self._passing):
            each.stop(
                GenerationFailure(FailureCode.INSTANCE_DRAINING, "This instance is shutting down.", retryable=True)
            )
        await self._wait(_ENDED_WITHIN)

    async def aclose(self) -> None:
        if self._server is not None:
            await self._server.aclose()

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()

    async def _present(self) -> Verbatim:
        if self._server is None or not await self._catalogue.present(_PROVIDER):
            raise Unavailable("No Ollama server is configured.", retry_after=_COME_BACK)
        return self._server

    def _pass(self, passing: Passing) -> Passing:
        self._passing.add(passing)
        self._idle.clear()
        return passing

    async def _forget(self, passing: Passing) -> None:
        self._passing.discard(passing)
        if not self._passing:
            self._idle.set()

    async def _conclude(self, call: _Call, passing: Passing) -> None:
        await self._forget(passing)
        watch = passing.watch
        usage = watch.usage or (Usage(0, 0) if watch.nothing_asked else None)
        reported = usage is not None
        await self._book(call, usage or Usage(call.input_tokens, watch.lines), passing.outcome, estimated=not reported)

    async def _book(self, call: _Call, usage: Usage | None, outcome: str, *, estimated: bool = True) -> None:
        """None used nothing. The place among the running answers is given back first."""
        call.slot.release()
        used = usage or Usage(0, 0)
        attempt = Attempt(
            number=1,
            provider=_PROVIDER,
            model=call.card.id,
            usage=used,
            estimated=estimated,
            cost=self._price(call.card, used),
            outcome=outcome,
        )
        ended = outcome if outcome in (Status.COMPLETE, Status.STOPPED) else Status.FAILED.value
        self._metrics.ended(_PROVIDER, ended, outcome if ended == Status.FAILED else None)
        self._metrics.attempt(_PROVIDER, outcome, input_tokens=used.input_tokens, output_tokens=used.output_tokens)
        await self._endings.book(call.generation, [attempt])

    def _note(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._noting.add(task)
        task.add_done_callback(self._noting.discard)


async def _reached(work: Coroutine[Any, Any, _T], model: str | None = None) -> _T:
    try:
        return await work
    except Missing as error:
        raise NotFound(f"model '{model}' not found" if model else "The Ollama server does not have it.") from error
    except GenerationFailure as failure:
        raise _failed(failure) from failure


def _failed(failure: GenerationFailure) -> AnswerFailed:
    wait = ceil(failure.retry_after) if failure.retry_after is not None else None
    return AnswerFailed(failure.code.value, failure.detail, retry_after=wait, rejected=failure.rejected)


def _may(grants: Grants, model: str) -> bool:
    return any(map(grants.model, names_of(model)))


def _call(user_id: str, inquiry: Inquiry, slot: Slot) -> _Call:
    card = shipped.card(_PROVIDER, shipped.canonical(_PROVIDER, inquiry.model))
    generation = Generation(
        id=slot.id,
        user_id=user_id,
        conversation_id="",
        message_id=slot.id,
        status=Status.STREAMING,
        owner_id="",
        fence=0,
        model=card.name,
        last_seq=0,
        failure_code=None,
    )
    return _Call(generation, card, inquiry.input_tokens, slot)


async def _whole(flow: Flow) -> bytes:
    content = bytearray()
    while data := await flow.read():
        content += data
        if len(content) > _MOST_LIST_BYTES:
            raise PROTOCOL.failure()
    return bytes(content)


def _granted(listed: bytes, grants: Grants) -> bytes:
    """Raises AnswerFailed for what is no list."""
    try:
        fields = msgspec.json.decode(listed, type=dict[str, Any])
        models = [each for each in fields.get("models") or () if _may(grants, each["name"])]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _failed(PROTOCOL.failure()) from error
    return msgspec.json.encode({**fields, "models": models})
