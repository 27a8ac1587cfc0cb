"""Conversations, messages and generations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Generic, Literal, TypeVar

from app.domain.attachments import Attached
from app.domain.failures import FailureCode
from app.domain.prompts import NO_OPTIONS, Effort, Options, Reasoning

T = TypeVar("T")

Rating = Literal[-1, 1]


class Author(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"


class Status(StrEnum):
    """Of a message and of its generation. A generation leaves STREAMING exactly once."""

    STREAMING = "streaming"
    COMPLETE = "complete"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Conversation:
    """`model` (`provider/id`) answered last. It holds for the next message if a request gave it, as does the prompt.

    `leaf_id` is the message in which the active path ends: the next post goes on from there.
    """

    id: str
    user_id: str
    title: str
    model: str
    model_given: bool
    system_prompt: str | None
    created_at: datetime
    updated_at: datetime
    leaf_id: str | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """What an answer used; `cost` in US dollars, None when the model's price is unknown."""

    input_tokens: int
    output_tokens: int
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Failure:
    code: FailureCode
    detail: str
    retryable: bool
    rejected: bool = False
    """Whether the vendor refused the request itself, and would refuse it again."""
    unknown_model: bool = False
    answered: bool = False
    """Whether it is how an answer ended: the model declined to go on with it."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What its reader thought of an answer."""

    rating: Rating
    comment: str | None


@dataclass(frozen=True, slots=True)
class Message:
    """`position` numbers the messages of a conversation by creation; `parent_id` makes them a tree.

    `branch_id` names the chain that it belongs to by its first message. `sources` is what an answer was given to answer
    from: the payload of its `sources` event.
    """

    id: str
    conversation_id: str
    parent_id: str | None
    position: int
    role: Author
    content: str
    status: Status
    model: str | None
    generation_id: str | None
    bill: Bill | None
    failure: Failure | None
    created_at: datetime
    branch_id: str
    reasoning: Sequence[Reasoning] = ()
    feedback: Feedback | None = None
    sources: str | None = None
    attached: Sequence[Attached] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """Of a message what a model is to know of it, and where it stands."""

    id: str
    role: Author
    content: str
    branch_id: str
    position: int
    model: str | None = None
    reasoning: Sequence[Reasoning] = ()


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a message stands in its conversation; `last` when its branch ends with it."""

    id: str
    parent_id: str | None
    role: Author
    branch_id: str
    position: int
    last: bool


@dataclass(frozen=True, slots=True)
class Question:
    """A user's message that is about to be added."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Generation:
    """The durable side of one run.

    `owner_id` is the instance that runs it and `fence` grows with each change of hands; `last_seq` is the number of its
    last event once it has ended.
    """

    id: str
    user_id: str
    conversation_id: str
    message_id: str
    status: Status
    owner_id: str
    fence: int
    model: str
    last_seq: int
    failure_code: FailureCode | None


@dataclass(frozen=True, slots=True)
class Turn:
    """What a user posts; None means: as the conversation has it, or the default.

    It goes on from the message `parent_id`, else from where the active path ends; or it makes a sibling of the message
    `replaces`: an edited question, or another answer to the same one where it has no `message` of its own.
    """

    message: str | None
    conversation_id: str | None = None
    chat_id: str | None = None
    """What its page calls the conversation that it begins."""
    parent_id: str | None = None
    replaces: str | None = None
    model: str | None = None
    system_prompt: str | None = None
    max_tokens: int = 4096
    temperature: float | None = None
    effort: Effort | None = None
    options: Options = NO_OPTIONS
    file_ids: Sequence[str] = ()
    analysed: bool = False
    """Whether its files are what it is all about, and a model that takes PDFs is to see them as they are."""
    summed_up: bool = False
    """Whether nothing in particular is asked about them."""
    collections: Sequence[str] = ()
    """Names of those to answer from, `passages` of them at most; if it is `strict`, a question that they do not answer
    reaches no model."""
    passages: int = 6
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A slice of a list and where the next one begins."""

    items: Sequence[T]
    next_cursor: str | None
