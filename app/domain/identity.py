"""Who someone is and what they may do: users, and the principal that a credential proves."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase


class Role(StrEnum):
    USER = "user"
    ADMIN = "admin"


class Scope(StrEnum):
    """What an API key may be used for. Beside these there is `models:<pattern>`: chat, with the models that fit."""

    CHAT = "chat"
    FILES = "files"
    RAG = "rag"
    ADMIN = "admin"


MODELS = "models:"
_ALL = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class User:
    id: str
    email: str
    name: str | None
    role: Role
    is_active: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Claimed:
    """The account that somebody says is theirs: `session_id` is one that its owner has at the same address."""

    user: User
    password_hash: str = field(repr=False)
    session_id: str | None


@dataclass(frozen=True, slots=True)
class Grants:
    """What a credential may be used for: `scopes`, and models that fit one of `models`, where there are any."""

    scopes: frozenset[Scope] = _ALL
    models: tuple[str, ...] = ()

    @classmethod
    def of_key(cls, named: Iterable[str] | None) -> "Grants":
        """Of an API key with these scopes; None means all but `admin`, a newer version's scope nothing yet."""
        if named is None:
            return cls(_ALL - {Scope.ADMIN})
        named = tuple(named)
        models = tuple(each.removeprefix(MODELS) for each in named if each.startswith(MODELS))
        scopes = frozenset(Scope(each) for each in named if each in _ALL)
        return cls(scopes | {Scope.CHAT} if models else scopes, models)

    def model(self, name: str) -> bool:
        """Whether a model, by its `provider/id`, may be used.

        A pattern with a slash is of both: `openai/*` is what that provider has, not what another's ids begin with.
        """
        bare = name.partition("/")[2]
        return not self.models or any(_fits(name if "/" in each else bare, each) for each in self.models)


def _fits(name: str, pattern: str) -> bool:
    """With `*` and `?` alone: an id of a model may hold brackets."""
    return fnmatchcase(name, pattern.replace("[", "[[]"))


@dataclass(frozen=True, slots=True)
class Principal:
    """What a valid credential says: who asks, by which credential, and what that one may be used for.

    `session_id` is the sign-in's, where it is one; `key_id` the API key's, where it is one that the user has made.
    """

    user: User
    session_id: str | None = None
    key_id: str | None = None
    grants: Grants = Grants()
    ticket: str | None = None
    """The ticket, by its hash, that stood for the credential; it opens one generation."""
    ticket_for: str | None = None
    """The generation that it has opened already."""
    limit_key: str = ""
    """Whom rate limits count: unless another is named the user, so that many keys do not multiply the limit."""

    def __post_init__(self) -> None:
        if not self.limit_key:
            object.__setattr__(self, "limit_key", f"user:{self.user.id}")

    @property
    def signed_in(self) -> bool:
        """Whether someone has signed in, rather than given an API key."""
        return self.session_id is not None

    @property
    def is_admin(self) -> bool:
        return self.user.role is Role.ADMIN and Scope.ADMIN in self.grants.scopes


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in: a family of refresh tokens of which only `refresh_id` is unspent."""

    id: str
    user_id: str
    refresh_id: str
    previous_refresh_id: str | None
    created_at: datetime
    rotated_at: datetime
    """When it was last signed in or refreshed."""
    expires_at: datetime
    user_agent: str | None
    address: str | None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is listed, for nobody but its maker knows it. `scopes` None: all of the owner's but admin."""

    id: str
    user_id: str
    name: str
    prefix: str
    scopes: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None

    def expired(self, moment: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= moment
