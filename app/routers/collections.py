"""Collections of documents that are to be asked about."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.identity import Scope
from app.routers.idempotency import IdempotencyHeader, idempotency_key
from app.schemas.collections import CollectionAnswer, CollectionBody, CollectionsAnswer
from app.schemas.lists import ListQuery
from app.services.collections import ListedCollection

router = APIRouter(prefix="/rag/collections", tags=["documents"], route_class=admitted(Scope.RAG))

CollectionPath = Annotated[str, Path(description="The collection's name.")]


@router.get("", summary="List one's collections")
async def list_collections(
    query: Annotated[ListQuery, Query()], user: CurrentUser, house: HouseDep
) -> CollectionsAnswer:
    """Your collections of documents, the newest first."""
    page = await house.collections.page(user.user.id, limit=query.limit, cursor=query.cursor)
    return CollectionsAnswer(items=[_told(each) for each in page.items], next_cursor=page.next_cursor)


@router.post(
    "",
    status_code=201,
    summary="Make a collection",
    response_description="The new collection.",
    responses={409: {"description": "You have one of this name (`collection_exists`)."}},
)
async def make_collection(
    request: Request, body: CollectionBody, user: CurrentUser, house: HouseDep, key: IdempotencyHeader = None
) -> CollectionAnswer:
    """An empty collection. Adding a document to one that is not there makes it, too."""
    named = idempotency_key(request, key, body)
    return _told(await house.collections.make(user.user.id, body.name, body.description, named))


@router.delete("/{name}", status_code=204, summary="Delete a collection")
async def delete_collection(name: CollectionPath, user: CurrentUser, house: HouseDep) -> None:
    """Delete a collection with all its documents, for good; what is being read of them is stopped."""
    await house.collections.delete(user.user.id, name)


def _told(listed: ListedCollection) -> CollectionAnswer:
    collection = listed.collection
    return CollectionAnswer(
        id=collection.id,
        name=collection.name,
        description=collection.description,
        documents=listed.documents,
        created_at=collection.created_at,
    )
