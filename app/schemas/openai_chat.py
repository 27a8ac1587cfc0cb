"""The body of OpenAI's chat completions."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from app.core.errors import Invalid
from app.domain.cards import ModelCard
from app.domain.prompts import AnswerFormat, Effort, ModelRequest, Options, Tool, ToolChoice
from app.schemas.door_asking import arguments, refuse_what_nobody_does, tool_choice
from app.schemas.doors import EXAMPLE_MODEL, MOST_ITEMS, DoorBody, Items, JsonObject, Text
from app.schemas.openai_messages import Message, conversation

MOST_TOKENS = 1_000_000
Probability = Annotated[float, Field(ge=0, le=1)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Tokens = Annotated[int, Field(ge=1, le=MOST_TOKENS)]
Name = Annotated[Text, Field(min_length=1, max_length=200)]
Sequences = Annotated[list[Annotated[Text, Field(min_length=1, max_length=1000)]], Field(max_length=16)]
_EXAMPLE: dict[str, Any] = {"model": EXAMPLE_MODEL, "messages": [{"role": "user", "content": "你好 Hello"}]}


class FunctionGiven(DoorBody):
    """A function that the model may have called."""

    name: Name = Field(description="What the model calls it.")
    description: Text | None = Field(None, description="When and how to call it.")
    parameters: JsonObject = Field({}, description="A JSON Schema of its arguments.")
    strict: bool | None = Field(None, description="Whether the arguments have to keep to the schema.")

    def tool(self) -> Tool:
        return Tool(self.name, self.description, arguments(self.parameters), self.strict)


class ToolGiven(DoorBody):
    """A tool; functions are the only kind."""

    type: Literal["function"] = Field("function", description="The only kind.")
    function: FunctionGiven = Field(description="The function.")


class FunctionNamed(DoorBody):
    """A function by its name."""

    name: Name = Field(description="The name of one of `tools`.")


class ToolNamed(DoorBody):
    """The one tool that is to be called."""

    type: Literal["function"] = Field("function", description="The only kind.")
    function: FunctionNamed = Field(description="Which one.")


class JsonSchemaGiven(DoorBody):
    """A JSON Schema that the answer is to keep to."""

    name: Name = Field(description="What the vendor calls it.")
    description: Text | None = Field(None, description="What it is for.")
    schema_: JsonObject = Field(alias="schema", description="The schema.")
    strict: bool | None = Field(None, description="Whether the vendor is to hold the model to it.")


class FormatGiven(DoorBody):
    """Of what form the answer is to be."""

    type: Literal["text", "json_object", "json_schema"] = Field("text", description="Its kind.")
    json_schema: JsonSchemaGiven | None = Field(None, description="With `json_schema`: the schema.")


class StreamOptionsGiven(DoorBody):
    """What a stream is to tell."""

    include_usage: bool = Field(False, description="Whether the last chunk counts the tokens.")


class ChatCompletionBody(DoorBody):
    """A conversation to go on with. Fields that are not named here are passed over."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    model: Name = Field(description="`provider/id` or a bare id, as `GET /v1/models` lists them.")
    messages: Items[Message] = Field(
        min_length=1, max_length=MOST_ITEMS, description="All that was said, the oldest first."
    )
    stream: bool = Field(False, description="Whether to send the answer as it is written.")
    stream_options: StreamOptionsGiven = Field(StreamOptionsGiven(), description="What it is to tell then.")
    max_completion_tokens: Tokens | None = Field(None, description="Bounds the answer.")
    max_tokens: Tokens | None = Field(None, description="The older name of it.")
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(None, description="0 is the most predictable.")
    top_p: Probability | None = Field(None, description="Takes the likeliest words that make up so much.")
    top_k: Annotated[int, Field(ge=1)] | None = Field(None, description="Where a server takes it, as vLLM does.")
    min_p: Probability | None = Field(None, description="Where a server takes it, as vLLM does.")
    stop: Text | Sequences | None = Field(None, description="At which texts to stop.")
    seed: int | None = Field(None, description="Equal ones make equal answers likelier.")
    presence_penalty: Penalty | None = Field(None, description="Against what was said already.")
    frequency_penalty: Penalty | None = Field(None, description="Against what was said often.")
    repetition_penalty: Annotated[float, Field(gt=0, le=2)] | None = Field(None, description="Where a server takes it.")
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = Field(
        None, description="By token id: how much likelier."
    )
    n: int = Field(1, description="Answers; 1 is all there is.")
    logprobs: bool = Field(False, description="Not to be had.")
    top_logprobs: int | None = Field(None, description="Not to be had.")
    response_format: FormatGiven = Field(FormatGiven(), description="Text, or JSON.")
    tools: Items[ToolGiven] = Field([], max_length=512, description="What the model may have called.")
    tool_choice: Literal["none", "auto", "required"] | ToolNamed | None = Field(
        None, description="Whether it is to call one."
    )
    parallel_tool_calls: bool | None = Field(None, description="Whether it may call several at once.")
    functions: Any = Field(None, description="Not to be had: `tools` took their place.")
    function_call: Any = Field(None, description="Not to be had: `tool_choice` took its place.")
    modalities: list[Text] = Field(["text"], description="Text is all there is.")
    audio: Any = Field(None, description="Not to be had.")
    web_search_options: Any = Field(None, description="Not to be had.")
    reasoning_effort: Effort | None = Field(None, description="How much to reason, where a model can.")
    verbosity: Literal["low", "medium", "high"] | None = Field(None, description="How long to answer.")

    def request(self, card: ModelCard) -> ModelRequest:
        """What the model is asked. Raises Invalid and NotSupported."""
        self._refuse_what_nobody_does()
        bound = self.max_completion_tokens or self.max_tokens
        system, messages = conversation(self.messages)
        return ModelRequest(
            model=card,
            messages=messages,
            system_prompt=system,
            max_tokens=min(bound or card.longest_answer, card.max_output_tokens or MOST_TOKENS),
            temperature=self.temperature,
            effort=self.reasoning_effort,
            tools=[given.function.tool() for given in self.tools],
            tool_choice=_choice(self.tool_choice) if self.tools else None,
            parallel_calls=self.parallel_tool_calls,
            options=self.options(),
            bounded=bound is not None,
        )

    def options(self) -> Options:
        """What is asked of the answer beside."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or ()
        return Options(
            top_p=self.top_p,
            top_k=self.top_k,
            min_p=self.min_p,
            stop=tuple(stop),
            seed=self.seed,
            presence_penalty=self.presence_penalty or None,
            frequency_penalty=self.frequency_penalty or None,
            repeat_penalty=self.repetition_penalty,
            logit_bias=self.logit_bias or None,
            verbosity=self.verbosity,
            format=_format(self.response_format),
        )

    def _refuse_what_nobody_does(self) -> None:
        refuse_what_nobody_does(
            {
                "n": self.n != 1,
                "logprobs": self.logprobs,
                "top_logprobs": bool(self.top_logprobs),
                "functions": bool(self.functions),
                "function_call": self.function_call is not None,
                "modalities": self.modalities != ["text"],
                "audio": self.audio is not None,
                "web_search_options": self.web_search_options is not None,
            }
        )


def _choice(given: str | ToolNamed | None) -> ToolChoice | None:
    return ToolChoice("named", given.function.name) if isinstance(given, ToolNamed) else tool_choice(given)


def _format(given: FormatGiven) -> AnswerFormat | None:
    if given.type == "text":
        return None
    if given.type == "json_object":
        return AnswerFormat()
    schema = given.json_schema
    if schema is None:
        raise Invalid("A format of this type has a schema.", field="response_format.json_schema")
    return AnswerFormat(schema.schema_, schema.name, schema.description, schema.strict)
