"""What the index holds, asked of where it is kept and not by way of a search."""

from app.core.errors import VectorsUnavailable
from app.domain.vectors import Space
from tests.backend import Backend


async def points(backend: Backend, user_id: str) -> int:
    """How many of a user, in all spaces."""
    spaces = await backend.house.database.now.index.spaces()
    store = backend.house.vectors.store
    held = [await store.documents(Space(each.name, each.dimensions), user_id) for each in spaces]
    return sum(sum(count.values()) for count in held)


async def no_points(backend: Backend, user_id: str) -> bool:
    """False also where it cannot be asked yet."""
    try:
        return not await points(backend, user_id)
    except VectorsUnavailable:
        return False
