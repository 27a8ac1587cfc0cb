"""The one way into the relational store: short transactions that hand out the repositories."""

from app.database.access import Database, Transaction
from app.database.address import database_url
from app.database.trouble import TooMuchAtOnce

__all__ = ["Database", "TooMuchAtOnce", "Transaction", "database_url"]
