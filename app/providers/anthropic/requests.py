"""Our requests in the words of Anthropic's Messages API."""

from typing import Any

from app.domain.prompts import CacheMark, ModelRequest
from app.providers.anthropic.messages import has_thoughts, keep, messages, system
from app.providers.anthropic.sampling import sampling
from app.providers.anthropic.thinking import is_unwished, thinking
from app.providers.anthropic.tools import tools
from app.providers.calls import Spelled
from app.providers.claude import Claude

# From the version of 2026-10-21 on, which the SDK asks for, all of it is refused: also by models that take it.
_WITH_SAMPLING = {"anthropic-version": "2023-06-01"}
# Lets a request say what is to become of thoughts that no longer fit their conversation.
_WITH_BINDING = {"anthropic-beta": "thinking-binding-controls-2026-08-01"}
# Tokens of an answer that nobody bounds: the vendor wants a bound, and thoughts count towards it.
_UNBOUNDED = 32_000
_UNBOUNDED_UNKNOWN = 8192


def messages_call(request: ModelRequest) -> Spelled:
    """Raises GenerationFailure for arguments of a tool call that are no JSON object."""
    body, headers = _prompt(request)
    body |= {"max_tokens": bound(request), "stream": True}
    if request.options.stop:
        body["stop_sequences"] = list(request.options.stop)
    if drawn := sampling(request, thinks=_thinks(body)):
        body |= drawn
        headers |= _WITH_SAMPLING
    return Spelled(body, headers)


def count_call(request: ModelRequest) -> Spelled:
    """The same prompt for `POST /v1/messages/count_tokens`, which takes nothing that shapes an answer."""
    return Spelled(*_prompt(request))


def bound(request: ModelRequest) -> int:
    """The most tokens that the answer may have, thoughts included."""
    if request.bounded:
        return request.max_tokens
    return min(request.model.max_output_tokens or _UNBOUNDED_UNKNOWN, _UNBOUNDED)


def _prompt(request: ModelRequest) -> tuple[dict[str, Any], dict[str, str]]:
    claude, headers = Claude.named(request.model.id), dict[str, str]()
    body: dict[str, Any] = {"model": request.model.id, **thinking(request, bound(request)), **tools(request)}
    if schema := request.options.format and request.options.format.schema:
        shape = {"type": "json_schema", "schema": schema}
        body["output_config"] = body.get("output_config", {}) | {"format": shape}
    if prompt := system(request.system_prompt, request.system_parts):
        body["system"] = prompt
    body["messages"] = sent = messages(
        request.messages,
        with_reasoning=_goes_back(request, body),
        with_system=claude is not None and claude.is_told_midway,
    )
    if sent and not _is_marked(request):
        keep(sent)
    if claude and claude.binds_thoughts and _thinks(body) and has_thoughts(sent):
        # History is cut from the front when it grows long, and system prompts change: drop what is bound to the past.
        body["thinking"]["block_binding"] = {"prefix_mismatch_behavior": "drop_block"}
        headers |= _WITH_BINDING
    return body, headers


def _thinks(body: dict[str, Any]) -> bool:
    return body.get("thinking", {}).get("type") in ("adaptive", "enabled")


def _goes_back(request: ModelRequest, body: dict[str, Any]) -> bool:
    """Whether thoughts of the past are of use: not where thinking is turned off, and some models refuse them then.

    Some go on thinking between the calls of tools all the same, and have to find there what they thought.
    """
    if body.get("thinking", {}).get("type") == "disabled":
        return False
    return bool(request.tools) or not is_unwished(request)


def _is_marked(request: ModelRequest) -> bool:
    """Whether the client says itself what to cache."""
    return (
        any(isinstance(part, CacheMark) for part in request.system_parts)
        or any(tool.cache for tool in request.tools)
        or any(
            isinstance(part, CacheMark)
            for message in request.messages
            if not isinstance(message.content, str)
            for part in message.content
        )
    )
