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
    return await _asked(backend, user_id) == 0


async def some_points(backend: Backend, user_id: str) -> bool:
    return (await _asked(backend, user_id) or 0) > 0


async def _asked(backend: Backend, user_id: str) -> int | None:
    try:
        return await points(backend, user_id)
    except VectorsUnavailable:
        return None
