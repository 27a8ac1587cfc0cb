"""Tokens: what a sign-in is shown to be by, as short signed claims."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal
from uuid import UUID

import uuid_utils
from jose import jwk, jwt
from jose.exceptions import JOSEError

from app.core.errors import Unauthenticated

_MOST_VERIFIED = 4096
_UNKNOWN: tuple[float, None] = (0.0, None)


@dataclass(frozen=True, slots=True)
class AccessClaims:
    user_id: str
    session_id: str


@dataclass(frozen=True, slots=True)
class RefreshClaims:
    user_id: str
    session_id: str
    refresh_id: str


TokenType = Literal["access", "refresh"]


class Tokens:
    """JSON Web Tokens of exactly one form. Whatever is not of it, in the least, is Unauthenticated.

    python-jose alone accepts a token without `exp`, ignores `crit` and takes lists for an audience; so the header must
    be ours to the letter, every claim must be there, and each has its type checked (RFC 8725).
    """

    ISSUER = "ai-backend"
    ALGORITHM = "HS256"
    LEEWAY = 10
    LONGEST = 4096

    _HEADER: ClassVar[Mapping[str, str]] = {"alg": ALGORITHM, "typ": "JWT"}
    _FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
    _CLAIMS = frozenset({"iss", "aud", "sub", "sid", "jti", "typ", "iat", "exp"})

    def __init__(self, secret: str, access_ttl: timedelta, refresh_ttl: timedelta) -> None:
        if len(secret.encode()) < 32:
            raise ValueError("the secret of the tokens must have at least 32 bytes")
        # As a key object, for jose would read a plain string as JSON where it can.
        self._key = jwk.construct(secret.encode(), self.ALGORITHM)
        self.access_ttl = access_ttl
        self.refresh_ttl = refresh_ttl
        # A client shows the same token with each request, and to verify it once is enough: 0.1 ms that every answer
        # would wait for. Whether its session still stands is asked of the database each time.
        self._verified: dict[str, tuple[float, AccessClaims]] = {}

    def access(self, user_id: str, session_id: str) -> str:
        return self._write("access", user_id, session_id, str(uuid_utils.uuid7()), self.access_ttl)

    def refresh(self, user_id: str, session_id: str, refresh_id: str) -> str:
        return self._write("refresh", user_id, session_id, refresh_id, self.refresh_ttl)

    def read_access(self, token: str) -> AccessClaims:
        good_until, known = self._verified.get(token, _UNKNOWN)
        if known is not None and time.time() < good_until:
            return known
        self._verified.pop(token, None)
        claims, expires = self._read(token, "access")
        verified = AccessClaims(user_id=claims["sub"], session_id=claims["sid"])
        if len(self._verified) >= _MOST_VERIFIED:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = (expires, verified)
        return verified

    def read_refresh(self, token: str) -> RefreshClaims:
        claims, _ = self._read(token, "refresh")
        return RefreshClaims(user_id=claims["sub"], session_id=claims["sid"], refresh_id=claims["jti"])

    def _write(self, kind: TokenType, user_id: str, session_id: str, token_id: str, ttl: timedelta) -> str:
        issued = datetime.now(UTC)
        claims: dict[str, Any] = {
            "iss": self.ISSUER,
            "aud": f"{self.ISSUER}/{kind}",
            "sub": user_id,
            "sid": session_id,
            "jti": token_id,
            "typ": kind,
            "iat": int(issued.timestamp()),
            "exp": int((issued + ttl).timestamp()),
        }
        return jwt.encode(claims, self._key, self.ALGORITHM)

    def _read(self, token: str, kind: TokenType) -> tuple[dict[str, str], float]:
        """The claims that are text, and when it expires, of a token that is genuine, in time and of this kind."""
        if len(token) > self.LONGEST or not self._FORM.fullmatch(token):
            raise Unauthenticated
        try:
            if jwt.get_unverified_header(token) != self._HEADER:
                raise Unauthenticated
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[self.ALGORITHM],
                audience=f"{self.ISSUER}/{kind}",
                issuer=self.ISSUER,
                options={"leeway": self.LEEWAY},
            )
        except (JOSEError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise Unauthenticated from error
        return self._checked(claims, kind)

    def _checked(self, claims: dict[str, Any], kind: TokenType) -> tuple[dict[str, str], float]:
        if claims.keys() != self._CLAIMS or claims["typ"] != kind or claims["aud"] != f"{self.ISSUER}/{kind}":
            raise Unauthenticated
        issued, expires = claims.pop("iat"), claims.pop("exp")
        if type(issued) is not int or type(expires) is not int:
            raise Unauthenticated
        if issued > datetime.now(UTC).timestamp() + self.LEEWAY or not all(map(_is_id, _ids(claims))):
            raise Unauthenticated
        return claims, expires


def _ids(claims: dict[str, Any]) -> tuple[object, ...]:
    return claims["sub"], claims["sid"], claims["jti"]


def _is_id(value: object) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False
