"""Our requests in the words of OpenAI's chat completions, and of DeepSeek's where those differ."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from app.domain.prompts import AnswerFormat, ModelRequest, Options, Tool, ToolChoice
from app.providers.openai.efforts import effort_fields
from app.providers.openai.messages import messages_of
from app.providers.openai.servers import Server, does

# As they are named here, where not as in our Options: vLLM has the first of the two, llama.cpp the second.
_NAMES = {"repeat_penalty": ("repetition_penalty", "repeat_penalty")}
_PLAIN = (
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "repeat_penalty",
    "verbosity",
)
_NOTHING = Options()
_NO_NAME = re.compile(r"[^a-zA-Z0-9_-]")


def chat_body(request: ModelRequest, server: Server) -> dict[str, Any]:
    """The JSON of `POST /chat/completions`."""
    body: dict[str, Any] = {
        "model": request.model.id,
        "messages": messages_of(request.messages, request.system_prompt, with_reasoning=server is Server.DEEPSEEK),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.bounded:
        # OpenAI's own reasoning models refuse the old name; most other servers know only that one.
        body["max_completion_tokens" if server is Server.OFFICIAL else "max_tokens"] = request.max_tokens
    if request.temperature is not None and request.model.takes_temperature:
        body["temperature"] = request.temperature
    if request.tools:
        body |= _calling(request, server)
    if request.options is not _NOTHING:
        body |= _options(request.options, does(server, request.model.id))
    return body | effort_fields(request, server)


def _calling(request: ModelRequest, server: Server) -> dict[str, Any]:
    # DeepSeek holds to schemas at another address only.
    fields: dict[str, Any] = {
        "tools": [_tool(tool, with_strict=server is not Server.DEEPSEEK) for tool in request.tools]
    }
    if (choice := request.tool_choice) is not None and not (server is Server.DEEPSEEK and choice.mode == "auto"):
        fields["tool_choice"] = _choice(choice)
    if request.parallel_calls is not None and "parallel_calls" in does(server, request.model.id):
        fields["parallel_tool_calls"] = request.parallel_calls
    return fields


def _tool(tool: Tool, *, with_strict: bool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    function["parameters"] = parameters_of(tool)
    if with_strict and tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _choice(choice: ToolChoice) -> str | dict[str, Any]:
    if choice.mode == "named":
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode


def _options(options: Options, known: Collection[str]) -> dict[str, Any]:
    """Those that are given; what the server does not know is none (`app.providers.abilities`) and is left out."""
    fields: dict[str, Any] = {
        name: value
        for option in _PLAIN
        if option in known and (value := getattr(options, option)) is not None
        for name in _NAMES.get(option, (option,))
    }
    if options.stop:
        fields["stop"] = list(options.stop)
    if options.logit_bias is not None and "logit_bias" in known:
        fields["logit_bias"] = _biases(options.logit_bias)
    if options.format is not None:
        fields["response_format"] = _format(options.format)
    return fields


def _biases(biases: Mapping[str, float]) -> dict[str, float]:
    """Whole numbers, as OpenAI has them, where they are."""
    return {token: int(bias) if float(bias).is_integer() else bias for token, bias in biases.items()}


def _format(wanted: AnswerFormat) -> dict[str, Any]:
    if wanted.schema is None:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": named_schema(wanted, wanted.schema)}


def named_schema(wanted: AnswerFormat, schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema with all that is told beside it."""
    named: dict[str, Any] = {"name": _NO_NAME.sub("_", wanted.name or "")[:64] or "answer"}
    if wanted.description is not None:
        named["description"] = wanted.description
    named["schema"] = dict(schema)
    if wanted.strict is not None:
        named["strict"] = wanted.strict
    return named


def parameters_of(tool: Tool) -> dict[str, Any]:
    return dict(tool.parameters) or {"type": "object", "properties": {}}
