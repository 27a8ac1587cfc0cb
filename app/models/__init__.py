"""The tables, portable between SQLite, PostgreSQL and MariaDB; importing this room registers all of them."""

from app.models import chat, generations, identity, usage
from app.models.base import metadata

__all__ = ["chat", "generations", "identity", "metadata", "usage"]
