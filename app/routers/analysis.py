"""Questions about one PDF."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app.core.errors import EmptyFile, Invalid, NotAPdf
from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.identity import Scope
from app.routers.idempotency import IdempotencyHeader, unread_key
from app.routers.streaming import BUSY_OR_REPEATED, EVENT_STREAM, event_stream
from app.routers.uploads import read_form
from app.schemas.base import storable
from app.schemas.chat import OptionalId
from app.services.analysis import Asked, expect_pdf
from app.services.chat import Started
from app.services.limits import Limited

router = APIRouter(
    prefix="/analyze", tags=["files"], route_class=admitted(Scope.FILES, Scope.CHAT, costs=True, limited=Limited.AI)
)

_TEXTS = {
    "question": "What is asked about it; nothing asks for a summary.",
    "model": "`provider/id` or a bare id.",
    "conversation_id": "The conversation to go on with; none begins a new one.",
}
_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "format": "binary", "minLength": 1, "description": "The PDF, with its name."},
        **{name: {"type": "string", "description": said} for name, said in _TEXTS.items()},
    },
}
_FORM["properties"]["conversation_id"]["format"] = "uuid"
_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The file is not a PDF (`not_a_pdf`), or the form cannot be read."},
    413: {"description": "The file is larger than MAX_UPLOAD_BYTES, or than what is left of your storage."},
    415: {"description": "The body has to be a form, sent as multipart/form-data."},
    422: {
        "description": "Nothing of the PDF can be read (`encrypted`, `damaged`, `no_text`, `too_many_pages`, "
        "`too_large`, `too_slow`, `empty`), or another field is not of the right form."
    },
    507: {"description": "There is no room left for files."},
}


@router.post(
    "/pdf",
    summary="Ask about a PDF, and read as the model answers",
    responses={**EVENT_STREAM, **BUSY_OR_REPEATED, **_REFUSALS},
    response_class=Response,
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
)
async def analyze_pdf(
    request: Request,
    user: CurrentUser,
    house: HouseDep,
    question: Annotated[str | None, Query(description=_TEXTS["question"])] = None,
    model: Annotated[str | None, Query(description=_TEXTS["model"])] = None,
    conversation_id: Annotated[OptionalId, Query(description=_TEXTS["conversation_id"])] = None,
    key: IdempotencyHeader = None,
) -> Response:
    """Answer a question about a PDF, or sum it up: a generation as in chat, in a conversation that knows the file.

    A model that takes PDFs is given it as it is; another its text, or, of a scan, pictures of its pages where it sees.
    The `sources` event says which. Fields may come in the form or by query.
    """
    named = unread_key(request, key)
    async with house.uploads.receiving(user.user.id) as receiving:
        try:
            form = await read_form(request, receiving, field="file", texts=tuple(_TEXTS), check=expect_pdf)
        except EmptyFile as error:
            raise NotAPdf from error
        given = {"question": question, "model": model, "conversation_id": conversation_id, **form.texts}
        asked = Asked(_text(given, "question"), _text(given, "model"), _id(given))
        kept = await house.analysis.keep(user, receiving, form.files[0], asked, named)
    started = kept if isinstance(kept, Started) else await house.analysis.begin(user, kept)
    return event_stream(house, started.generation, started.log)


def _text(given: dict[str, str | None], name: str) -> str | None:
    value = given[name]
    if value is None or not value.strip():
        return None
    try:
        return storable(value)
    except ValueError as error:
        raise Invalid(str(error), field=name) from error


def _id(given: dict[str, str | None]) -> str | None:
    value = _text(given, "conversation_id")
    try:
        return str(UUID(value)) if value is not None else None
    except ValueError as error:
        raise Invalid("Input should be a valid UUID", field="conversation_id") from error
