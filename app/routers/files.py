"""Files that users upload, and get back."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response

from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.files import Span
from app.domain.identity import Scope
from app.routers.idempotency import IdempotencyHeader, unread_key
from app.routers.uploads import form_schema, read_form
from app.schemas.base import EntityId
from app.schemas.files import FileAnswer, FilesAnswer
from app.schemas.lists import ListQuery
from app.wire.download import DownloadResponse
from app.wire.ranges import asked_span

router = APIRouter(prefix="/files", tags=["files"], route_class=admitted(Scope.FILES))

_BYTES: dict[str, Any] = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
_UPLOAD: dict[int | str, dict[str, Any]] = {
    404: {"description": "The file that the first request with this Idempotency-Key has made was deleted."},
    409: {"description": "This very file is being uploaded and deleted at once."},
    413: {"description": "The file is larger than MAX_UPLOAD_BYTES, or than what is left of your storage."},
    415: {"description": "The body has to be a form, sent as multipart/form-data."},
    507: {"description": "There is no room left for files."},
}
_CONTENT: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file, as it was uploaded.", "content": _BYTES},
    206: {
        "description": "The part of it that was asked for.",
        "content": _BYTES,
        "headers": {
            "Content-Range": {
                "description": "Which part, as `bytes <first>-<last>/<size>`.",
                "schema": {"type": "string"},
            }
        },
    },
    416: {"description": "The file does not have this range."},
    500: {"description": "The content of this file is lost or damaged (`file_unreadable`)."},
}


@router.post(
    "",
    status_code=201,
    summary="Upload a file",
    response_description="The file.",
    responses=_UPLOAD,
    openapi_extra=form_schema("file", "The file, with its name."),
)
async def upload_file(
    request: Request, user: CurrentUser, house: HouseDep, key: IdempotencyHeader = None
) -> FileAnswer:
    """Keeps a file of any kind, up to MAX_UPLOAD_BYTES; what it is is told by its content.

    It is stored while it comes; one that breaks off leaves nothing. The same content once more is the same file, under
    its first name.
    """
    named = unread_key(request, key)
    async with house.uploads.receiving(user.user.id) as receiving:
        form = await read_form(request, receiving, field="file")
        file = await receiving.keep(form.files[0], named)
    return FileAnswer.model_validate(file)


@router.get("", summary="List one's files")
async def list_files(query: Annotated[ListQuery, Query()], user: CurrentUser, house: HouseDep) -> FilesAnswer:
    """Your files, the newest first."""
    return FilesAnswer.of(await house.files.page(user.user.id, limit=query.limit, cursor=query.cursor))


@router.get("/{file_id}", summary="Show a file", response_description="What is known of the file.")
async def get_file(file_id: EntityId, user: CurrentUser, house: HouseDep) -> FileAnswer:
    return FileAnswer.model_validate(await house.files.get(user.user.id, file_id))


@router.get("/{file_id}/content", summary="Download a file", response_class=Response, responses=_CONTENT)
async def get_content(
    file_id: EntityId,
    user: CurrentUser,
    house: HouseDep,
    wanted: Annotated[
        str | None, Header(alias="Range", description="One range of bytes; several, and what is no range, get it all.")
    ] = None,
    unless_changed: Annotated[
        str | None, Header(alias="If-Range", description="The `ETag` of which the range is to be a part.")
    ] = None,
) -> Response:
    """The bytes of a file, always as a download: a browser saves it and never shows it as a page of this site."""
    file = await house.files.get(user.user.id, file_id)
    etag = f'"{file.sha256}"'
    span = asked_span(wanted, file.size) if unless_changed in (None, etag) else None
    headers = {
        "cache-control": "private, no-store",
        "content-security-policy": "sandbox",
        "accept-ranges": "bytes",
        "etag": etag,
    }
    if span is not None:
        headers["content-range"] = f"bytes {span.start}-{span.end - 1}/{file.size}"
    part = span or Span(0, file.size)
    return DownloadResponse(
        await house.files.read(file, part),
        filename=file.name,
        media_type=file.media_type,
        limits=house.download_limits,
        status=200 if span is None else 206,
        length=part.size,
        more=headers,
    )


@router.delete("/{file_id}", status_code=204, summary="Delete a file")
async def delete_file(file_id: EntityId, user: CurrentUser, house: HouseDep) -> None:
    """Delete a file and its content, for good."""
    await house.files.delete(user.user.id, file_id)
