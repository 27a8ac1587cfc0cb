"""What is known of the request that this task serves, for logs, the audit trail and the headers of its answer."""

from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Standing:
    """Where somebody stands with a limit: of `limit`, `remaining` are left until `resets_in` seconds from now."""

    limit: int
    remaining: int
    resets_in: int


@dataclass(slots=True)
class Serving:
    """One request. Tasks that are begun for it share this very object, so that what they note reaches the answer."""

    request_id: str | None = None
    address: str | None = None
    """Of the client, as the proxies that we trust tell it."""
    standing: Standing | None = field(default=None)
    """With the limit that was asked last."""


serving: ContextVar[Serving | None] = ContextVar("serving", default=None)


def served() -> Serving:
    """The request of this task; an empty one where there is none. What is noted on that one goes nowhere."""
    return serving.get() or Serving()


def request_id() -> str | None:
    """The id of the request that is being served, where one is."""
    return served().request_id
