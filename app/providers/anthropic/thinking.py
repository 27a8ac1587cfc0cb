"""How a Claude is asked to think: each takes other wishes, and gets the nearest to what is wished for."""

from collections.abc import Mapping
from itertools import takewhile
from typing import Any, Literal

from app.domain.prompts import Effort, ModelMessage, ModelRequest, Part, Reasoning, Thinking, ToolResult
from app.providers import seals
from app.providers.claude import Claude

# Shares of `max_tokens`, which bounds the thoughts and the answer together.
_BUDGET: Mapping[Effort, float] = {
    Effort.MINIMAL: 0.125,
    Effort.LOW: 0.25,
    Effort.MEDIUM: 0.5,
    Effort.HIGH: 0.75,
    Effort.XHIGH: 0.8,
    Effort.MAX: 0.875,
}
_LEAST_BUDGET = 1024
_MOST_BUDGET = 32_000
# Up to so many tokens a budget is a wish for no more than this.
_MODEST: Mapping[int, Effort] = {2048: Effort.LOW, 8192: Effort.MEDIUM}

Mode = Literal["enabled", "adaptive", "disabled"]


def thinking(request: ModelRequest, max_tokens: int) -> dict[str, Any]:
    """`thinking` of a request, and `output_config` with an effort; each only where there is something to say."""
    claude, wish = Claude.named(request.model.id), request.options.thinking
    if claude is None:
        # Of a compatible server's models nothing is known: it is told what the client says in this API's words.
        return {"thinking": _exactly(wish)} if wish else {}
    if not request.model.reasons:
        return {}
    match _mode(claude, request):
        case None:
            return {}
        case "disabled":
            return _resting(claude, request.effort)
        case "enabled" if wish and wish.budget and claude.takes_budget:
            return {"thinking": _exactly(wish), **_effort(claude, request.effort)}
        case _ if claude.thinks_adaptively:
            return {"thinking": _adaptive(wish), **_effort(claude, request.effort or _effort_of(wish))}
        case _:
            return _budgeted(request.effort, max_tokens, wish)


def is_unwished(request: ModelRequest) -> bool:
    """Whether the client wants no thoughts, which is not to say that the model can do without."""
    wish = request.options.thinking
    return wish.mode == "disabled" if wish else request.effort is Effort.NONE


def must_call(request: ModelRequest) -> bool:
    """Whether the answer has to be a call of a tool, before which no model may think."""
    choice = request.tool_choice
    return bool(request.tools) and choice is not None and choice.mode in ("required", "named")


def has_begun(request: ModelRequest) -> bool:
    """Whether the answer's beginning is given, behind which it is too late to think."""
    return bool(request.messages) and request.messages[-1].role == "assistant"


def _has_called_unsealed(request: ModelRequest) -> bool:
    """Whether results of tools go back without what was thought before their calls: as from clients and from models
    that know no seals. Models that are given a budget refuse to think on then.

    https://platform.claude.com/docs/build-with-claude/thinking-tool-workflows
    """
    newest = len(request.messages)
    while newest and request.messages[newest - 1].role != "assistant":
        newest -= 1
    if not any(map(_answers_calls, request.messages[newest:])):
        return False
    before = reversed(request.messages[:newest])
    turn = takewhile(lambda message: message.role == "assistant" or _answers_calls(message), before)
    begun = [message for message in turn if message.role == "assistant"][-1:]
    return not any(_is_sealed(part) for message in begun for part in message.parts[:1])


def _answers_calls(message: ModelMessage) -> bool:
    return any(isinstance(part, ToolResult) for part in message.parts)


def _is_sealed(part: Part) -> bool:
    return isinstance(part, Reasoning) and bool(seals.anthropic(part.signature) or part.redacted)


def _mode(claude: Claude, request: ModelRequest) -> Mode | None:
    wish = request.options.thinking
    if is_unwished(request):
        return "disabled"
    if wish is None and request.effort is None and not claude.thinks_unasked:
        return None
    if must_call(request) or has_begun(request):
        return "disabled"
    if not claude.thinks_adaptively and _has_called_unsealed(request):
        return "disabled"
    # Those that think unasked would do so in silence, for minutes: the thoughts are shown, and show that it lives.
    return wish.mode if wish else "adaptive"


def _resting(claude: Claude, effort: Effort | None) -> dict[str, Any]:
    """Not at all, or as little as can be."""
    wished = None if effort is Effort.NONE else effort
    if claude.rest is None:
        return {"thinking": _adaptive(None), **_effort(claude, wished or Effort.LOW)}
    if wished in (Effort.XHIGH, Effort.MAX):
        wished = Effort.HIGH  # more of it is refused of a model that does not think
    return {"thinking": {"type": claude.rest}, **_effort(claude, wished)}


def _budgeted(effort: Effort | None, max_tokens: int, wish: Thinking | None) -> dict[str, Any]:
    if max_tokens < 2 * _LEAST_BUDGET:
        return {}
    share = _BUDGET.get(effort or Effort.HIGH, 0.0)
    budget = min(max(int(max_tokens * share), _LEAST_BUDGET), _MOST_BUDGET)
    return {"thinking": {"type": "enabled", "budget_tokens": budget} | _display(wish)}


def _adaptive(wish: Thinking | None) -> dict[str, Any]:
    if wish and wish.mode == "adaptive":
        return _exactly(wish)
    # The newest leave out the text of their thoughts unless they are told to show it.
    return {"type": "adaptive", "display": "summarized"} | _display(wish)


def _exactly(wish: Thinking) -> dict[str, Any]:
    budget = {"budget_tokens": wish.budget} if wish.budget is not None else {}
    return {"type": wish.mode} | budget | _display(wish)


def _display(wish: Thinking | None) -> dict[str, Any]:
    return {"display": wish.display} if wish and wish.display else {}


def _effort(claude: Claude, effort: Effort | None) -> dict[str, Any]:
    if effort is None or effort is Effort.NONE or not claude.thinks_adaptively:
        return {}
    if effort is Effort.MINIMAL:
        effort = Effort.LOW
    elif effort is Effort.XHIGH and not claude.takes_more_effort:
        effort = Effort.HIGH
    return {"output_config": {"effort": effort.value}}


def _effort_of(wish: Thinking | None) -> Effort | None:
    """As near as an effort comes to a budget; None is the model's usual one."""
    if wish is None or wish.budget is None:
        return None
    return next((effort for most, effort in _MODEST.items() if wish.budget <= most), Effort.HIGH)
