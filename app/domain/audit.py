"""What was done to accounts and credentials, and by whom."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

Detail = Mapping[str, str | int | bool | None]


class Action(StrEnum):
    """Every security-relevant act. At most 32 characters each."""

    REGISTERED = "user.registered"
    SIGNED_IN = "session.created"
    SIGN_IN_FAILED = "session.failed"
    SIGN_IN_LOCKED = "session.locked"
    SIGNED_OUT = "session.ended"
    SESSION_REVOKED = "session.revoked"
    REFRESH_REUSED = "session.refresh_reused"
    PROFILE_CHANGED = "user.changed"
    EMAIL_CHANGED = "user.email_changed"
    PASSWORD_CHANGED = "user.password_changed"  # noqa: S105 - an action
    ROLE_CHANGED = "user.role_changed"
    DEACTIVATED = "user.deactivated"
    ACTIVATED = "user.activated"
    DELETED = "user.deleted"
    EXPORTED = "user.exported"
    KEY_CREATED = "api_key.created"
    KEY_DELETED = "api_key.deleted"


class Actor(StrEnum):
    """By what somebody acted."""

    SESSION = "session"
    API_KEY = "api_key"
    SERVICE_KEY = "service_key"
    SHELL = "shell"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One act. It names people by id alone, and is kept when they are gone.

    `target_id` is whom or what it was done to; `address` the client's; `detail` says how, never with a secret.
    """

    id: str
    created_at: datetime
    action: str
    """An Action; in what a newer version put on record it may be none that this one knows."""
    actor: str
    """An Actor, likewise."""
    actor_id: str | None
    credential_id: str | None
    target_id: str | None
    address: str | None
    request_id: str | None
    detail: Detail = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSearch:
    """Which acts to look for: those that fit all that is given. From `since` on, and before `until`."""

    action: Action | None = None
    actor_id: str | None = None
    target_id: str | None = None
    address: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
