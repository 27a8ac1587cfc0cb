"""The bodies of chat: what is posted, and a whole answer."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from app.domain.cards import Input
from app.domain.chat import Status, Turn
from app.domain.prompts import Effort
from app.schemas.base import Answer, Body, EntityId, Id, NextCursor, Text, storable

DEFAULT_TOKENS = 4096
MAX_TOKENS = 1_000_000


def _empty_is_absent(value: object) -> object:
    return None if value == "" else value


OptionalId = Annotated[EntityId | None, BeforeValidator(_empty_is_absent)]
OptionalName = Annotated[Text | None, BeforeValidator(_empty_is_absent)]
Prompt = Annotated[str, Field(max_length=200_000), AfterValidator(storable)]
Collection = Annotated[str, Field(max_length=200), AfterValidator(storable)]
OptionalCollection = Annotated[Collection | None, BeforeValidator(_empty_is_absent)]
# By query everything is text, and an empty value is one that a form left out.
QueryTokens = Annotated[int, BeforeValidator(lambda given: DEFAULT_TOKENS if given == "" else given)]

_EXAMPLE: dict[str, Any] = {"message": "用三句话介绍一下你自己。 Introduce yourself in three sentences."}


class ChatBody(Body):
    """A message to a model. Only `message` is needed."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    message: Text = Field(
        description="What the user says; at most MAX_MESSAGE_CHARS characters.", json_schema_extra={"pattern": r"\S"}
    )
    conversation_id: OptionalId = Field(None, description="The conversation to go on with; none begins a new one.")
    model: OptionalName = Field(
        None, description="`provider/id` or a bare id; stays with the conversation until another is named."
    )
    system_prompt: Prompt | None = Field(
        None, description="Stays with the conversation until another is given; empty clears it."
    )
    # Strict: else `true` would be the number 1.
    max_tokens: int = Field(DEFAULT_TOKENS, ge=1, le=MAX_TOKENS, strict=True, description="Bounds the answer.")
    temperature: float | None = Field(
        None, ge=0, le=2, allow_inf_nan=False, strict=True, description="0 is the most predictable."
    )
    reasoning_effort: Effort | None = Field(
        None,
        description="How much to reason before answering, where a model can; absent: as its vendor likes.",
    )
    file_ids: list[EntityId] = Field([], max_length=20, description="Uploaded files that the message is about.")
    collection: OptionalCollection = Field(None, description="Documents to answer from.")
    parent_id: OptionalId = Field(None, description="The message to continue from; none continues the active path.")

    def turn(self) -> Turn:
        return Turn(
            message=self.message,
            conversation_id=self.conversation_id,
            parent_id=self.parent_id,
            model=self.model,
            system_prompt=self.system_prompt,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            effort=self.reasoning_effort,
            file_ids=self.file_ids,
            collections=[self.collection] if self.collection else (),
        )


class RegenerateBody(Body):
    """How another answer is to be written; nothing is needed."""

    model: OptionalName = Field(
        None, description="`provider/id` or a bare id; stays with the conversation until another is named."
    )
    max_tokens: int = Field(DEFAULT_TOKENS, ge=1, le=MAX_TOKENS, strict=True, description="Bounds the answer.")
    temperature: float | None = Field(
        None, ge=0, le=2, allow_inf_nan=False, strict=True, description="0 is the most predictable."
    )
    reasoning_effort: Effort | None = Field(None, description="How much to reason before answering.")
    collection: OptionalCollection = Field(None, description="Documents to answer from.")

    def turn(self, conversation_id: str, message_id: str) -> Turn:
        return self._turn(None, conversation_id, message_id)

    def _turn(self, message: str | None, conversation_id: str, replaces: str) -> Turn:
        return Turn(
            message=message,
            conversation_id=conversation_id,
            replaces=replaces,
            model=self.model,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            effort=self.reasoning_effort,
            collections=[self.collection] if self.collection else (),
        )


class EditBody(RegenerateBody):
    """What the user would rather have said."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    message: Text = Field(
        description="What is said instead; at most MAX_MESSAGE_CHARS characters.", json_schema_extra={"pattern": r"\S"}
    )

    def turn(self, conversation_id: str, message_id: str) -> Turn:
        return self._turn(self.message, conversation_id, message_id)


class ChatQuery(BaseModel):
    """The same by query, for EventSource, which can only GET. Unknown names are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    # Its default is not described: it stands for none, which only a request that resumes may have.
    message: Text = Field(
        default_factory=str,
        description="What the user says. It is needed, unless `Last-Event-ID` is sent.",
        examples=["你好 Hello"],
        json_schema_extra={"pattern": r"\S"},
    )
    conversation_id: OptionalId = Field(None, description="The conversation to go on with; none begins a new one.")
    model: OptionalName = Field(None, description="`provider/id` or a bare id.")
    model_name: OptionalName = Field(None, description="Another name for `model`.")
    system_prompt: Prompt | None = Field(None, description="Stays with the conversation until another is given.")
    max_tokens: QueryTokens = Field(DEFAULT_TOKENS, ge=1, le=MAX_TOKENS, description="Bounds the answer.")
    temperature: float | None = Field(None, ge=0, le=2, allow_inf_nan=False, description="0 is the most predictable.")
    reasoning_effort: Annotated[Effort | None, BeforeValidator(_empty_is_absent)] = Field(
        None, description="How much to reason before answering, where a model can."
    )
    file_ids: list[EntityId] = Field([], max_length=20, description="Uploaded files that the message is about.")
    collection: OptionalCollection = Field(None, description="Documents to answer from.")
    parent_id: OptionalId = Field(None, description="The message to continue from; none continues the active path.")

    def turn(self) -> Turn:
        return Turn(
            message=self.message,
            conversation_id=self.conversation_id,
            parent_id=self.parent_id,
            model=self.model or self.model_name,
            system_prompt=self.system_prompt,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            effort=self.reasoning_effort,
            file_ids=self.file_ids,
            collections=[self.collection] if self.collection else (),
        )


class UsageAnswer(Answer):
    input_tokens: int = Field(description="What the model has read, all that was said before among it.")
    output_tokens: int = Field(description="What the model has written, its reasoning among it.")
    cost: str | None = Field(description="US dollars as a decimal string; null when the price is unknown.")


class ReplyAnswer(Answer):
    reply: str = Field(description="The answer; what was written of it, where it was stopped.")
    conversation_id: Id = Field(description="The conversation that it belongs to; send it to go on.")
    message_id: Id = Field(description="The answer's own message.")
    generation_id: Id = Field(description="The run that wrote it.")
    model: str = Field(description="Who answered, as `provider/id`.")
    status: Status = Field(description="`complete`, or `stopped` for a part.")
    usage: UsageAnswer | None = Field(description="What it used; null where that is not known.")


class StopAnswer(Answer):
    generation_id: Id = Field(description="The run that is to stop.")
    status: Status = Field(description="How it stands now; one that had ended stays as it was.")


class ModelAnswer(Answer):
    id: str = Field(description="The exact name, `provider/id`.")
    model: str = Field(description="The vendor's own id.")
    provider: str = Field(description="Who serves it.")
    context_window: int | None = Field(description="Tokens, prompt and answer together; null when unknown.")
    max_output_tokens: int | None = Field(description="Tokens of an answer at most; null when unknown.")
    inputs: list[Input] = Field(description="What a message to it may hold.")
    reasons: bool = Field(description="Whether `reasoning_effort` means anything to it.")
    default: bool = Field(description="Whether it answers when no model is named.")


class ModelsAnswer(Answer):
    items: list[ModelAnswer] = Field(description="The models of this page.")
    next_cursor: NextCursor = None
