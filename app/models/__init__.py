"""The tables, portable between SQLite, PostgreSQL and MariaDB; importing this room registers all of them."""

from app.models import audit, chat, documents, files, generations, identity, search, usage
from app.models.base import metadata

__all__ = ["audit", "chat", "documents", "files", "generations", "identity", "metadata", "search", "usage"]
