"""Which protocol a request speaks, by its address."""

from enum import Enum, auto

from starlette.types import Scope


class Door(Enum):
    OWN = auto()
    OPENAI = auto()
    ANTHROPIC = auto()
    OLLAMA = auto()
    UI = auto()
    """AI SDK's useChat."""


_PREFIXES = (
    ("/v1/messages", Door.ANTHROPIC),
    ("/v1", Door.OPENAI),
    ("/ollama", Door.OLLAMA),
    ("/ai/ui", Door.UI),
)
_ASKED_AS = b"anthropic-version"


def door_of(scope: Scope) -> Door:
    """The door that a request came through. What both have, Anthropic's clients ask for with a version."""
    door = door_at(scope["path"])
    if door is Door.OPENAI and any(name == _ASKED_AS for name, _ in scope["headers"]):
        return Door.ANTHROPIC
    return door


def door_at(path: str) -> Door:
    """The door of an address, or of a route's template."""
    for prefix, door in _PREFIXES:
        if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
            return door
    return Door.OWN
