"""Documents of a collection: added, looked at, deleted."""

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from app.core.errors import Invalid, Malformed, NotAForm
from app.dependencies import CurrentUser, HouseDep, admitted, still_admitted
from app.domain.identity import Scope
from app.parsing.kinds import FileKind
from app.routers.collections import CollectionPath
from app.routers.idempotency import IdempotencyHeader, unread_key
from app.routers.uploads import Form, read_form
from app.schemas.base import EntityId
from app.schemas.documents import (
    LONGEST_TITLE,
    AddedDocument,
    AddedDocuments,
    DocumentAnswer,
    DocumentsAnswer,
    TextBody,
    listed,
    shown,
)
from app.schemas.lists import ListQuery
from app.services.collections import possible
from app.services.document_adding import Offered, expect_document
from app.services.uploads import Receiving

MOST_FILES = 20
router = APIRouter(prefix="/rag/collections/{name}/documents", tags=["documents"], route_class=admitted(Scope.RAG))

_FILE = {"type": "string", "format": "binary", "minLength": 1}
_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["files"],
    "properties": {
        "files": {
            "type": "array",
            "minItems": 1,
            "maxItems": MOST_FILES,
            "items": _FILE,
            "description": "The documents, with their names.",
        },
        "title": {
            "type": "string",
            "maxLength": LONGEST_TITLE,
            "description": "What the document is called, where it is one; else its file's name.",
        },
    },
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": _FORM},
            "application/json": {"schema": TextBody.model_json_schema()},
        },
    }
}
_ADDED: dict[int | str, dict[str, Any]] = {
    404: {"description": "A document that the first request with this Idempotency-Key has added was deleted."},
    409: {"description": "This very document is being added and deleted at once."},
    413: {
        "description": "A file is larger than MAX_UPLOAD_BYTES, the form than four of those, or all than you may have."
    },
    415: {
        "description": "A file is of a kind that is not read (`unsupported_document`); or the body is neither a form "
        "nor JSON (`unsupported_media_type`)."
    },
    507: {"description": "There is no room left for files."},
}


@router.post(
    "",
    status_code=202,
    summary="Add documents to a collection",
    response_description="The documents, which are being read, each with its job.",
    responses=_ADDED,
    openapi_extra=_BODY,
)
async def add_documents(
    request: Request, name: CollectionPath, user: CurrentUser, house: HouseDep, key: IdempotencyHeader = None
) -> AddedDocuments:
    """Up to 20 files (pdf, docx, pptx, xlsx, md, txt, html, csv; told by their content), or a text as JSON.

    All of them are taken, or none. The collection is made if it is new. The same content once more is the same
    document, under its first title, and is read again only where that came to nothing.
    """
    named = unread_key(request, key)
    collection = possible(name)
    await house.adding.check_room(user.user.id)
    async with house.uploads.receiving(user.user.id) as receiving:
        offered = await _offered(request, receiving)
        added = await house.adding.add(receiving, collection, offered, named)
    return AddedDocuments(documents=[AddedDocument.model_validate(each) for each in added])


@router.get("", summary="List the documents of a collection")
async def list_documents(
    name: CollectionPath, query: Annotated[ListQuery, Query()], user: CurrentUser, house: HouseDep
) -> DocumentsAnswer:
    """The documents of a collection and how they stand, the newest first."""
    page = await house.documents.page(user.user.id, name, limit=query.limit, cursor=query.cursor)
    items = [listed(each.document, job_id=each.job_id, unreadable_count=each.unreadable_count) for each in page.items]
    return DocumentsAnswer(items=items, next_cursor=page.next_cursor)


@router.get("/{document_id}", summary="Show a document", response_description="How the document stands.")
async def get_document(
    name: CollectionPath, document_id: EntityId, user: CurrentUser, house: HouseDep
) -> DocumentAnswer:
    """How a document stands, and which of its pages could not be read."""
    found = await house.documents.get(user.user.id, name, document_id)
    return shown(
        found.document,
        job_id=found.job_id,
        unreadable_count=found.unreadable_count,
        unreadable=found.unreadable,
    )


@router.delete("/{document_id}", status_code=204, summary="Delete a document")
async def delete_document(name: CollectionPath, document_id: EntityId, user: CurrentUser, house: HouseDep) -> None:
    """Delete a document with all that was made of it, for good. Its file goes with it, unless it was uploaded to
    `/files`, too, or is another document's."""
    await house.documents.delete(user.user.id, name, document_id)


async def _offered(request: Request, receiving: Receiving) -> Sequence[Offered]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        form = await read_form(
            request, receiving, field="files", most=MOST_FILES, texts=("title",), check=expect_document
        )
        return _titled(form)
    if media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json")):
        return [await _written(await _text_body(request), receiving)]
    raise NotAForm("The body must be a form, sent as multipart/form-data, or JSON, sent as application/json.")


def _titled(form: Form) -> Sequence[Offered]:
    title = " ".join(form.texts.get("title", "").split())
    if title and len(form.files) > 1:
        raise Invalid("a title is for one file", field="title")
    if len(title) > LONGEST_TITLE:
        raise Invalid(f"a title has up to {LONGEST_TITLE} characters", field="title")
    return [Offered(each, title or each.name) for each in form.files]


async def _text_body(request: Request) -> TextBody:
    try:
        given = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise Malformed from error
    await still_admitted(request)
    try:
        return TextBody.model_validate(given)
    except ValidationError as error:
        raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in error.errors()]) from error


async def _written(body: TextBody, receiving: Receiving) -> Offered:
    """It is kept as a file of Markdown, whatever it may look like."""
    received = await receiving.take(f"{body.title}.md", _pieces(body.text.encode()))
    return Offered(received.as_kind(FileKind.MARKDOWN), " ".join(body.title.split()))


async def _pieces(text: bytes) -> AsyncGenerator[bytes, None]:
    yield text
