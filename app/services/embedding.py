"""Vectors for clients that have their own use for them: of texts as they are sent, by any model that makes some."""

import asyncio
from array import array
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from math import ceil

from app.core.errors import AnswerFailed, InsufficientScope, Invalid, NotSupported, UnknownModel
from app.core.metrics import Metrics
from app.database import Transaction
from app.domain.cards import ModelCard, embedder_card
from app.domain.embedding import Asked, Made
from app.domain.events import Usage
from app.domain.failures import FailureCode, GenerationFailure
from app.domain.identity import Principal
from app.generation.bookings import Bookings
from app.providers.catalogue import Catalogue
from app.providers.embedders.answers import Numbers
from app.providers.embedders.billing import Biller, Tally
from app.providers.embedders.desks import Desk
from app.providers.embedders.patience import patiently
from app.providers.embedders.source import Kind
from app.providers.embedders.texts import batches
from app.services.embedding_calls import EmbeddingCalls, Left, Vectors
from app.services.embedding_places import EmbeddingPlaces
from app.services.limits import Limited, RateLimits

_MOST_NUMBERS = 2**22
"""Of one answer; as JSON they are 80 MB at worst."""
_OPENAIS = "text-embedding-"
_LATEST = ":latest"
_COME_BACK = 10
_LONGEST_WAIT = 60
_AGAIN_WITHIN = 1.0
_NO_TOKENS = (
    "This model takes texts, and no ids of tokens. With LangChain's OpenAIEmbeddings set "
    "check_embedding_ctx_length=False."
)

Price = Callable[[ModelCard, Usage], Decimal | None]
Reserve = Callable[[str], Awaitable[None]]
"""Puts on record that this model is asked now. It may refuse that."""


class EmbeddingService:
    """`desks` by provider, and by its whole name that of `embedder`, the model of the index. `seconds` bound a request
    with all that is asked of its model's server."""

    def __init__(
        self,
        *,
        bookings: Bookings,
        catalogue: Catalogue,
        desks: Mapping[str, Desk],
        embedder: str | None,
        limits: RateLimits,
        price: Price,
        metrics: Metrics,
        seconds: float,
    ) -> None:
        self._bookings = bookings
        self._catalogue = catalogue
        self._desks = desks
        self._own = (embedder_card(embedder), desks[embedder]) if embedder else None
        self._limits = limits
        self._price = price
        self._metrics = metrics
        self._seconds = seconds
        self._places = EmbeddingPlaces()
        self._calls = EmbeddingCalls()

    async def embed(self, principal: Principal, name: str, asked: Asked, reserve: Reserve | None = None) -> Made:
        """Vectors of at least one text, which keep their place until they are released. To `reserve` is the last thing
        before the model's server is asked.

        What a server has been asked is waited for and booked, and its place kept, also when the caller is cancelled.
        Raises UnknownModel, InsufficientScope (a model that the API key may not use), Invalid, NotSupported, TooMany,
        Overloaded, Draining, and AnswerFailed for what goes wrong at the model's server.
        """
        card, desk = await self._find(name)
        if not principal.grants.model(card.name):
            raise InsufficientScope(f"This API key may not use {card.name}; name a model that it may.")
        if asked.tokens and not desk.takes_tokens:
            raise Invalid(_NO_TOKENS, field="input")
        if asked.dimensions is not None and not desk.takes_dimensions:
            raise NotSupported("dimensions")
        release = await self._places.take(principal.user.id)
        try:
            await self._limits.spend(Limited.AI, principal.limit_key)
            if reserve is not None:
                await reserve(card.name)
        except BaseException:
            release()
            raise
        made = await self._calls.see_through(partial(self._ask, principal.user.id, desk, card, asked), release)
        return Made(card.name, made.each, made.tokens, release)

    async def place(self, user_id: str) -> Callable[[], None]:
        """A place for vectors that were made before, and what gives it back. Raises TooMany and Overloaded."""
        return await self._places.take(user_id)

    async def drain(self, seconds: float) -> None:
        """Give what servers have been asked so long to be answered, and book what was."""
        await self._calls.drain(seconds)

    async def aclose(self) -> None:
        for desk in self._desks.values():
            await desk.aclose()

    async def _find(self, name: str) -> tuple[ModelCard, Desk]:
        """Raises UnknownModel, and Invalid for a model of a provider that has no such route."""
        plain = name.removesuffix(_LATEST)  # which Ollama's clients put behind every name
        if self._own is not None and plain in (self._own[0].name, self._own[0].id):
            return self._own
        card = await self._named(plain)
        if card.provider not in self._desks:
            raise Invalid(f"{card.provider} has no models that make vectors.", field="model")
        return card, self._desks[card.provider]

    async def _named(self, plain: str) -> ModelCard:
        if plain.partition("/")[0] in self._desks:
            return await self._catalogue.resolve(plain)
        if plain.startswith(_OPENAIS) and "openai" in self._desks:
            return ModelCard("openai", plain, calls_tools=False, embeds=True)
        try:
            return await self._listed(plain) or await self._catalogue.resolve(plain)
        except UnknownModel:
            if found := await self._listed(plain):  # for the lists have been renewed
                return found
            raise

    async def _listed(self, plain: str) -> ModelCard | None:
        """By its id among what is known to make vectors."""
        return next((card for card in await self._catalogue.embedders() if card.id == plain), None)

    async def _ask(self, user_id: str, desk: Desk, card: ModelCard, asked: Asked, left: Left) -> Vectors:
        tally, outcome = Tally(), "stopped"
        try:
            vectors = await self._vectors(desk, card, asked, tally, left)
            if len(vectors) == len(asked.inputs):
                outcome = "complete"
        except GenerationFailure as failure:
            outcome = failure.code.value
            raise _refusal(failure) from failure
        except TimeoutError as error:
            outcome = FailureCode.UPSTREAM_TIMEOUT.value
            raise AnswerFailed(outcome, "The provider did not answer in time.") from error
        finally:
            await self._book(user_id, card if desk.books else None, tally, outcome)
        return Vectors(vectors, tally.tokens)

    async def _vectors(
        self, desk: Desk, card: ModelCard, asked: Asked, tally: Tally, left: Left
    ) -> "Sequence[array[float]]":
        vectors: list[array[float]] = []
        async with asyncio.timeout(self._seconds):
            for batch in batches(asked.inputs, desk.at_once):
                if left.is_set():
                    break
                try:
                    numbers = await self._answered(partial(desk.ask, card.id, batch, asked), left)
                except asyncio.CancelledError:
                    tally.add(batch, None)  # it has been asked for: its vendor may well bill it
                    raise
                tally.add(batch, numbers.tokens)
                vectors += numbers.vectors
                _check(vectors, asked)
        return vectors

    async def _answered(self, ask: Callable[[], Awaitable[Numbers]], left: Left) -> Numbers:
        """Once more where that may help at once; whoever was kept waiting has waited enough."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _AGAIN_WITHIN
        return await patiently(ask, Kind.QUESTION, lambda: left.is_set() or loop.time() > until)

    async def _book(self, user_id: str, card: ModelCard | None, tally: Tally, outcome: str) -> None:
        """What was answered, also where the rest failed or nobody waits for it any more."""
        if card is not None:
            await self._bookings.see_to(self._booked(user_id, card, tally, outcome))

    async def _booked(self, user_id: str, card: ModelCard, tally: Tally, outcome: str) -> None:
        self._metrics.attempt(card.provider, outcome, input_tokens=tally.tokens, output_tokens=0)
        bill = await Biller(card, self._price).bill(tally, outcome)
        if bill.attempt is None:
            return

        async def write(tx: Transaction) -> None:
            if await tx.users.hold(user_id):  # of a user who is gone nothing is kept
                tx.usage.book_embedding(user_id, bill)

        await self._bookings.write(write, reference=bill.id, durable=False)


def _check(vectors: "list[array[float]]", asked: Asked) -> None:
    """Raises Invalid for what nobody could know before. Lengths within one answer are equal already."""
    dimensions = len(vectors[-1])
    if asked.dimensions not in (None, dimensions):
        raise Invalid(f"This model cannot make vectors of {asked.dimensions} dimensions.", field="dimensions")
    if dimensions * len(asked.inputs) > _MOST_NUMBERS:
        most = _MOST_NUMBERS // dimensions
        raise Invalid(f"At most {most} vectors of {dimensions} dimensions at once.", field="input")


def _refusal(failure: GenerationFailure) -> AnswerFailed:
    """As of an answer that was waited for. Of what is too long the verdict speaks as of a conversation."""
    if failure.code is FailureCode.CONTEXT_TOO_LONG:
        return AnswerFailed(failure.code.value, "An input is too long for this model.")
    wait = None
    if failure.code in (FailureCode.UPSTREAM_RATE_LIMITED, FailureCode.UPSTREAM_OVERLOADED):
        wait = max(1, min(_LONGEST_WAIT, ceil(failure.retry_after or _COME_BACK)))
    return AnswerFailed(failure.code.value, failure.detail, retry_after=wait, rejected=failure.rejected)
