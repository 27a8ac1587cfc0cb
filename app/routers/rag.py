"""Searching in documents."""

from fastapi import APIRouter

from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.identity import Scope
from app.schemas.rag import SearchAnswer, SearchBody

router = APIRouter(prefix="/rag", tags=["documents"], route_class=admitted(Scope.RAG))


@router.post(
    "/search",
    summary="Search in documents",
    response_description="The passages that answer best.",
    responses={404: {"description": "You have no collection of such a name."}},
)
async def search(body: SearchBody, user: CurrentUser, house: HouseDep) -> SearchAnswer:
    """Find the passages of your documents that answer a question best, in English and Chinese alike.

    Nothing is written by a model here: each result is the document's own text, with its page and its place there.
    """
    collections = await house.retrieval.collections(user.user.id, body.collections)
    by_id = {each.id: each for each in collections}
    findings = await house.retrieval.find(
        user.user.id, body.query, list(by_id), top_k=body.top_k, document_ids=body.document_ids
    )
    return SearchAnswer.of(findings, by_id)
