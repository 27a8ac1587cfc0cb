"""What things are called in an index, embedded or on a server."""

import re
from typing import Final
from uuid import UUID, uuid5

TERMS: Final = "terms"
DENSE: Final = "dense"
"""The two vectors of a point."""
TENANT: Final = "tenant"
COLLECTION: Final = "collection"
DOCUMENT: Final = "document"
PASSAGE: Final = "passage"
"""What a point says of itself beside them."""

_HOLDINGS = UUID("2c3a7f60-1b7e-5f9c-8d3a-51b2a9f0e6d4")
_POINTS = UUID("6f1d3c1e-5d0a-5f0b-9a55-0c8f4a4b7d21")
_SPACE = re.compile("[A-Za-z0-9_-]{1,100}")


def point_id(tenant: str, passage_id: str) -> str:
    """Of a tenant's passage. Who names another's passage as their own gets a point of their own."""
    return str(uuid5(uuid5(_POINTS, tenant), passage_id))


def holding_id(tenant: str, collection_id: str) -> str:
    """What a tenant has in a collection, under one name."""
    return str(uuid5(uuid5(_HOLDINGS, tenant), collection_id))


def check_text(*names: str) -> None:
    """Raises ValueError for what no file and no message can hold: half of a surrogate pair."""
    for name in names:
        name.encode()


def check_space_name(name: str) -> None:
    """Raises ValueError for what is no name of a space: it is to be a folder's, and a part of an address."""
    if not _SPACE.fullmatch(name):
        raise ValueError("a space's name is of 1 to 100 letters, digits, - and _")
