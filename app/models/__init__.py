"""The tables, portable between SQLite, PostgreSQL and MariaDB; importing this room registers all of them."""

from app.models import audit, chat, files, generations, identity, search, usage
from app.models.base import metadata

__all__ = ["audit", "chat", "files", "generations", "identity", "metadata", "search", "usage"]
