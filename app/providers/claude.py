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
        return self.version < (4, 7)

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
    def thinks_unasked(self) -> bool:
        return self.version >= (5, 0)

    @property
    def rest(self) -> str | None:
        """The type of thinking that turns it off; None where the model refuses every such wish."""
        return "disabled" if self.version < (5, 0) else _REST.get((self.line, self.version))

    @property
    def binds_thoughts(self) -> bool:
        """Its thinking is signed for the conversation before it, and refused when that has changed.

        https://platform.claude.com/docs/en/build-with-claude/preserved-thinking
        """
        return self.version >= (5, 1)
