"""The bodies of Ollama's chat and generate."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from app.core.errors import Invalid, NotSupported
from app.domain.cards import ModelCard
from app.domain.prompts import AnswerFormat, Effort, ModelMessage, ModelRequest, Options, Tool
from app.schemas.door_asking import arguments
from app.schemas.doors import EXAMPLE_MODEL, MOST_ITEMS, DoorBody, Items, JsonObject, JsonValue, Text
from app.schemas.ollama_messages import ChatMessage, conversation, shown

_MOST_TOKENS = 1_000_000
Name = Annotated[Text, Field(min_length=1, max_length=200)]

# Those of our options that have the same name.
_ALIKE = ("top_p", "top_k", "min_p", "seed", "presence_penalty", "frequency_penalty", "repeat_penalty")
# How a machine is to run a model; to whoever runs it elsewhere they say nothing.
_OF_A_MACHINE = frozenset(
    (
        *("numa", "num_ctx", "num_batch", "num_gpu", "main_gpu", "low_vram", "f16_kv", "logits_all", "vocab_only"),
        *("use_mmap", "use_mlock", "embedding_only", "num_thread", "num_keep"),
    )
)


# A stream is shown by the API reference when it has ended; one object is easier to read there.
_EXAMPLE: dict[str, Any] = {"model": EXAMPLE_MODEL, "stream": False}
_CHAT: dict[str, Any] = {**_EXAMPLE, "messages": [{"role": "user", "content": "你好 Hello"}]}
_GENERATE: dict[str, Any] = {**_EXAMPLE, "prompt": "你好 Hello"}


class SamplingGiven(DoorBody):
    """Ollama's options that other vendors have, too; more of them go to an Ollama as they are."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue]

    temperature: Annotated[float, Field(ge=0, le=10)] | None = Field(None, description="0 is the most predictable.")
    top_p: Annotated[float, Field(ge=0, le=1)] | None = Field(None, description="Takes the likeliest words only.")
    top_k: Annotated[int, Field(ge=0)] | None = Field(None, description="Takes so many of the likeliest words.")
    min_p: Annotated[float, Field(ge=0, le=1)] | None = Field(None, description="Takes no words that are less likely.")
    seed: int | None = Field(None, description="Equal ones make equal answers likelier.")
    stop: Text | Annotated[list[Text], Field(max_length=16)] | None = Field(None, description="At which texts to stop.")
    num_predict: Annotated[int, Field(ge=-2, le=_MOST_TOKENS)] | None = Field(None, description="Bounds the answer.")
    presence_penalty: float | None = Field(None, description="Against what was said already.")
    frequency_penalty: float | None = Field(None, description="Against what was said often.")
    repeat_penalty: float | None = Field(None, description="Against repeating.")


class FunctionGiven(DoorBody):
    """A function that the model may have called."""

    name: Name = Field(description="What the model calls it.")
    description: Text | None = Field(None, description="When and how to call it.")
    parameters: JsonObject = Field({}, description="A JSON Schema of its arguments.")


class ToolGiven(DoorBody):
    """A tool; functions are the only kind."""

    type: Literal["function"] = Field("function", description="The only kind.")
    function: FunctionGiven = Field(description="The function.")

    def tool(self) -> Tool:
        given = self.function
        return Tool(given.name, given.description, arguments(given.parameters))


class OllamaBody(DoorBody):
    """What both of Ollama's calls have. Fields that are not named here are passed over."""

    model: Name = Field(description="As `GET /ollama/api/tags` lists them; `:latest` may follow.")
    stream: bool = Field(True, description="Whether to send the answer as it is written, a line of JSON each time.")
    format: Literal["", "json"] | JsonObject | None = Field(None, description="`json`, or a JSON Schema to keep to.")
    options: SamplingGiven = Field(
        SamplingGiven(), description="How to answer: `temperature`, `num_predict`, `stop`, …"
    )
    think: bool | Literal["low", "medium", "high", "max"] | None = Field(
        None, description="Whether to think, or how much."
    )
    keep_alive: float | Text | None = Field(None, description="How long an Ollama is to keep the model in memory.")
    logprobs: bool = Field(False, description="Not to be had.")
    top_logprobs: int | None = Field(None, description="Not to be had.")

    def _request(
        self, card: ModelCard, messages: list[ModelMessage], system: str | None, tools: list[Tool]
    ) -> ModelRequest:
        if self.logprobs or self.top_logprobs:
            raise NotSupported("logprobs", "`logprobs` is not to be had here.")
        sampling = self.options
        bound = sampling.num_predict if sampling.num_predict and sampling.num_predict > 0 else None
        return ModelRequest(
            model=card,
            messages=messages,
            system_prompt=system or None,
            max_tokens=min(bound or card.longest_answer, card.max_output_tokens or _MOST_TOKENS),
            temperature=sampling.temperature,
            effort=_effort(self.think),
            tools=tools,
            options=self._asked(card),
            bounded=bound is not None,
        )

    def _asked(self, card: ModelCard) -> Options:
        sampling = self.options
        values: dict[str, Any] = {name: getattr(sampling, name) for name in _ALIKE}
        if sampling.stop is not None:
            values["stop"] = tuple([sampling.stop] if isinstance(sampling.stop, str) else sampling.stop)
        local = card.provider == "ollama"
        more = {
            name: value for name, value in sampling.__pydantic_extra__.items() if local or name not in _OF_A_MACHINE
        }
        if local and self.keep_alive is not None:
            more["keep_alive"] = self.keep_alive
        return Options(**values, format=_format(self.format), more=more or None)


class OllamaChatBody(OllamaBody):
    """A conversation to go on with; without any message the model is only looked for."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CHAT]})

    messages: Items[ChatMessage] = Field([], max_length=MOST_ITEMS, description="All that was said, the oldest first.")
    tools: Items[ToolGiven] = Field([], max_length=512, description="What the model may have called.")

    @property
    def empty(self) -> bool:
        """Whether nothing is asked."""
        return not self.messages

    def request(self, card: ModelCard) -> ModelRequest:
        """What the model is asked. Raises Invalid and NotSupported."""
        system, messages = conversation(self.messages)
        return self._request(card, messages, system, [given.tool() for given in self.tools])


class OllamaGenerateBody(OllamaBody):
    """A single prompt; without one the model is only looked for."""

    model_config = ConfigDict(json_schema_extra={"examples": [_GENERATE]})

    prompt: Text = Field("", description="What is asked.")
    system: Text | None = Field(None, description="The system prompt.")
    images: Items[Text] = Field([], description="Pictures in base64.")
    suffix: Text | None = Field(None, description="Not to be had: text behind the answer.")
    template: Text | None = Field(None, description="Not to be had: a model's server has its own.")
    raw: bool = Field(False, description="Not to be had: prompts without a template.")
    context: list[int] | None = Field(None, description="Passed over: earlier answers go into the prompt.")

    @property
    def empty(self) -> bool:
        """Whether nothing is asked."""
        return not (self.prompt or self.images)

    def request(self, card: ModelCard) -> ModelRequest:
        """What the model is asked. Raises Invalid and NotSupported."""
        for name, wanted in (("suffix", self.suffix), ("template", self.template), ("raw", self.raw)):
            if wanted:
                raise NotSupported(name, f"`{name}` is not to be had here.")
        return self._request(card, [ModelMessage("user", shown(self.prompt, self.images, "images"))], self.system, [])


def _effort(think: bool | str | None) -> Effort | None:
    if think is None:
        return None
    if isinstance(think, bool):
        return Effort.MEDIUM if think else Effort.NONE
    return Effort(think)


def _format(given: str | dict[str, Any] | None) -> AnswerFormat | None:
    if not given:
        return None
    if isinstance(given, str):
        return AnswerFormat()
    if not isinstance(given, dict):
        raise Invalid("A format is `json`, or a JSON Schema.", field="format")
    return AnswerFormat(given)
