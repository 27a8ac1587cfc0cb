"""Who someone is: users, and the principal that a credential proves."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    USER = "user"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class User:
    id: str
    email: str
    name: str | None
    role: Role
    is_active: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Principal:
    """What a valid credential says: who asks, and through which sign-in session, if the credential belongs to one."""

    user: User
    session_id: str | None


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in: a family of refresh tokens of which only `refresh_id` is unspent."""

    id: str
    user_id: str
    refresh_id: str
    previous_refresh_id: str | None
    rotated_at: datetime
    expires_at: datetime
