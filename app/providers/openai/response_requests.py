"""Our requests in the words of OpenAI's Responses API."""

from typing import Any

from app.domain.prompts import AnswerFormat, Effort, ModelRequest, Options, Tool, ToolChoice
from app.providers.openai.efforts import wished
from app.providers.openai.models import family
from app.providers.openai.requests import named_schema, parameters_of
from app.providers.openai.response_items import items_of
from app.providers.openai.servers import responses_do


def response_body(request: ModelRequest, *, summarised: bool = True) -> dict[str, Any]:
    """The JSON of `POST /responses`, for an answer that OpenAI does not keep: what was thought goes back sealed.

    `summarised` is whether the account may see what its models think.
    """
    body: dict[str, Any] = {
        "model": request.model.id,
        "input": items_of(request.messages),
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }
    if request.system_prompt:
        body["instructions"] = request.system_prompt
    if request.bounded:
        body["max_output_tokens"] = request.max_tokens
    if request.temperature is not None and request.model.takes_temperature:
        body["temperature"] = request.temperature
    if request.options.top_p is not None and "top_p" in responses_do(request.model.id):
        body["top_p"] = request.options.top_p
    if text := _text(request.options):
        body["text"] = text
    if request.model.reasons and (reasoning := _reasoning(request, summarised=summarised)):
        body["reasoning"] = reasoning
    return body | _calling(request)


def _calling(request: ModelRequest) -> dict[str, Any]:
    fields: dict[str, Any] = {"tools": list(map(_tool, request.tools))}
    if request.tool_choice is not None:
        fields["tool_choice"] = _choice(request.tool_choice)
    if request.parallel_calls is not None:
        fields["parallel_tool_calls"] = request.parallel_calls
    return fields


def _tool(tool: Tool) -> dict[str, Any]:
    described = {} if tool.description is None else {"description": tool.description}
    # Here, unlike in chat completions, a tool is strict of which nothing is said.
    strict = {"parameters": parameters_of(tool), "strict": bool(tool.strict)}
    return {"type": "function", "name": tool.name, **described, **strict}


def _choice(choice: ToolChoice) -> str | dict[str, Any]:
    return {"type": "function", "name": choice.name} if choice.mode == "named" else choice.mode


def _text(options: Options) -> dict[str, Any]:
    text: dict[str, Any] = {} if options.verbosity is None else {"verbosity": options.verbosity}
    return text if options.format is None else text | {"format": _format(options.format)}


def _format(wanted: AnswerFormat) -> dict[str, Any]:
    if wanted.schema is None:
        return {"type": "json_object"}
    return {"type": "json_schema", **named_schema(wanted, wanted.schema)}


def _reasoning(request: ModelRequest, *, summarised: bool) -> dict[str, Any]:
    effort, thinking = wished(request), request.options.thinking
    fields: dict[str, Any] = {}
    if effort is not None:
        effort = family(request.model.id).nearest(effort, Effort.MAX)
        fields["effort"] = effort.value
    omitted = thinking is not None and thinking.display == "omitted"
    if summarised and not omitted and effort is not Effort.NONE:
        fields["summary"] = "auto"
    return fields
