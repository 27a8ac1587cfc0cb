"""Files in a conversation, as a model is shown them: whole, by their passages, as pictures, or just as they are."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TypeVar

from app.core.errors import AppError, NotFound
from app.database import Database
from app.domain.attachments import Attached
from app.domain.cards import Input, ModelCard
from app.domain.documents import Document, DocumentStatus
from app.domain.files import StoredFile
from app.domain.prompts import Image, Part, Pdf
from app.domain.sources import UsedFile
from app.domain.tokens import estimate
from app.parsing.errors import NoText
from app.parsing.kinds import FileKind
from app.services.document_adding import DocumentAdding
from app.services.excerpts import excerpts, whole
from app.services.page_images import PageImages
from app.services.pieces import holds, joined
from app.services.uploads import own_file
from app.stores.blobs.keeping import Blobs

T = TypeVar("T")

_MOST = 20
"""Files of one prompt, the newest."""
_PATIENCE = 120.0
"""Seconds that an answer waits for its files to be read."""
_GLANCE = 0.1
_IMAGES = 10
_IMAGE_BYTES = 5 * 1024 * 1024
_REQUEST_BYTES = 20 * 1024 * 1024
_REQUEST_PAGES = 100
"""Of pictures and PDFs in one request: what vendors take, less than a third more in base64."""
_GLIMPSE = 8000
"""Tokens of excerpts for a question that no passage answers."""
_HELD = 256 * 1024 * 1024
_COPIES = 3
"""Bytes that all prompts of one process hold together of pictures and PDFs: the file, its base64, and the request."""
_ENCRYPTED = b"/Encrypt"
"""Stands in every PDF that has a password, be it one that opens without."""

_PICTURES = {kind.media_type for kind in FileKind if kind.is_image}
_DOCUMENTS = {kind.media_type for kind in FileKind if kind.is_document}
_PDF = FileKind.PDF.media_type
_READ = (DocumentStatus.INDEXING, DocumentStatus.READY)
"""All of its text is known; it can be searched once it is READY."""
_UNDER_WAY = (DocumentStatus.QUEUED, DocumentStatus.READING, DocumentStatus.INDEXING)


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is to be shown them: a model, the tokens that it has for texts, whether it is to see PDFs as they are, and
    whether what is too long is to be shown in excerpts from all over it rather than searched."""

    card: ModelCard
    tokens: int
    natively: bool = False
    excerpts: bool = False


@dataclass(frozen=True, slots=True)
class Whole:
    """A text that is shown from one end to the other."""

    name: str
    text: str


@dataclass(slots=True)
class Shown:
    """What of the files goes into a prompt; `large` are documents that are too long for that, to be searched."""

    parts: list[Part] = field(default_factory=list)
    texts: list[Whole] = field(default_factory=list)
    large: list[Document] = field(default_factory=list)
    used: list[UsedFile] = field(default_factory=list)
    held: int = 0
    """Bytes of the room that all prompts share; whoever is done with this gives them back by `Attachments.release`."""

    @property
    def pictures(self) -> int:
        return sum(isinstance(part, Image) for part in self.parts)


class Attachments:
    def __init__(self, database: Database, blobs: Blobs, adding: DocumentAdding, pages: PageImages) -> None:
        self.database = database
        self.blobs = blobs
        self.adding = adding
        self.pages = pages
        self._held = 0

    async def check(self, user_id: str, file_ids: Sequence[str]) -> Sequence[Attached]:
        """The user's files of these ids, each once. Raises NotFound for any that is unknown or another's."""
        if not file_ids:
            return ()
        async with self.database.snapshot() as tx:
            files = [await own_file(tx, user_id, file_id) for file_id in dict.fromkeys(file_ids)]
        return [Attached(file.id, file.name) for file in files]

    async def show(self, user_id: str, attached: Sequence[Attached], audience: Audience, shown: "Shown") -> None:
        """Add the newest of these files to `shown`. What cannot be is told with the reason, and fails nothing."""
        await _Showing(self, user_id, audience, shown).show(attached[:_MOST])

    async def glimpse(self, shown: "Shown") -> None:
        """Add excerpts of the large documents to `shown`, for a question of which their passages know nothing."""
        tokens = _GLIMPSE // max(len(shown.large), 1)
        for document in shown.large:
            shown.texts.append(Whole(document.title, await excerpts(self.database, document, tokens)))

    def take(self, size: int, shown: "Shown") -> bool:
        """Whether there is room for so many bytes, which are taken then."""
        taken = size * _COPIES
        if self._held + taken > _HELD:
            return False
        self._held += taken
        shown.held += taken
        return True

    def release(self, shown: "Shown") -> None:
        self._held -= shown.held
        shown.held = 0


class _Showing:
    """For one prompt."""

    def __init__(self, house: Attachments, user_id: str, audience: Audience, shown: Shown) -> None:
        self._house = house
        self._user_id = user_id
        self._card = audience.card
        self._tokens = audience.tokens
        self._natively = audience.natively
        self._excerpts = audience.excerpts
        self._until = asyncio.get_running_loop().time() + _PATIENCE
        self._shown = shown
        self._bytes_left = _REQUEST_BYTES
        self._pages_left = _REQUEST_PAGES

    async def show(self, attached: Sequence[Attached]) -> None:
        begun = [await self._tried(each, self._begin(each)) for each in attached]
        # All are read at once before the first is waited for.
        for each, started in zip(attached, begun, strict=True):
            if started is not None:
                await self._tried(each, self._show_document(*started))

    async def _tried(self, attached: Attached, work: Coroutine[None, None, T]) -> T | None:
        try:
            return await work
        except NotFound:
            self._tell(attached.file_id, attached.name, "unread", "deleted")
        except AppError as error:
            self._tell(attached.file_id, attached.name, "unread", error.code)
        return None

    async def _begin(self, attached: Attached) -> tuple[StoredFile, Document] | None:
        """Show a picture, or have a document read; None where nothing is left to do."""
        async with self._house.database.snapshot() as tx:
            file = await own_file(tx, self._user_id, attached.file_id)
        if file.media_type in _DOCUMENTS:
            return file, await self._house.adding.attach(self._user_id, file)
        if file.media_type in _PICTURES:
            await self._show_picture(file)
        else:
            self._tell(file.id, file.name, "unread", "unsupported")
        return None

    async def _show_picture(self, file: StoredFile) -> None:
        if Input.IMAGE not in self._card.inputs:
            self._tell(file.id, file.name, "unread", "model_sees_no_images")
        elif file.size > _IMAGE_BYTES or self._shown.pictures >= _IMAGES or not self._take(file.size):
            self._tell(file.id, file.name, "unread", "too_large")
        else:
            self._shown.parts.append(Image(await joined(await self._pieces(file)), file.media_type))
            self._tell(file.id, file.name, "image")

    async def _show_document(self, file: StoredFile, document: Document) -> None:
        if await self._show_as_it_is(file, document):
            return
        document = await self._past(document, DocumentStatus.QUEUED, DocumentStatus.READING)
        if document.status in _READ and (text := await whole(self._house.database, document, self._tokens)) is not None:
            self._tokens -= await asyncio.to_thread(estimate, text)
            self._shown.texts.append(Whole(file.name, text))
            self._tell(file.id, file.name, "whole")
            return
        document = await self._past(document, *_UNDER_WAY)
        if document.mishap is not None:
            await self._show_unread(file, document.mishap.code)
        elif document.status is DocumentStatus.READY and self._excerpts:
            text = await excerpts(self._house.database, document, self._tokens)
            self._tokens -= await asyncio.to_thread(estimate, text)
            self._shown.texts.append(Whole(file.name, text))
            self._tell(file.id, file.name, "excerpts")
        elif document.status is DocumentStatus.READY:
            self._shown.large.append(document)
        else:
            cancelled = document.status is DocumentStatus.CANCELLED
            self._tell(file.id, file.name, "unread", "cancelled" if cancelled else "still_being_read")

    async def _past(self, document: Document, *stages: DocumentStatus) -> Document:
        """Once it is in none of these, or time is up."""
        while document.status in stages and self._has_time():
            await asyncio.sleep(_GLANCE)
            document = await self._look(document)
        return document

    async def _show_as_it_is(self, file: StoredFile, document: Document) -> bool:
        """A PDF for a model that takes it; false where it has to be read."""
        takes = self._natively and Input.PDF in self._card.inputs and file.media_type == _PDF
        if not takes or file.size > self._bytes_left:
            return False
        pages = await self._page_count(document)
        if pages is None or pages > self._pages_left or not self._take(file.size):
            return False
        pieces = await self._pieces(file)
        if await holds(pieces, _ENCRYPTED):
            return False
        self._pages_left -= pages
        self._shown.parts.append(Pdf(await joined(pieces), file.name))
        self._tell(file.id, file.name, "pdf")
        return True

    async def _show_unread(self, file: StoredFile, code: str) -> None:
        """What has no text may have been scanned, and some models see."""
        pictures: Sequence[bytes] = ()
        room = _IMAGES - self._shown.pictures
        sees = Input.IMAGE in self._card.inputs and room > 0 and self._has_time()
        if code == NoText.code and file.media_type == _PDF and sees:
            pictures = await self._house.pages.of(file, room)
        seen = [each for each in pictures if self._take(len(each))]
        self._shown.parts += [Image(each, FileKind.PNG.media_type) for each in seen]
        self._tell(file.id, file.name, "pages" if seen else "unread", None if seen else code)

    async def _page_count(self, document: Document) -> int | None:
        """Once it was opened; None for what cannot be, or was not in time. Of a scan it is known as well."""
        while self._has_time():
            async with self._house.database.snapshot() as tx:
                job = await tx.jobs.find(self._user_id, document.id)
            if job is None or (job.mishap is not None and job.mishap.code != NoText.code):
                return None
            if job.mishap is not None or job.page_count is not None:
                return job.page_count
            await asyncio.sleep(_GLANCE)
        return None

    async def _look(self, document: Document) -> Document:
        async with self._house.database.snapshot() as tx:
            found = await tx.documents.get(self._user_id, document.id)
        if found is None:
            raise NotFound
        return found

    async def _pieces(self, file: StoredFile) -> Sequence[bytes]:
        async with aclosing(self._house.blobs.read(file.blob, 0, file.size)) as pieces:
            return [piece async for piece in pieces]

    def _take(self, size: int) -> bool:
        if size > self._bytes_left or not self._house.take(size, self._shown):
            return False
        self._bytes_left -= size
        return True

    def _has_time(self) -> bool:
        return asyncio.get_running_loop().time() < self._until

    def _tell(self, file_id: str, name: str, used: str, reason: str | None = None) -> None:
        self._shown.used.append(UsedFile(file_id, name, used, reason))
