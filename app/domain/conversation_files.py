"""A conversation as a file of its own: what is told when one is carried off, and read when it is brought back.

Ids within are names within: they tie messages together and mean nothing beyond. The names and the order of the fields
are what files in people's hands have; they change only with VERSION.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from app.domain.chat import Author, Conversation, Message, Rating, Status
from app.domain.failures import FailureCode
from app.domain.prompts import Reasoning

FORMAT = "ai-backend.conversation"
VERSION = 1
MOST_MESSAGES = 20_000
"""That one file may have."""

_MOST_TOKENS = 10**12
_MOST_BLOCKS = 10_000

_Name = Annotated[str, Meta(min_length=1, max_length=100)]
_Id = Annotated[str, Meta(min_length=1, max_length=36)]
_Tokens = Annotated[int, Meta(ge=0, le=_MOST_TOKENS)]
_Place = Annotated[int, Meta(ge=0, le=10**9)]
_Time = Annotated[datetime, Meta(tz=True)]
_ModelName = Annotated[str, Meta(max_length=255)]


_EXAMPLE = {
    "format": FORMAT,
    "version": VERSION,
    "conversation": {"title": "你好 Hello"},
    "messages": [
        {"id": "1", "role": "user", "content": "你好 Hello"},
        {"id": "2", "parent_id": "1", "role": "assistant", "content": "Hello! 你好!"},
    ],
}
_FIRST_YEAR, _LAST_YEAR = 1970, 9998


class _Part(Struct, forbid_unknown_fields=True, gc=False):
    """What is read runs through `__post_init__`, which is Python: so a thread that reads a long file lets others
    run meanwhile."""


class ReasoningPart(_Part):
    text: Annotated[str, Meta(description="What was thought.")] = ""
    signature: Annotated[str | None, Meta(description="Its vendor's seal on the text.")] = None
    redacted: Annotated[str | None, Meta(description="What the vendor shows only encrypted.")] = None

    def __post_init__(self) -> None:
        if not (self.text or self.signature or self.redacted):
            raise ValueError("Says nothing")

    @classmethod
    def all_of(cls, reasoning: Sequence[Reasoning]) -> "list[ReasoningPart] | None":
        said = [each for each in reasoning if each.text or each.signature or each.redacted]
        return [ReasoningPart(each.text, each.signature, each.redacted) for each in said] or None


class UsagePart(_Part):
    input_tokens: Annotated[_Tokens, Meta(description="What the model has read.")]
    output_tokens: Annotated[_Tokens, Meta(description="What it has written.")]
    cost: Annotated[
        Annotated[str, Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,12})?$")] | None,
        Meta(description="US dollars as a decimal string; null when the price is unknown."),
    ] = None


class ErrorPart(_Part):
    code: Annotated[FailureCode, Meta(description="The stable machine word.")]
    detail: Annotated[Annotated[str, Meta(max_length=500)], Meta(description="For people.")]
    retryable: Annotated[bool, Meta(description="Whether asking again might have succeeded.")]


class FeedbackPart(_Part):
    rating: Annotated[Rating, Meta(description="What its reader thought of it.")]
    comment: Annotated[
        Annotated[str, Meta(max_length=10_000)] | None, Meta(description="And why; null for nothing.")
    ] = None


class AttachedPart(_Part):
    """A file that came with a question, where it comes from; the file itself is not in here."""

    file_id: Annotated[_Id, Meta(description="The file's id, a uuid.")]
    name: Annotated[Annotated[str, Meta(max_length=255)], Meta(description="What it was called.")]


class UsedPart(_Part):
    file_id: Annotated[_Id, Meta(description="The file's id, a uuid.")]
    name: Annotated[Annotated[str, Meta(max_length=255)], Meta(description="What it was called.")]
    used: Annotated[Annotated[str, Meta(max_length=32)], Meta(description="How the model was shown it.")]
    reason: Annotated[Annotated[str, Meta(max_length=32)] | None, Meta(description="Why it was not.")] = None


class SourcePart(_Part):
    n: Annotated[Annotated[int, Meta(ge=1, le=1000)], Meta(description="The number by which the answer names it.")]
    title: Annotated[Annotated[str, Meta(max_length=500)], Meta(description="The document's title.")]
    score: Annotated[Annotated[float, Meta(ge=0, le=1)], Meta(description="Good for the order of these alone.")]
    page: Annotated[_Place, Meta(description="The page, from 1.")]
    quote: Annotated[Annotated[str, Meta(max_length=2000)], Meta(description="What the page says there.")]
    start: Annotated[_Place | None, Meta(description="Where on the page the quote begins.")] = None
    end: Annotated[_Place | None, Meta(description="And where it ends.")] = None
    file_id: Annotated[_Id | None, Meta(description="The file's id, a uuid.")] = None
    document_id: Annotated[_Id | None, Meta(description="The document's id, a uuid.")] = None
    chunk_id: Annotated[_Id | None, Meta(description="The passage's id, a uuid.")] = None


class SourcesPart(_Part):
    """What an answer was given to answer from."""

    sources: Annotated[Annotated[list[SourcePart], Meta(max_length=100)], Meta(description="The passages.")] = []
    answerable: Annotated[bool | None, Meta(description="Whether they held the answer.")] = None
    confidence: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None, Meta(description="How sure that was, from 0 to 1.")
    ] = None
    files: Annotated[
        Annotated[list[UsedPart], Meta(max_length=100)] | None, Meta(description="What became of files.")
    ] = None
    collections: Annotated[
        Annotated[list[_Id], Meta(max_length=100)] | None, Meta(description="What was searched: ids, uuids.")
    ] = None

    @classmethod
    def stored(cls, sources: str | None) -> "SourcesPart | None":
        return msgspec.json.decode(sources, type=SourcesPart) if sources else None


class MessagePart(_Part):
    """One message of the tree."""

    id: Annotated[_Name, Meta(description="Its name in this file; a uuid, as we write it.")]
    role: Annotated[Author, Meta(description="Who speaks.")]
    content: Annotated[str, Meta(description="What was said.")]
    parent_id: Annotated[_Name | None, Meta(description="The message before it, a uuid; null for a beginning.")] = None
    reasoning: Annotated[
        Annotated[list[ReasoningPart], Meta(max_length=_MOST_BLOCKS)] | None,
        Meta(description="What the model thought before, in blocks with its vendor's signatures."),
    ] = None
    status: Annotated[
        Status, Meta(description="How the answer stands; one that is `streaming` holds its text so far.")
    ] = Status.COMPLETE
    model: Annotated[_ModelName | None, Meta(description="Who answered, as `provider/id`.")] = None
    created_at: Annotated[_Time | None, Meta(description="When it was sent, or begun.")] = None
    usage: Annotated[UsagePart | None, Meta(description="What the answer used.")] = None
    error: Annotated[ErrorPart | None, Meta(description="Why the answer failed.")] = None
    feedback: Annotated[FeedbackPart | None, Meta(description="What its reader thought of it.")] = None
    files: Annotated[
        Annotated[list[AttachedPart], Meta(max_length=20)] | None, Meta(description="What came with a question.")
    ] = None
    sources: Annotated[SourcesPart | None, Meta(description="What the answer was given to answer from.")] = None

    def __post_init__(self) -> None:
        self.created_at = _utc(self.created_at)

    @classmethod
    def of(cls, message: Message) -> "MessagePart":
        bill, failure, feedback = message.bill, message.failure, message.feedback
        return MessagePart(
            id=message.id,
            parent_id=message.parent_id,
            role=message.role,
            content=message.content,
            reasoning=ReasoningPart.all_of(message.reasoning),
            status=message.status,
            model=message.model,
            created_at=message.created_at,
            usage=UsagePart(bill.input_tokens, bill.output_tokens, decimal(bill.cost)) if bill else None,
            error=ErrorPart(failure.code, failure.detail, failure.retryable) if failure else None,
            feedback=FeedbackPart(feedback.rating, feedback.comment) if feedback else None,
            files=[AttachedPart(each.file_id, each.name) for each in message.attached] or None,
            sources=SourcesPart.stored(message.sources),
        )


class CompactionPart(_Part):
    """What stands, in prompts, for a path up to one message."""

    message_id: Annotated[_Name, Meta(description="The last message that it stands for, a uuid.")]
    tokens: Annotated[_Tokens, Meta(description="About how many those messages took.")]
    summary: Annotated[str | None, Meta(description="What a model made of them; null: they are left out.")] = None
    model: Annotated[_ModelName | None, Meta(description="Who summarised, as `provider/id`.")] = None
    created_at: Annotated[_Time | None, Meta(description="When.")] = None

    def __post_init__(self) -> None:
        self.created_at = _utc(self.created_at)


class ConversationPart(_Part):
    """The conversation without what was said in it."""

    title: Annotated[Annotated[str, Meta(max_length=200)], Meta(description="Its title.")]
    id: Annotated[_Name | None, Meta(description="Its name where it comes from, a uuid.")] = None
    model: Annotated[_ModelName | None, Meta(description="The model that answered last, as `provider/id`.")] = None
    model_given: Annotated[bool, Meta(description="Whether that one is to answer next, too.")] = False
    system_prompt: Annotated[
        Annotated[str, Meta(max_length=200_000)] | None,
        Meta(description="What the model is told before all that is said."),
    ] = None
    created_at: Annotated[_Time | None, Meta(description="When it began.")] = None
    updated_at: Annotated[_Time | None, Meta(description="When something was last said in it.")] = None
    leaf_id: Annotated[
        _Name | None, Meta(description="The message in which the active path ends, a uuid; null: the newest.")
    ] = None

    def __post_init__(self) -> None:
        self.created_at, self.updated_at = _utc(self.created_at), _utc(self.updated_at)

    @classmethod
    def of(cls, conversation: Conversation, leaf_id: str | None) -> "ConversationPart":
        return ConversationPart(
            id=conversation.id,
            title=conversation.title,
            model=conversation.model,
            model_given=conversation.model_given,
            system_prompt=conversation.system_prompt,
            created_at=conversation.created_at,
            updated_at=conversation.updated_at,
            leaf_id=leaf_id,
        )


class ConversationFile(_Part):
    """A conversation to carry off and to bring back: all that was said in it, branches and all."""

    format: Annotated[Literal["ai-backend.conversation"], Meta(description="What this is.")]
    version: Annotated[Literal[1], Meta(description="Of this form.")]
    conversation: Annotated[ConversationPart, Meta(description="The conversation itself.")]
    messages: Annotated[
        Annotated[list[MessagePart], Meta(max_length=MOST_MESSAGES)],
        Meta(description="The whole tree; as we write it, by creation."),
    ]
    exported_at: Annotated[_Time | None, Meta(description="When this was made.")] = None
    compactions: Annotated[
        Annotated[list[CompactionPart], Meta(max_length=MOST_MESSAGES)],
        Meta(description="What stands for older messages where a model could not hold all."),
    ] = []


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError(f"A time has to be after {_FIRST_YEAR}")
    return moment.astimezone(UTC)


def decimal(cost: Decimal | None) -> str | None:
    """US dollars, written out."""
    return None if cost is None else format(cost.normalize(), "f")


def schemas() -> Mapping[str, Mapping[str, Any]]:
    """For the API description: the file and its parts by name."""
    _, parts = msgspec.json.schema_components([ConversationFile], ref_template="#/components/schemas/{name}")
    return {**parts, ConversationFile.__name__: {**parts[ConversationFile.__name__], "examples": [_EXAMPLE]}}


def encode(part: Struct) -> bytes:
    """As JSON."""
    return msgspec.json.encode(part)
