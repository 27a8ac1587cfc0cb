"""Models that help a search beside its terms: one makes vectors of what texts mean, one puts hits in order."""

from array import array
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.domain.scripts import Script
from app.domain.usage import Attempt

Vector = Sequence[float]
"""Of unit length, so that the product of two is their cosine. Only those of one embedder can be compared."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What a call of an embedder used, for `tx.usage.book_embedding(user_id, bill)`; without an attempt, nothing.

    `id` is a UUID of its own, so that one which is booked again, as in a transaction that is repeated, counts once.
    """

    id: str
    attempt: Attempt | None = None


@dataclass(frozen=True, slots=True)
class Embedded:
    """A vector for each text, in their order, each with as many dimensions as the embedder has."""

    vectors: Sequence[Vector]
    bill: Bill


class EmbedderUnavailable(Exception):
    """The embedder is away, late, refuses us or talks nonsense. Whoever searches goes on with terms alone; whoever
    indexes comes back later. Never an answer of ours over HTTP, so no AppError.

    `reason` is a stable word for a log or a metric (a FailureCode's value, `wrong_vectors`, `rejected`
    or, while a slow server is waited for, `waking`); it quotes no upstream.
    `lasting` says that only an operator can mend it: a refused key, an unknown model, other dimensions than before.
    `retry_after` is the upstream's own wish in seconds. `bill` is what was used all the same, to be booked too.
    """

    def __init__(self, reason: str, *, bill: Bill, lasting: bool = False, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.bill = bill
        self.lasting = lasting
        self.retry_after = retry_after


class Embedder(Protocol):
    """Makes vectors of texts. Every call ends within a bound of time, with EmbedderUnavailable at worst, may be
    cancelled at any point, and never holds the event loop. It retries by itself what may help at once.

    A text may be any: an empty one is embedded as a blank, one that is too long for the model by its beginning.
    """

    @property
    def name(self) -> str:
        """As it is set: `openai/text-embedding-3-small`. For people; it may hold any printable character."""
        ...

    @property
    def slug(self) -> str:
        """The part of a space's name that stands for it: at most 60 of lower-case letters, digits and `-`.

        Another as soon as the vectors would be others: by another model, prefix or number of dimensions that is set.
        """
        ...

    @property
    def scripts(self) -> Collection[Script] | None:
        """Those that it knows, for `fusion.dense_weight`; None is all."""
        ...

    async def dimensions(self) -> int:
        """Of its vectors, from 1 to 8192. Where they are not set, the first call embeds one word to find out (booked to
        nobody), and who calls again while it is under way shares it; known ones cost nothing. Raises
        EmbedderUnavailable."""
        ...

    async def embed_passages(self, texts: Sequence[str]) -> Embedded:
        """Of passages, for the index; any number of texts, also none, is cut into requests of a bounded size, one after
        the other. Hand in some dozens at once, so that a failure loses little. Raises EmbedderUnavailable."""
        ...

    async def embed_question(self, text: str) -> Embedded:
        """Of what passages are looked for with: one vector. Questions do not wait behind passages here, and are tried
        twice at most; whoever asks sets a limit of time (EMBEDDING_TIMEOUT is for passages). Raises
        EmbedderUnavailable."""
        ...

    async def aclose(self) -> None:
        """Calls under way end with EmbedderUnavailable."""
        ...


class Reranker(Protocol):
    """Reads a question with each passage, and tells which answers it best. It fails open."""

    @property
    def name(self) -> str: ...

    async def order(self, question: str, passages: Sequence[str]) -> Sequence[int]:
        """The numbers of the passages, from 0, the best first; each is there once.

        Never raises: where the server is away, later than RERANK_TIMEOUT or talks nonsense, they stay as they were,
        which is counted and logged. Up to 100 passages are looked at, those behind them stay behind.
        """
        ...

    async def aclose(self) -> None: ...


Inputs = Sequence[str | Sequence[int]]
"""Texts; or all of them cut into the ids of a model's tokens already."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants vectors of, who gets them as they are made: of these texts as they stand, whole and bare."""

    inputs: Inputs
    dimensions: int | None = None
    """How many each is to have; None is as many as the model makes."""
    truncate: bool = False
    """Whether a server that can do so may cut what is too long for its model."""
    packed: bool = False
    """Whether numbers of 32 bits are enough, as they need no longer way than that."""

    @property
    def tokens(self) -> bool:
        return not isinstance(self.inputs[0], str)


@dataclass(frozen=True, slots=True)
class Made:
    """A vector for each input, in their order, all of as many dimensions; `model` is the exact name of what made them,
    and `tokens` what they took. Whoever has sent them, or does not, is to `release` them."""

    model: str
    vectors: "Sequence[array[float]]"
    tokens: int
    release: Callable[[], None]

    @property
    def numbers(self) -> int:
        return sum(map(len, self.vectors))
