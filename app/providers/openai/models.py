"""What OpenAI takes and refuses of each family of its models, which one route serves unlike.

By OpenAI's model pages and by the errors that its routes give (November 2026).
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

from app.domain.prompts import Effort


class Calling(Enum):
    """When a model calls tools by chat completions."""

    ALWAYS = auto()
    AT_REST = auto()
    """While its reasoning is turned off, which has to be said where it is on by default."""
    ELSEWHERE = auto()
    """Through the Responses API alone."""


_LOW_TO_HIGH = (Effort.LOW, Effort.MEDIUM, Effort.HIGH)
_SAMPLING = frozenset({"top_p", "presence_penalty", "frequency_penalty", "logit_bias", "stop"})


@dataclass(frozen=True, slots=True)
class Family:
    """`efforts` from the least to the most, by chat completions; `refuses` are features by their names in
    `app.providers.abilities`."""

    efforts: tuple[Effort, ...] = (Effort.NONE, *_LOW_TO_HIGH)
    refuses: frozenset[str] = frozenset({"logit_bias"})
    calling: Calling = Calling.ALWAYS

    def nearest(self, effort: Effort, *further: Effort) -> Effort:
        """The one of its own, and of those that it has `further`, that comes closest; of two the higher."""
        wanted = _ORDER.index(effort)
        return min(reversed((*self.efforts, *further)), key=lambda each: abs(_ORDER.index(each) - wanted))


_ORDER = tuple(Effort)
# `max` is for the Responses API, even with the models that have it there.
_NONE_TO_XHIGH = (Effort.NONE, *_LOW_TO_HIGH, Effort.XHIGH)
_LOW_TO_XHIGH = (*_LOW_TO_HIGH, Effort.XHIGH)

_FAMILIES = tuple(
    (re.compile(r"(?:.*/)?(?:" + pattern + ")"), family)
    for pattern, family in (
        (r"o\d", Family(_LOW_TO_HIGH, _SAMPLING | {"parallel_calls", "verbosity"})),
        (r"gpt-5(?![.\d]|.*chat)", Family((Effort.MINIMAL, *_LOW_TO_HIGH), _SAMPLING)),
        (r"gpt-5\.1(?!\d)", Family()),
        (r"gpt-(?:6-astra|6\.1-sol)", Family(_LOW_TO_XHIGH, _SAMPLING, Calling.ELSEWHERE)),
        (r"gpt-(?:5\.\d|6(?![.\d]))", Family(_NONE_TO_XHIGH, calling=Calling.AT_REST)),
        (r"gpt-(?:[6-9]|[12]\d)", Family(_NONE_TO_XHIGH, calling=Calling.ELSEWHERE)),
    )
)
_OLDER = Family(refuses=frozenset({"verbosity"}))


def family(model: str) -> Family:
    for pattern, found in _FAMILIES:
        if pattern.match(model):
            return found
    return _OLDER
