"""What the routes share that take files in a form: how it is read, and how it is described."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from app.core.errors import Invalid
from app.dependencies import still_admitted
from app.services.intake import Received
from app.services.uploads import Receiving
from app.wire.multipart import Part, parts

_LONGEST_TEXT = 64 * 1024
"""Bytes of a field that is no file."""


@dataclass(frozen=True, slots=True)
class Form:
    """The files in their order, and the texts by name."""

    files: Sequence[Received]
    texts: Mapping[str, str]


def _any_kind(_: Received) -> None:
    pass


async def read_form(
    request: Request,
    receiving: Receiving,
    *,
    field: str,
    most: int = 1,
    texts: Sequence[str] = (),
    check: Callable[[Received], None] = _any_kind,
) -> Form:
    """A form with up to `most` files as `field`, at least one, and perhaps these texts; other fields are ignored.

    The files are taken while they come; `check` raises for one that is not wanted. Afterwards whoever sent them must
    still be one who may. Raises Invalid, NotAForm, MalformedForm, TooLarge, Unauthenticated, and what `Receiving.take`
    raises.
    """
    files: list[Received] = []
    said: dict[str, str] = {}
    content_type = request.headers.get("content-type", "")
    async with aclosing(parts(content_type, request.stream())) as fields:
        async for part in fields:
            if part.name == field:
                if len(files) == most:
                    raise Invalid("too many files" if most > 1 else "one file at a time", field=field)
                received = await receiving.take(_filename(part), part.data)
                check(received)
                files.append(received)
            elif part.name in texts:
                said[part.name] = await part.text(_LONGEST_TEXT)
    if not files:
        raise Invalid("a file is needed", field=field)
    await still_admitted(request)
    return Form(files, said)


def _filename(part: Part) -> str:
    if part.filename is None:
        raise Invalid("must be a file, sent with its name", field=part.name)
    return part.filename


def form_schema(field: str, description: str) -> dict[str, Any]:
    """For the API description, as `openapi_extra`: a form with one file."""
    file = {"type": "string", "format": "binary", "minLength": 1, "description": description}
    schema = {"type": "object", "required": [field], "properties": {field: file}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
