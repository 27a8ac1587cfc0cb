"""The types of single settings: what a value looks like, and the sentence that refuses another."""

import re
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlsplit

from limits import parse_many
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from app.core.ollama_host import parse_ollama_host
from app.core.proxies import Network, parse_network

_LONGEST_WINDOW = 366 * 24 * 3600


def split(value: object) -> object:
    """The parts of a list, by commas; pydantic-settings would read it as JSON, without NoDecode."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _origin(value: str) -> str:
    # A browser sends an origin without a slash, so one with it would never match.
    if value != "*" and not re.fullmatch(r"https?://[^/?#\s]+/?", value):
        raise ValueError("an origin looks like https://app.example.com")
    return value.rstrip("/").lower()


def _base_url(value: str) -> str:
    try:
        url = urlsplit(value)
        usable = url.scheme in ("http", "https") and bool(url.hostname) and not (url.query or url.fragment)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("a base URL looks like https://api.example.com/v1")
    return value


def _model_name(value: str) -> str:
    provider, _, model = value.partition("/")
    if not (re.fullmatch("[a-z][a-z0-9_-]*", provider) and model and len(value) <= 200 and value.isprintable()):
        raise ValueError("a model is named as provider/id here, like openai/gpt-4.1-mini")
    return value


def _embedder_name(value: str) -> str:
    provider, _, model = value.partition("/")
    if provider not in ("openai", "ollama", "fastembed") or not model or len(value) > 200 or not value.isprintable():
        raise ValueError("an embedding model is named as openai/…, ollama/… or fastembed/…")
    return value


def _redis_url(value: SecretStr) -> SecretStr:
    try:
        url = urlsplit(value.get_secret_value())
        options = dict(parse_qsl(url.query, strict_parsing=True)) if url.query else {}
        here = bool(url.path) if url.scheme == "unix" else bool(url.hostname) and url.port != 0
        usable = url.scheme in ("redis", "rediss", "unix") and here and not url.fragment
        numbers = [url.path.strip("/") if url.scheme != "unix" else "", options.pop("db", "")]
        usable = usable and all(re.fullmatch("[0-9]{0,4}", each) for each in numbers)
        usable = usable and options.pop("ssl_cert_reqs", "none") in ("none", "optional", "required")
        usable = usable and not options.keys() - {"ssl_ca_certs", "ssl_check_hostname"}
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(
            "a Redis URL looks like redis://host:6379/0, rediss://:password@host:6379 or unix:///path/to/socket"
        )
    return value


def _unlimited(value: object) -> object:
    return None if value == "" else value


def _headers(value: SecretStr | None) -> SecretStr | None:
    parts = value.get_secret_value().split(",") if value else []
    if not all(re.fullmatch(r"\s*[\w!#$%&'*+.^`|~-]+\s*=[^\x00-\x08\x0a-\x1f\x7f]*", each, re.ASCII) for each in parts):
        raise ValueError("headers look like name=value,name=value; a comma in a value is %2C")
    return value


def _proxy(value: object) -> object:
    return parse_network(value) if isinstance(value, str) else value


def _rate_limit(value: str) -> str:
    try:
        limits = parse_many(value) if value.strip() else []
    except ValueError:
        raise ValueError(
            "a limit looks like 30/minute, 10/15 minutes or 20/minute;100/hour; empty, it is off"
        ) from None
    if not all(limit.amount and limit.get_expiry() <= _LONGEST_WINDOW for limit in limits):
        raise ValueError("a limit allows at least one, within a year at most; empty, it is off")
    return value.strip()


Origin = Annotated[str, AfterValidator(_origin)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
ModelName = Annotated[str, AfterValidator(_model_name)]
EmbedderName = Annotated[str, AfterValidator(_embedder_name)]
ScriptName = Literal[
    "latin",
    "chinese",
    "japanese",
    "korean",
    "cyrillic",
    "greek",
    "arabic",
    "hebrew",
    "devanagari",
    "thai",
    "other",
]
OllamaHost = Annotated[str, AfterValidator(parse_ollama_host)]
Proxy = Annotated[Network, BeforeValidator(_proxy)]
Seconds = Annotated[float, Field(gt=0)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]
RateLimit = Annotated[str, AfterValidator(_rate_limit)]
Concurrency = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_unlimited)]
MostBytes = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_unlimited)]
OtlpHeaders = Annotated[SecretStr | None, AfterValidator(_headers)]
