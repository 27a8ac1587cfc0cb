"""Users' collections of documents, each its owner's alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.core.errors import CollectionExists, Conflict, NotFound, Unauthenticated
from app.database import Database, Transaction
from app.domain.chat import Page
from app.domain.collection_names import flaw_of
from app.domain.documents import Collection
from app.repositories.base import new_id, now
from app.repositories.collections import CollectionTaken
from app.repositories.idempotency import KeyRace
from app.services.document_clearing import DocumentClearing
from app.services.idempotency import IdempotencyKey, find_replay, remember

NO_COLLECTION = "There is no such collection."
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class ListedCollection:
    collection: Collection
    documents: int


class CollectionService:
    def __init__(self, database: Database, clearing: DocumentClearing) -> None:
        self._database = database
        self._clearing = clearing

    async def page(self, user_id: str, *, limit: int, cursor: str | None) -> Page[ListedCollection]:
        """The user's collections, the newest first, with how many documents each has. Raises InvalidCursor."""
        async with self._database.snapshot() as tx:
            page = await tx.collections.page(user_id, limit=limit, cursor=cursor)
            counts = await _counts(tx, user_id, page.items)
        return Page([ListedCollection(each, counts.get(each.id, 0)) for each in page.items], page.next_cursor)

    async def make(
        self, user_id: str, name: str, description: str | None, key: IdempotencyKey | None
    ) -> ListedCollection:
        """A new one. Raises CollectionExists, KeyReused, and NotFound where the one that an equal request has made was
        deleted."""
        for _ in range(_ROUNDS):
            try:
                return await self._make(user_id, name, description, key)
            except (CollectionTaken, KeyRace):
                continue  # another request was faster, or the account is being closed
        raise Conflict("This collection is being made and deleted elsewhere.")

    async def delete(self, user_id: str, name: str) -> None:
        """The collection with its documents, for good: nobody finds any of it from now on. Raises NotFound."""
        async with self._database.transaction() as tx:
            collection = await own_collection(tx, user_id, name)
            if not await tx.collections.bury(user_id, collection.id):
                raise NotFound(NO_COLLECTION)
        await self._clearing.settle()

    async def _make(
        self, user_id: str, name: str, description: str | None, key: IdempotencyKey | None
    ) -> ListedCollection:
        async with self._database.transaction() as tx:
            if await tx.users.enter(user_id) is None:
                raise Unauthenticated
            if key is not None and (made := await find_replay(tx, user_id, key)) is not None:
                return await _told(tx, user_id, made)
            if await tx.collections.find(user_id, name) is not None:
                raise CollectionExists
            collection = new_collection(tx, user_id, name, description)
            if key is not None:
                remember(tx, user_id, key, collection.id)
        return ListedCollection(collection, 0)


async def own_collection(tx: Transaction, user_id: str, name: str) -> Collection:
    """The user's collection of this name. Raises NotFound, for what no collection can be called, too."""
    collection = await tx.collections.find(user_id, name) if flaw_of(name) is None else None
    if collection is None:
        raise NotFound(NO_COLLECTION)
    return collection


async def found_or_made(tx: Transaction, user_id: str, name: str) -> Collection:
    """The user's collection of this name, which nobody deletes before this transaction ends. It may fail with
    CollectionTaken."""
    collection = await tx.collections.find(user_id, name)
    if collection is None:
        return new_collection(tx, user_id, name, None)
    if not await tx.collections.hold(user_id, collection.id):
        raise CollectionTaken  # it has just been deleted
    return collection


def new_collection(tx: Transaction, user_id: str, name: str, description: str | None) -> Collection:
    collection = Collection(new_id(), user_id, name, description, now())
    tx.collections.add(collection)
    return collection


def possible(name: str) -> str:
    """A name that a collection can have. Raises NotFound, as for everything that an address cannot name."""
    if (flaw := flaw_of(name)) is not None:
        raise NotFound(f"There can be no such collection: {flaw}.")
    return name


async def _told(tx: Transaction, user_id: str, collection_id: str) -> ListedCollection:
    collection = await tx.collections.get(user_id, collection_id)
    if collection is None:
        raise NotFound(NO_COLLECTION)
    counts = await _counts(tx, user_id, [collection])
    return ListedCollection(collection, counts.get(collection.id, 0))


async def _counts(tx: Transaction, user_id: str, collections: Sequence[Collection]) -> Mapping[str, int]:
    return await tx.documents.counts(user_id, [each.id for each in collections])
