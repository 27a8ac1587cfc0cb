"""The body of OpenAI's responses."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from app.core.errors import Invalid, NotSupported
from app.domain.cards import ModelCard
from app.domain.prompts import AnswerFormat, Effort, ModelRequest, Options, Tool, ToolChoice
from app.schemas.door_asking import arguments, refuse_what_nobody_does, tool_choice
from app.schemas.doors import EXAMPLE_MODEL, MOST_ITEMS, DoorBody, Items, JsonObject, Text
from app.schemas.openai_chat import MOST_TOKENS, Name, Probability, Tokens
from app.schemas.openai_items import InputItem, conversation

_SEALS = "reasoning.encrypted_content"
_LOGPROBS = "message.output_text.logprobs"


class ResponsesToolGiven(DoorBody):
    """A function that the model may have called; those that OpenAI itself runs are not to be had."""

    type: Text = Field(description="`function`, the only kind.")
    name: Name | None = Field(None, description="What the model calls it.")
    description: Text | None = Field(None, description="When and how to call it.")
    parameters: JsonObject = Field({}, description="A JSON Schema of its arguments.")
    strict: bool | None = Field(None, description="Whether the arguments have to keep to the schema.")

    def tool(self, number: int) -> Tool:
        """Raises NotSupported."""
        if self.type != "function" or self.name is None:
            raise NotSupported(f"tools[{number}]", "Functions with a name are the only tools that are to be had here.")
        return Tool(self.name, self.description, arguments(self.parameters), self.strict)


class ResponsesToolNamed(DoorBody):
    """The one tool that is to be called."""

    type: Literal["function"] = Field(description="The only kind.")
    name: Name = Field(description="The name of one of `tools`.")


class ResponsesFormatGiven(DoorBody):
    """Of what form the answer is to be."""

    type: Literal["text", "json_object", "json_schema"] = Field("text", description="Its kind.")
    name: Name | None = Field(None, description="With `json_schema`: what the vendor calls it.")
    description: Text | None = Field(None, description="With `json_schema`: what it is for.")
    schema_: JsonObject | None = Field(None, alias="schema", description="With `json_schema`: the schema.")
    strict: bool | None = Field(None, description="With `json_schema`: whether the vendor is to hold the model to it.")

    def format(self) -> AnswerFormat | None:
        """Raises Invalid for a schema without a name, or for none."""
        match self.type:
            case "text":
                return None
            case "json_object":
                return AnswerFormat()
            case _ if self.schema_ is None:
                raise Invalid("A format of this type has a schema.", field="text.format.schema")
            case _ if self.name is None:
                raise Invalid("A schema has a name.", field="text.format.name")
            case _:
                return AnswerFormat(self.schema_, self.name, self.description, self.strict)


class ResponsesTextGiven(DoorBody):
    """How the answer is to be written."""

    format: ResponsesFormatGiven = Field(ResponsesFormatGiven(), description="Of what form it is to be.")
    verbosity: Literal["low", "medium", "high"] | None = Field(None, description="How long to answer.")


class ResponsesReasoningGiven(DoorBody):
    """How to reason."""

    effort: Effort | None = Field(None, description="How much, where a model can.")
    summary: Text | None = Field(None, description="Thoughts are told wherever a vendor tells them.")


class ResponsesBody(DoorBody):
    """What is to be answered. Fields that are not named here are passed over."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"model": EXAMPLE_MODEL, "input": "你好 Hello"}]})

    model: Name = Field(description="`provider/id` or a bare id, as `GET /v1/models` lists them.")
    input: Text | Annotated[Items[InputItem], Field(max_length=MOST_ITEMS)] = Field(
        description="A text, or items: messages, calls and their results."
    )
    instructions: Text | None = Field(None, description="The system prompt, of this response alone.")
    include: Items[Text] = Field(
        [],
        max_length=100,
        description=f"With `{_SEALS}` thoughts come with what seals them, for clients that send them back. All else is "
        "of tools that are not to be had here, and passed over.",
    )
    previous_response_id: Text | None = Field(None, description="A stored response to go on from.")
    store: bool | None = Field(None, description="Whether to keep it; what no conversation can hold is not kept.")
    stream: bool = Field(False, description="Whether to send the answer as it is written.")
    max_output_tokens: Tokens | None = Field(None, description="Bounds the answer.")
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(None, description="0 is the most predictable.")
    top_p: Probability | None = Field(None, description="Takes the likeliest words that make up so much.")
    top_logprobs: int | None = Field(None, description="Not to be had.")
    tools: Items[ResponsesToolGiven] = Field([], max_length=512, description="What the model may have called.")
    tool_choice: Literal["none", "auto", "required"] | ResponsesToolNamed | None = Field(
        None, description="Whether it is to call one."
    )
    parallel_tool_calls: bool | None = Field(None, description="Whether it may call several at once.")
    text: ResponsesTextGiven = Field(ResponsesTextGiven(), description="Its form, and its length.")
    reasoning: ResponsesReasoningGiven = Field(ResponsesReasoningGiven(), description="How much.")
    metadata: JsonObject | None = Field(None, description="Is given back with the response.")
    background: bool = Field(False, description="Not to be had.")
    conversation: Any = Field(None, description="Not to be had: `X-Conversation-ID` names a conversation.")
    prompt: Any = Field(None, description="Not to be had.")

    @property
    def with_seals(self) -> bool:
        return _SEALS in self.include

    def request(self, card: ModelCard) -> ModelRequest:
        """What the model is asked, without what was said before. Raises Invalid and NotSupported."""
        self._refuse_what_nobody_does()
        system, messages = conversation(self.input, self.instructions)
        bound = self.max_output_tokens
        return ModelRequest(
            model=card,
            messages=messages,
            system_prompt=system,
            max_tokens=min(bound or card.longest_answer, card.max_output_tokens or MOST_TOKENS),
            temperature=self.temperature,
            effort=self.reasoning.effort,
            tools=[given.tool(number) for number, given in enumerate(self.tools)],
            tool_choice=_choice(self.tool_choice) if self.tools else None,
            parallel_calls=self.parallel_tool_calls,
            options=Options(top_p=self.top_p, verbosity=self.text.verbosity, format=self.text.format.format()),
            bounded=bound is not None,
        )

    def _refuse_what_nobody_does(self) -> None:
        refuse_what_nobody_does(
            {
                "include": _LOGPROBS in self.include,
                "top_logprobs": bool(self.top_logprobs),
                "background": self.background,
                "conversation": self.conversation is not None,
                "prompt": self.prompt is not None,
            }
        )


def _choice(given: str | ResponsesToolNamed | None) -> ToolChoice | None:
    return ToolChoice("named", given.name) if isinstance(given, ResponsesToolNamed) else tool_choice(given)
