"""How an answer is drawn: what each model takes of it, and what goes to it."""

from collections.abc import Iterator

from app.domain.prompts import ModelRequest
from app.providers.claude import Claude

# A model that thinks draws as it likes, but for cutting off the least likely.
_LEAST_TOP_P_OF_THOUGHTS = 0.95


def sampling(request: ModelRequest, *, thinks: bool) -> dict[str, float | int]:
    """`temperature`, `top_p` and `top_k`, as far as the model takes them.

    A temperature that it does not take is left out, for clients send one with every request; the others `unsampled`
    tells of. A `top_p` of 1, like a temperature of 1 beside one, says nothing.
    """
    if not request.model.takes_temperature:
        return {}
    claude, options = Claude.named(request.model.id), request.options
    drawn: dict[str, float | int] = {}
    if request.temperature is not None and not thinks:
        drawn["temperature"] = min(request.temperature, 1.0)  # theirs ends at 1
    if options.top_p is not None and options.top_p < 1:
        if claude and claude.draws_one_way:
            drawn.pop("temperature", None)
        drawn["top_p"] = options.top_p
    if options.top_k is not None and not thinks:
        drawn["top_k"] = options.top_k
    return drawn


def unsampled(request: ModelRequest, *, thinks: bool) -> Iterator[tuple[str, str | None]]:
    """What is asked for of it and cannot be, by its name in Options, and why where that is not plain."""
    claude, options = Claude.named(request.model.id), request.options
    takes = request.model.takes_temperature
    if options.top_k is not None and not (takes and not thinks):
        yield "top_k", None
    if options.top_p is None or options.top_p >= 1:
        return
    if not takes or (thinks and options.top_p < _LEAST_TOP_P_OF_THOUGHTS):
        yield "top_p", None
    elif claude and claude.draws_one_way and not thinks and request.temperature not in (None, 1.0):
        yield "top_p", "The chosen model takes a temperature or a top_p, not both."
