"""What DATABASE_URL may say."""

import ssl
from importlib.util import find_spec

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.core.config import StartRefused

_DRIVERS = {
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "mysql": "mysql+asyncmy",
    "mariadb": "mariadb+asyncmy",
    "sqlite": "sqlite+aiosqlite",
}
# libpq's words that asyncpg does not know and that it would take for server settings.
_LIBPQ_ONLY = ("channel_binding", "gssencmode", "pgbouncer", "connect_timeout")
# How the clients of MySQL ask for TLS and how hosters spell it: whether somebody looks at the certificate, and at the
# name in it.
_MODES = ("ssl-mode", "ssl_mode", "sslmode", "ssl")
_PLAIN = ("disabled", "disable", "preferred", "prefer", "false", "0", "")
_ENCRYPTED = ("required", "require", "true", "1")
_VERIFY_CA = ("verify_ca",)
_VERIFY_NAME = ("verify_identity", "verify_full")
_ASYNCMY_KNOWS = (
    *("ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_cipher", "ssl_check_hostname"),
    *("connect_timeout", "program_name", "unix_socket"),
)


def database_url(value: str) -> URL:
    """The address as SQLAlchemy's async drivers want it, from any of the spellings that hosters set.

    Raises StartRefused for what is no such address, and where its driver is not installed.
    """
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise StartRefused("DATABASE_URL is not an address like postgresql://user:password@host/name") from None
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    if url.drivername == "postgresql+asyncpg":
        return _for_asyncpg(url)
    if url.drivername.endswith("+asyncmy"):
        return _for_asyncmy(url)
    return url


def _for_asyncpg(url: URL) -> URL:
    query = dict(url.query)
    if mode := query.pop("sslmode", None):
        query["ssl"] = mode
    if query.get("pgbouncer"):
        query["prepared_statement_cache_size"] = "0"
    return url.set(query={name: given for name, given in query.items() if name not in _LIBPQ_ONLY})


def _for_asyncmy(url: URL) -> URL:
    if find_spec("asyncmy") is None:
        raise StartRefused("DATABASE_URL: MariaDB and MySQL need the driver asyncmy: pip install asyncmy")
    query = dict(url.query)
    for name in _MODES:
        if name in query:
            query.update(_tls(str(query.pop(name)).lower().replace("-", "_"), verified="ssl_ca" in query))
    if unknown := query.keys() - {*_ASYNCMY_KNOWS, "charset"}:
        raise StartRefused(f"DATABASE_URL: the driver of MariaDB and MySQL knows no {', '.join(sorted(unknown))}")
    # Whatever it says: all texts are to pass.
    return url.set(query={**query, "charset": "utf8mb4"})


def _tls(mode: str, *, verified: bool) -> dict[str, str]:
    """As SQLAlchemy hands it to the driver, which verifies by the authorities that it is given and by no others."""
    if mode in _PLAIN:
        return {}
    if mode not in (*_ENCRYPTED, *_VERIFY_CA, *_VERIFY_NAME):
        raise StartRefused(f"DATABASE_URL: no way to encrypt is called {mode}; it is REQUIRED or VERIFY_IDENTITY")
    asked = {} if mode in _VERIFY_NAME else {"ssl_check_hostname": "false"}
    if mode in _ENCRYPTED or verified:
        return asked
    trusted = ssl.get_default_verify_paths()
    return {**asked, **({"ssl_ca": trusted.cafile} if trusted.cafile else {"ssl_capath": trusted.openssl_capath})}
