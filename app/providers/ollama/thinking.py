"""How much a model of Ollama's is to think: the nearest that it can be set to."""

from collections.abc import Sequence

from app.domain.prompts import Effort, Thinking

ThinkValues = Sequence[bool | str]
"""What a model's switch for thinking may be set to, as its server says: false, true, `low`, `high`, …"""

SWITCH: ThinkValues = (False, True)
LEVELS: ThinkValues = ("low", "medium", "high")

_SCALE = [effort.value for effort in Effort]
# Tokens of thought up to which an effort is meant; what is more is a high one.
_BUDGETS = ((4096, Effort.LOW), (16_384, Effort.MEDIUM))


def think(effort: Effort | None, thinking: Thinking | None, values: ThinkValues) -> bool | str | None:
    """The setting closest to the two wishes, of which one for no thoughts counts first; None where there is no wish."""
    wish = effort if thinking is None else _effort(thinking, effort)
    if wish is None:
        # What is to think, but nobody says how much, does so by its own measure.
        return None if thinking is None or True not in values else True
    if wish is Effort.NONE and False in values:
        return False
    levels = [value for value in values if isinstance(value, str) and value in _SCALE]
    if levels:
        place = _SCALE.index(wish.value)
        return min(levels, key=lambda level: abs(_SCALE.index(level) - place))
    return wish is not Effort.NONE


def _effort(thinking: Thinking, effort: Effort | None) -> Effort | None:
    if thinking.mode == "disabled":
        return Effort.NONE
    if effort is not None or thinking.budget is None:
        return effort
    return next((meant for most, meant in _BUDGETS if thinking.budget <= most), Effort.HIGH)
