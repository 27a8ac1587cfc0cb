"""What is known of a user's collections and documents, for the export of an account."""

from app.database import Transaction
from app.domain.chat import Page
from app.schemas.collections import CollectionAnswer
from app.schemas.documents import ExportedDocument, listed

_ROWS = 100


async def read_collections(user_id: str, tx: Transaction, cursor: str | None) -> Page[CollectionAnswer]:
    page = await tx.collections.page(user_id, limit=_ROWS, cursor=cursor)
    counts = await tx.documents.counts(user_id, [each.id for each in page.items])
    answers = [
        CollectionAnswer(
            id=each.id,
            name=each.name,
            description=each.description,
            documents=counts.get(each.id, 0),
            created_at=each.created_at,
        )
        for each in page.items
    ]
    return Page(answers, page.next_cursor)


async def read_documents(user_id: str, tx: Transaction, cursor: str | None) -> Page[ExportedDocument]:
    """In the order of their ids, of which a cursor is one."""
    found = await tx.documents.of_user(user_id, after=cursor or "", limit=_ROWS)
    ids = [each.id for each in found]
    jobs = {job.document_id: job.id for job in await tx.jobs.of(user_id, ids)}
    unreadable = await tx.chunks.unreadable_counts(ids)
    names = {each: await _name(tx, user_id, each) for each in {document.collection_id for document in found}}
    answers = [
        ExportedDocument(
            **listed(each, job_id=jobs.get(each.id), unreadable_count=unreadable.get(each.id, 0)).model_dump(),
            collection=names[each.collection_id],
        )
        for each in found
    ]
    return Page(answers, ids[-1] if len(ids) == _ROWS else None)


async def _name(tx: Transaction, user_id: str, collection_id: str) -> str | None:
    collection = await tx.collections.get(user_id, collection_id)
    return collection.name or None if collection else None
