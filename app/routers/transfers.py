"""Conversations carried off, brought back, and forked."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Query, Request, Response

from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.conversation_files import ConversationFile
from app.domain.downloads import Format
from app.domain.identity import Scope
from app.routers.idempotency import IdempotencyHeader, idempotency_key, unread_key
from app.schemas.base import EntityId
from app.schemas.conversations import ConversationAnswer
from app.schemas.transfers import ExamplesQuery, ExportQuery, ForkBody
from app.wire.download import DownloadResponse, filename

router = APIRouter(prefix="/conversations", tags=["conversations"], route_class=admitted(Scope.CHAT))

_FILES = {
    Format.JSON: ("json", "application/json"),
    Format.MARKDOWN: ("md", "text/markdown; charset=utf-8"),
    Format.JSONL: ("jsonl", "application/jsonl"),
}
_FILE: dict[str, Any] = {"$ref": f"#/components/schemas/{ConversationFile.__name__}"}
_TEXT: dict[str, Any] = {"schema": {"type": "string"}}
_BUSY = {"description": "The path ends in an answer that is being written, or this Idempotency-Key is in use."}


@router.get(
    "/export",
    summary="Export rated conversations as training examples",
    response_class=Response,
    responses={200: {"description": "JSON Lines.", "content": {"application/jsonl": _TEXT}}},
)
async def export_examples(query: Annotated[ExamplesQuery, Query()], user: CurrentUser, house: HouseDep) -> Response:
    """Your rated answers with what was said before them, as OpenAI's fine-tuning takes it, the oldest first.

    A line ends with a rated answer. `weight` is 1 for answers with that rating, 0 for others; those that failed or are
    empty are left out, with their questions. Of a path that is longer the last 2,000 messages are taken.
    """
    examples = house.transfers.export_rated(user.user.id, query.rating)
    name = filename("training", "jsonl")
    return DownloadResponse(examples, filename=name, media_type="application/jsonl", limits=house.download_limits)


@router.get(
    "/{conversation_id}/export",
    summary="Export a conversation",
    response_class=Response,
    responses={
        200: {
            "description": "A file; one that is cut short was deleted meanwhile, or too slowly read.",
            "content": {
                "application/json": {"schema": _FILE},
                "text/markdown": _TEXT,
                "application/jsonl": _TEXT,
            },
        }
    },
)
async def export_conversation(
    conversation_id: EntityId, query: Annotated[ExportQuery, Query()], user: CurrentUser, house: HouseDep
) -> Response:
    """A conversation as a file: all of it to import again, its active path to read, or its rated answers to train with.

    An answer that is being written is told with its text so far. Up to 4 at a time for each user.
    """
    export = await house.transfers.export(
        user.user.id, conversation_id, query.format, leaf_id=query.leaf, rating=query.rating
    )
    ending, media_type = _FILES[query.format]
    return DownloadResponse(
        export.download,
        filename=filename(export.title, ending),
        media_type=media_type,
        limits=house.download_limits,
    )


@router.post(
    "/import",
    status_code=201,
    summary="Import a conversation",
    response_description="The new conversation.",
    responses={
        200: {"model": ConversationAnswer, "description": "The conversation that the same file has made before."},
        400: {"description": "The body is no JSON."},
        408: {"description": "The body did not arrive in time."},
        413: {"description": "The file is larger than MAX_IMPORT_BYTES."},
        415: {"description": "The body has to be JSON, sent as application/json."},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _FILE}},
        }
    },
)
async def import_conversation(
    request: Request, response: Response, user: CurrentUser, house: HouseDep, key: IdempotencyHeader = None
) -> ConversationAnswer:
    """Takes what an export as `json` gives, up to MAX_IMPORT_BYTES, and makes a conversation of it.

    Ids in it are names within it. Usage is shown as it is told, and counts for nothing. The same file once more
    answers 200 with the first conversation, unless that was deleted.
    """
    named = unread_key(request, key)
    _expect_json(request)
    with house.imports.body(user.user.id) as body:
        async for chunk in request.stream():
            body.add(chunk)
        imported = await house.imports.make(user.user.id, body, named)
    if not imported.made:
        response.status_code = 200
    return ConversationAnswer.model_validate(imported.conversation)


@router.post(
    "/{conversation_id}/fork",
    status_code=201,
    summary="Fork a conversation",
    response_description="The new conversation.",
    responses={409: _BUSY},
)
async def fork_conversation(
    request: Request,
    conversation_id: EntityId,
    user: CurrentUser,
    house: HouseDep,
    body: Annotated[ForkBody | None, Body()] = None,
    key: IdempotencyHeader = None,
) -> ConversationAnswer:
    """A new conversation that begins with a copy of what was said, up to a message. The first stays as it is."""
    wish = body or ForkBody(message_id=None)
    named = idempotency_key(request, key, wish)
    return ConversationAnswer.model_validate(
        await house.forks.fork(user.user.id, conversation_id, wish.message_id, named)
    )


def _expect_json(request: Request) -> None:
    """As for every body; this one the framework does not see."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not (
        media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))
    ):
        raise HTTPException(415)
