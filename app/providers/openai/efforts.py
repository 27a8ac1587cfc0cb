"""How much a model is to reason, in the words of the server that is asked."""

from typing import Any

from app.domain.prompts import Effort, ModelRequest
from app.providers.openai.models import Calling, Family, family
from app.providers.openai.servers import Server

# Of Anthropic's budgets in tokens, the most that still mean a little, and something.
_LITTLE = 4096
_SOME = 16_384
# DeepSeek has low, high and max; these are its own equivalents, but that it reads `medium` by itself.
_DEEPSEEK = {Effort.MINIMAL: Effort.LOW, Effort.XHIGH: Effort.HIGH}


def effort_fields(request: ModelRequest, server: Server) -> dict[str, Any]:
    """What the body says of it; nothing for models that do not reason, and where nobody wished anything."""
    if not request.model.reasons:
        return {}
    if server is Server.DEEPSEEK:
        return _deepseek(request)
    kind = family(request.model.id)
    effort = Effort.NONE if _must_rest(request, server, kind) else wished(request)
    return {"reasoning_effort": kind.nearest(effort).value} if effort is not None else {}


def _must_rest(request: ModelRequest, server: Server, kind: Family) -> bool:
    return bool(request.tools) and server is Server.OFFICIAL and kind.calling is Calling.AT_REST


def _deepseek(request: ModelRequest) -> dict[str, Any]:
    choice = request.tool_choice
    # "Thinking mode does not support this tool_choice": which tool to call is an order, how much to think a wish.
    forced = bool(request.tools) and choice is not None and choice.mode in ("required", "named")
    effort = Effort.NONE if forced else wished(request)
    if effort is None:
        return {}
    if effort is Effort.NONE:
        return {"thinking": {"type": "disabled"}}
    return {"thinking": {"type": "enabled"}, "reasoning_effort": _DEEPSEEK.get(effort, effort).value}


def wished(request: ModelRequest) -> Effort | None:
    """What the client wants, by one of the two ways to say so; None where it does not say."""
    thinking = request.options.thinking
    if thinking is None:
        return request.effort
    if thinking.mode == "disabled":
        return Effort.NONE
    if request.effort is not None:
        return request.effort
    if thinking.budget is None:
        return Effort.MEDIUM
    return Effort.LOW if thinking.budget <= _LITTLE else Effort.MEDIUM if thinking.budget <= _SOME else Effort.HIGH
