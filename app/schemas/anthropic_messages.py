"""The bodies of Anthropic's Messages API."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag

from app.core.errors import Invalid, NotSupported
from app.domain import prompts
from app.domain.cards import ModelCard
from app.domain.prompts import (
    AnswerFormat,
    CacheMark,
    Effort,
    ModelMessage,
    ModelRequest,
    Options,
    Thinking,
    Tool,
    ToolChoice,
)
from app.schemas.anthropic_blocks import AssistantBlock, CacheControl, Name, TextBlock, UserBlock, parts_of
from app.schemas.base import Answer
from app.schemas.doors import EXAMPLE_MODEL, MOST_ITEMS, DoorBody, Items, JsonObject, Text

MOST_TOKENS = 1_000_000
Probability = Annotated[float, Field(ge=0, le=1)]
Tokens = Annotated[int, Field(ge=1, le=MOST_TOKENS)]
Sequences = Annotated[list[Annotated[Text, Field(min_length=1, max_length=1000)]], Field(max_length=64)]


_PROMPT: dict[str, Any] = {"model": EXAMPLE_MODEL, "messages": [{"role": "user", "content": "你好 Hello"}]}


class UserMessage(DoorBody):
    """What the user says, and what the tools answered."""

    role: Literal["user"] = Field(description="`user`.")
    content: Text | Annotated[Items[UserBlock], Field(min_length=1)] = Field(description="A text, or blocks.")


class AssistantMessage(DoorBody):
    """What the model said."""

    role: Literal["assistant"] = Field(description="`assistant`.")
    content: Text | Items[AssistantBlock] = Field(description="A text, or blocks.")


class SystemMessage(DoorBody):
    """What is told to the model in the midst of it all."""

    role: Literal["system"] = Field(description="`system`.")
    content: Text | Items[TextBlock] = Field(description="A text, or blocks.")


def _role(given: Any) -> str | None:
    role = given.get("role") if isinstance(given, dict) else getattr(given, "role", None)
    return role if role in ("user", "assistant", "system") else None


Message = Annotated[
    Annotated[UserMessage, Tag("user")]
    | Annotated[AssistantMessage, Tag("assistant")]
    | Annotated[SystemMessage, Tag("system")],
    Discriminator(
        _role, custom_error_type="role", custom_error_message="A message has the `role` user, assistant or system."
    ),
]


class ToolGiven(DoorBody):
    """A tool that the client runs."""

    type: Text = Field("custom", description="`custom`, the only kind: tools of Anthropic's servers are not to be had.")
    name: Name = Field(description="What the model calls it.")
    description: Text | None = Field(None, description="When and how to call it.")
    input_schema: JsonObject | None = Field(None, description="A JSON Schema of its arguments.")
    strict: bool | None = Field(None, description="Whether the arguments have to keep to the schema.")
    cache_control: CacheControl | None = Field(None, description="Keep all up to here in the vendor's cache.")

    def tool(self, at: str) -> Tool:
        if self.type != "custom":
            raise Invalid(f"`{self.name}` is not to be had here: only tools that the client runs.", field=f"{at}.type")
        if self.input_schema is None:
            raise Invalid("A tool has a JSON Schema of its arguments.", field=f"{at}.input_schema")
        mark = self.cache_control.mark() if self.cache_control else None
        return Tool(self.name, self.description, self.input_schema, self.strict, mark)


class ToolChoiceGiven(DoorBody):
    """Whether a tool is to be called."""

    type: Literal["auto", "any", "tool", "none"] = Field(description="As the model likes, any one, this one, or none.")
    name: Name | None = Field(None, description="With `tool`: which.")
    disable_parallel_tool_use: bool = Field(False, description="Whether it may call only one at once.")

    def choice(self) -> ToolChoice:
        match self.type:
            case "any":
                return ToolChoice("required")
            case "tool":
                if self.name is None:
                    raise Invalid("This choice names a tool.", field="tool_choice.name")
                return ToolChoice("named", self.name)
            case "auto" | "none":
                return ToolChoice(self.type)


class ThinkingGiven(DoorBody):
    """How the model is to think."""

    type: Literal["enabled", "adaptive", "disabled", "between_tools"] = Field(description="Whether it is to.")
    budget_tokens: Tokens | None = Field(None, description="With `enabled`: a bound on the thoughts.")
    display: Literal["summarized", "omitted"] | None = Field(None, description="How much of them to show.")

    def thinking(self) -> Thinking:
        if self.type == "enabled" and self.budget_tokens is None:
            raise Invalid("Thinking that is enabled has a budget.", field="thinking.budget_tokens")
        # Between the calls of tools is as little as some models can do with.
        mode = "disabled" if self.type == "between_tools" else self.type
        return Thinking(mode, self.budget_tokens if mode == "enabled" else None, self.display)


class FormatGiven(DoorBody):
    """An answer in JSON."""

    type: Literal["json_schema"] = Field("json_schema", description="The only kind.")
    schema_: JsonObject = Field(alias="schema", description="The JSON Schema that it keeps to.")


class OutputConfig(DoorBody):
    """What the answer is to be like."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = Field(None, description="How much to think.")
    format: FormatGiven | None = Field(None, description="Of what form it is to be.")


class PromptBody(DoorBody):
    """A prompt whose tokens are counted. Fields that are not named here are passed over."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PROMPT]})

    model: Name = Field(description="`provider/id` or a bare id, as `GET /v1/models` lists them.")
    messages: Items[Message] = Field(
        max_length=MOST_ITEMS,
        min_length=1,
        description="All that was said, the oldest first.",
    )
    system: Text | Items[TextBlock] = Field("", description="What comes before it all.")
    tools: Items[ToolGiven] = Field([], max_length=512, description="What the model may have called.")
    tool_choice: ToolChoiceGiven | None = Field(None, description="Whether it is to call one.")
    thinking: ThinkingGiven | None = Field(None, description="How it is to think.")
    output_config: OutputConfig = Field(OutputConfig(), description="Of what form, and with how much effort.")
    output_format: FormatGiven | None = Field(None, description="The older name of `output_config.format`.")
    cache_control: CacheControl | None = Field(None, description="Keep all of it in the vendor's cache.")
    mcp_servers: list[Any] = Field([], description="Not to be had.")
    container: Any = Field(None, description="Not to be had.")

    def request(self, card: ModelCard) -> ModelRequest:
        """What the model is asked. Raises Invalid and NotSupported."""
        for name in ("mcp_servers", "container"):
            if getattr(self, name):
                raise NotSupported(name, f"`{name}` is not to be had here.")
        tools, choice = [given.tool(f"tools[{i}]") for i, given in enumerate(self.tools)], self.tool_choice
        system_prompt, system_parts = _system(self.system)
        return ModelRequest(
            model=card,
            messages=self._said(),
            system_prompt=system_prompt,
            max_tokens=card.longest_answer,
            temperature=None,
            effort=Effort(self.output_config.effort) if self.output_config.effort else None,
            tools=tools,
            tool_choice=choice.choice() if choice and tools else None,
            parallel_calls=False if choice and choice.disable_parallel_tool_use else None,
            options=Options(thinking=self.thinking.thinking() if self.thinking else None, format=self._format()),
            system_parts=system_parts,
            bounded=False,
        )

    def _said(self) -> Sequence[ModelMessage]:
        said = [_message(each, f"messages[{i}].content") for i, each in enumerate(self.messages)]
        if self.cache_control is not None:
            last = said[-1]
            said[-1] = replace(last, content=[*last.parts, self.cache_control.mark()])
        return said

    def _format(self) -> AnswerFormat | None:
        given = self.output_config.format or self.output_format
        return AnswerFormat(given.schema_) if given else None


class MessagesBody(PromptBody):
    """A conversation to go on with. Fields that are not named here are passed over."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_PROMPT, "max_tokens": 1024}]})

    max_tokens: Tokens = Field(description="Bounds the answer, and what is thought before it.")
    stream: bool = Field(False, description="Whether to send the answer as it is written.")
    temperature: Probability | None = Field(None, description="0 is the most predictable.")
    top_p: Probability | None = Field(None, description="Takes the likeliest words that make up so much.")
    top_k: Annotated[int, Field(ge=0)] | None = Field(None, description="Takes so many of the likeliest words.")
    stop_sequences: Sequences = Field([], description="At which texts to stop.")

    def request(self, card: ModelCard) -> ModelRequest:
        prompt = super().request(card)
        options = replace(prompt.options, top_p=self.top_p, top_k=self.top_k or None, stop=tuple(self.stop_sequences))
        return replace(
            prompt,
            max_tokens=min(self.max_tokens, card.max_output_tokens or MOST_TOKENS),
            temperature=self.temperature,
            options=options,
            bounded=True,
        )


class TokenCount(Answer):
    """How long a prompt is."""

    input_tokens: int = Field(description="Its tokens: counted by the vendor where it is Anthropic, else estimated.")


def _message(message: Message, at: str) -> ModelMessage:
    if isinstance(message.content, str):
        return ModelMessage(message.role, message.content)
    return ModelMessage(message.role, parts_of(message.content, at))


def _system(given: str | Sequence[TextBlock]) -> tuple[str | None, Sequence[prompts.Text | CacheMark]]:
    """All of it, and the same in parts where there are marks in it."""
    if isinstance(given, str):
        return given or None, ()
    prompt = "\n\n".join(block.text for block in given) or None
    if not any(block.cache_control for block in given):
        return prompt, ()
    parts: list[prompts.Text | CacheMark] = []
    for block in given:
        if parts and isinstance(parts[-1], prompts.Text):
            parts.append(prompts.Text("\n\n"))
        parts += [prompts.Text(block.text), *block.marks()]
    return prompt, parts
