"""What each Claude model takes and refuses, told from its name, for the API says so only in its list of models."""

import re
from collections.abc import Mapping
from typing import NamedTuple, Self

# `claude-sonnet-5-5`, `claude-haiku-4-5-20251001`, and the old order of `claude-3-7-sonnet-20250219`; whatever a
# gateway puts before or behind it.
_NAME = re.compile(r"claude-(?:(?P<line>[a-z]+)-)?(?P<major>\d{1,2})(?:[-.](?P<minor>\d{1,2}))?(?!\d)")

_REST: Mapping[tuple[str, tuple[int, int]], str] = {
    ("opus", (5, 0)): "disabled",
    ("sonnet", (5, 0)): "disabled",
    ("sonnet", (5, 5)): "between_tools",
    ("haiku", (5, 5)): "disabled",
}


class Claude(NamedTuple):
    """One model of the family; a version that is not known yet counts as like the last that is."""

    line: str
    version: tuple[int, int]

    @classmethod
    def named(cls, model: str) -> Self | None:
        """None for any other name: compatible servers have models of their own."""
        if found := _NAME.search(model):
            return cls(found["line"] or "", (int(found["major"]), int(found["minor"] or 0)))
        return None

    @property
    def takes_temperature(self) -> bool:
        """And `top_p` and `top_k`: what stands for nothing but a way of drawing."""
        return self.version < (4, 7)

    @property
    def draws_one_way(self) -> bool:
        """Takes a temperature or a `top_p`, and refuses both at once."""
        return self.version >= (4, 1)

    @property
    def sees(self) -> bool:
        """Images and PDFs."""
        return self.version >= (3, 5)

    @property
    def thinks(self) -> bool:
        """Whether thinking can be asked for."""
        return self.version >= (3, 7)

    @property
    def thinks_adaptively(self) -> bool:
        """Decides itself how much, guided by an effort; the models before are given a budget of tokens."""
        return self.version >= (4, 6)

    @property
    def takes_budget(self) -> bool:
        """Of thoughts, in tokens."""
        return (3, 7) <= self.version < (4, 7)

    @property
    def takes_more_effort(self) -> bool:
        """Knows `xhigh` between `high` and `max`."""
        return self.version >= (4, 7)

    @property
    def thinks_unasked(self) -> bool:
        return self.version >= (5, 0)

    @property
    def rest(self) -> str | None:
        """The type of thinking that turns it off; None where the model refuses every such wish."""
        return "disabled" if self.version < (5, 0) else _REST.get((self.line, self.version))

    @property
    def may_be_forced(self) -> bool:
        """Can be made to call a tool, though never while it thinks.

        https://platform.claude.com/docs/en/models/sonnet-5-5/whats-new-sonnet-5-5
        """
        return self.version < (5, 1) or self.line == "haiku"

    @property
    def goes_on(self) -> bool:
        """From an answer that has begun, where that is the last message."""
        return self.version < (4, 6)

    @property
    def keeps_to_schemas(self) -> bool:
        """In answers, and strictly in arguments of tools."""
        return self.version >= (4, 5)

    @property
    def is_told_midway(self) -> bool:
        """Takes messages of the role `system` behind those of a user.

        https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages
        """
        return self.version >= (4, 8)

    @property
    def binds_thoughts(self) -> bool:
        """Its thinking is signed for the conversation before it, and refused when that has changed.

        https://platform.claude.com/docs/en/build-with-claude/preserved-thinking
        """
        return self.version >= (5, 1)
