"""Our requests in the words of Ollama's own chat route."""

from collections.abc import Mapping
from typing import Any

from app.domain.prompts import ModelRequest, Options, Tool
from app.providers.ollama.messages import spelled
from app.providers.ollama.thinking import ThinkValues, think

# Those that it calls as we do.
_OPTIONS = (
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "repeat_penalty",
)
_BESIDE = ("keep_alive",)
"""What of a client's own wishes stands beside Ollama's options, not among them."""


def chat_body(request: ModelRequest, *, context_tokens: int, think_values: ThinkValues) -> dict[str, Any]:
    """The JSON of `POST /api/chat`; `context_tokens` for a card that does not say how long its context is.

    Raises GenerationFailure for what no Ollama model reads.
    """
    messages = list(spelled(request.messages))
    if request.system_prompt:
        messages.insert(0, {"role": "system", "content": request.system_prompt})
    body: dict[str, Any] = {
        "model": request.model.id,
        "messages": messages,
        "stream": True,
        "options": _options(request, request.model.context_window or context_tokens),
        # What is too long after all is to be an error, not a question cut in two; old versions do not know this yet.
        "truncate": False,
    }
    if request.tools and not (request.tool_choice and request.tool_choice.mode == "none"):
        body["tools"] = [_tool(tool) for tool in request.tools]
    if (wanted := request.options.format) is not None:
        body["format"] = "json" if wanted.schema is None else wanted.schema
    if request.model.reasons and (wish := think(request.effort, request.options.thinking, think_values)) is not None:
        body["think"] = wish
    more = request.options.more or {}
    return body | {name: more[name] for name in _BESIDE if name in more}


def _options(request: ModelRequest, window: int) -> dict[str, Any]:
    """Without `num_ctx` Ollama takes its own default, often 4096, whatever the model can do, and forgets the beginning
    of the conversation without a word. Another value than that of the last request would load the model anew."""
    asked = request.options
    more = {name: value for name, value in (asked.more or {}).items() if name not in _BESIDE}
    options: dict[str, Any] = {**more, "num_ctx": _context(more, window)}
    options.pop("num_predict", None)
    if request.bounded:
        options["num_predict"] = min(request.max_tokens, options["num_ctx"])
    if request.temperature is not None and request.model.takes_temperature:
        options["temperature"] = request.temperature
    return options | _given(asked)


def _given(asked: Options) -> dict[str, Any]:
    given = {name: value for name in _OPTIONS if (value := getattr(asked, name)) is not None}
    return given | {"stop": list(asked.stop)} if asked.stop else given


def _context(more: Mapping[str, Any], window: int) -> int:
    """A client that names a context gets it, within what one may take of the server's memory."""
    wish = more.get("num_ctx")
    return min(wish, window) if type(wish) is int and wish > 0 else window


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {
        "name": tool.name,
        "parameters": tool.parameters or {"type": "object", "properties": {}},
    }
    if tool.description is not None:
        function["description"] = tool.description
    return {"type": "function", "function": function}
