"""What DATABASE_URL may say."""

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.core.config import StartRefused

_DRIVERS = {
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "mysql": "mysql+asyncmy",
    "sqlite": "sqlite+aiosqlite",
}
# libpq's words that asyncpg does not know and that it would take for server settings.
_LIBPQ_ONLY = ("channel_binding", "gssencmode", "pgbouncer", "connect_timeout")


def database_url(value: str) -> URL:
    """The address as SQLAlchemy's async drivers want it, from any of the spellings that hosters set.

    Raises StartRefused for what is no such address.
    """
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise StartRefused("DATABASE_URL is not an address like postgresql://user:password@host/name") from None
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    if url.drivername != "postgresql+asyncpg":
        return url
    query = dict(url.query)
    if mode := query.pop("sslmode", None):
        query["ssl"] = mode
    if query.get("pgbouncer"):
        query["prepared_statement_cache_size"] = "0"
    return url.set(query={name: given for name, given in query.items() if name not in _LIBPQ_ONLY})
