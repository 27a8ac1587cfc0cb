"""The bodies of files."""

from datetime import datetime
from typing import Self

from pydantic import Field

from app.domain.chat import Page
from app.domain.files import StoredFile
from app.schemas.base import Answer, Id, NextCursor


class FileAnswer(Answer):
    id: Id = Field(description="The file's id, to read it by.")
    name: str = Field(description="What it was called when it was uploaded, less what a name should not hold.")
    media_type: str = Field(
        description="What it is, by its content; `application/octet-stream` where that says nothing."
    )
    size: int = Field(description="How many bytes it has.")
    sha256: str = Field(description="The SHA-256 of its content, in hexadecimal.")
    created_at: datetime = Field(description="When it was uploaded.")


class FilesAnswer(Answer):
    items: list[FileAnswer] = Field(description="The files of this page.")
    next_cursor: NextCursor

    @classmethod
    def of(cls, page: Page[StoredFile]) -> Self:
        return cls(items=[FileAnswer.model_validate(each) for each in page.items], next_cursor=page.next_cursor)
