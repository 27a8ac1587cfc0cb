"""What all repositories share: a connection, new ids, the present, and cursors of lists."""

import base64
import binascii
from datetime import UTC, datetime

import uuid_utils
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.errors import InvalidCursor


class Repository:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection


def new_id() -> str:
    """A UUIDv7: ids made later sort later, so that index pages fill in order."""
    return str(uuid_utils.uuid7())


def now() -> datetime:
    return datetime.now(UTC)


def encode_cursor(moment: datetime, id_: str) -> str:
    """Where a list by (time, id) goes on, as an opaque word."""
    return base64.urlsafe_b64encode(f"{moment.isoformat()}|{id_}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[datetime, str]:
    """The inverse of `encode_cursor`; raises InvalidCursor for anything else."""
    try:
        moment, id_ = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii").split("|")
        parsed = datetime.fromisoformat(moment)
        if parsed.tzinfo is None or len(id_) != 36 or "\x00" in id_:
            raise InvalidCursor
        return parsed.astimezone(UTC), id_
    except (binascii.Error, ValueError, OverflowError) as error:
        raise InvalidCursor from error
