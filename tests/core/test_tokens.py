"""Claims about tokens."""

import base64
import json
import time
from datetime import timedelta
from typing import Any

import pytest
import uuid_utils
from jose import jws, jwt

from app.core.errors import Unauthenticated
from app.core.tokens import Tokens

SECRET = "0123456789abcdef0123456789abcdef"
USER, SESSION, REFRESH = (str(uuid_utils.uuid7()) for _ in range(3))
TOKENS = Tokens(SECRET, access_ttl=timedelta(minutes=5), refresh_ttl=timedelta(days=1))


def claims(**changes: Any) -> dict[str, Any]:
    """Those of a good access token, changed; None takes one away."""
    now = int(time.time())
    good: dict[str, Any] = {
        "iss": "ai-backend",
        "aud": "ai-backend/access",
        "sub": USER,
        "sid": SESSION,
        "jti": REFRESH,
        "typ": "access",
        "iat": now,
        "exp": now + 60,
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def sign(payload: dict[str, Any], **headers: Any) -> str:
    return jwt.encode(payload, SECRET, "HS256", headers=headers)


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_a_token_of_our_form_is_read() -> None:
    assert TOKENS.read_access(sign(claims())).user_id == USER
    read = TOKENS.read_refresh(TOKENS.refresh(USER, SESSION, REFRESH))
    assert (read.user_id, read.session_id, read.refresh_id) == (USER, SESSION, REFRESH)
    assert TOKENS.read_access(TOKENS.access(USER, SESSION)).session_id == SESSION


def test_each_kind_of_token_is_only_that() -> None:
    with pytest.raises(Unauthenticated):
        TOKENS.read_access(TOKENS.refresh(USER, SESSION, REFRESH))
    with pytest.raises(Unauthenticated):
        TOKENS.read_refresh(TOKENS.access(USER, SESSION))


@pytest.mark.parametrize(
    "payload",
    [
        *(claims(**{name: None}) for name in claims()),
        claims(exp=int(time.time()) - 60),
        claims(exp=str(int(time.time()) + 60)),
        claims(exp=[]),
        claims(exp=time.time() + 60),
        claims(iat=int(time.time()) + 10**6, exp=int(time.time()) + 2 * 10**6),
        claims(iat=True),
        claims(aud="ai-backend/refresh"),
        claims(aud=["ai-backend/access"]),
        claims(iss="someone-else"),
        claims(iss=["ai-backend"]),
        claims(typ="refresh"),
        claims(typ=["access"]),
        claims(sub="admin"),
        claims(sub=USER.upper()),
        claims(sid="x' OR 1=1 --"),
        claims(jti=7),
        claims(role="admin"),
    ],
)
def test_a_token_with_any_claim_amiss_is_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        TOKENS.read_access(sign(payload))


def test_clocks_may_differ_by_some_seconds() -> None:
    now = int(time.time())
    assert TOKENS.read_access(sign(claims(exp=now - 3)))
    assert TOKENS.read_access(sign(claims(iat=now + 3)))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "nOnE"},
        {"alg": "HS384"},
        {"alg": "RS256"},
        {"alg": "ES256"},
        {"alg": ["HS256"]},
        {"alg": "hs256"},
        {"crit": ["exp"]},
        {"kid": "../../dev/null"},
        {"jku": "http://127.0.0.1/"},
        {"x5u": "http://127.0.0.1/"},
        {"jwk": {"kty": "oct", "k": "AA"}},
        {"typ": "JWE"},
        {"zip": "DEF"},
    ],
    ids=str,
)
def test_a_header_other_than_ours_is_refused_even_when_signed(header: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        TOKENS.read_access(sign(claims(), **header))


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_with_the_right_secret_is_refused(algorithm: str) -> None:
    with pytest.raises(Unauthenticated):
        TOKENS.read_access(jws.sign(claims(), SECRET, algorithm=algorithm))


def test_another_secret_is_refused() -> None:
    with pytest.raises(Unauthenticated):
        TOKENS.read_access(jwt.encode(claims(), SECRET[::-1], "HS256"))


def test_a_changed_payload_is_refused() -> None:
    header, _, signature = sign(claims()).split(".")
    with pytest.raises(Unauthenticated):
        TOKENS.read_access(f"{header}.{part(claims(sub=REFRESH))}.{signature}")


GOOD = sign(claims())
UNSIGNED = f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims())}."


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        UNSIGNED,
        GOOD.rsplit(".", 1)[0] + ".",
        GOOD.rsplit(".", 1)[0],
        f"{GOOD}.a.b",
        f"{part({'alg': 'dir', 'enc': 'A256GCM', 'zip': 'DEF'})}..{'A' * 16}.{'A' * 2000}.{'A' * 22}",
        GOOD + "A" * 4096,
        f"{GOOD}\n",
        f" {GOOD}",
        GOOD[:-2] + "é!",
        "\ud800",
        "\x00",
        f"{part([[[]]])}.{part([])}.AAAA",
        base64.urlsafe_b64encode(b"[" * 2500).decode().rstrip("=") + ".e30.AAAA",
        "' OR 1=1 --",
    ],
    ids=lambda token: ascii(token[:20]),
)
def test_what_is_no_token_is_refused_at_once(token: str) -> None:
    began = time.thread_time()
    with pytest.raises(Unauthenticated):
        TOKENS.read_access(token)
    assert time.thread_time() - began < 0.5


def test_a_short_secret_signs_nothing() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Tokens("short", access_ttl=timedelta(1), refresh_ttl=timedelta(1))


@pytest.mark.parametrize("secret", ['"quoted-quoted-quoted-quoted-quoted"', "1" * 40, '["' + "k" * 40 + '"]'])
def test_a_secret_is_never_read_as_json(secret: str) -> None:
    tokens = Tokens(secret, access_ttl=timedelta(1), refresh_ttl=timedelta(1))
    assert tokens.read_access(tokens.access(USER, SESSION)).user_id == USER
