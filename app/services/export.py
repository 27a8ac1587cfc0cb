"""All that a user has stored, as the pieces of one archive."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TypeVar

from app.core.errors import FileUnreadable
from app.database import Database, Transaction
from app.domain.audit import Action, AuditEvent, AuditSearch
from app.domain.chat import Page
from app.domain.downloads import Piece
from app.domain.files import StoredFile
from app.domain.identity import Principal
from app.schemas.api_keys import KeyAnswer
from app.schemas.audit import AuditEventAnswer
from app.schemas.base import Answer
from app.schemas.files import FileAnswer
from app.schemas.identity import UserAnswer
from app.schemas.sessions import SessionAnswer
from app.schemas.usage import BookingAnswer
from app.services.audit import record
from app.services.conversation_files import ConversationFiles
from app.services.conversation_reading import Reader
from app.services.conversations import ConversationService
from app.services.document_export import read_collections, read_documents
from app.services.downloads import Carried, Downloads
from app.services.files import FileService

T = TypeVar("T")
Read = Callable[[Transaction, str | None], Awaitable[Page[T]]]

AT_ONCE = 2
"""Exports in one process: each may hold tens of megabytes, of one long message and its spellings."""
_ROWS = 100
_IDS = 1000
_UNREADABLE = "The content of this file is lost, or a part of it.\n这个文件的内容已全部或部分丢失。\n"
_README = (
    "All that this account has stored, as JSON in UTF-8. Times are in UTC, costs in US dollars.\n"
    "Each file in conversations/ can be imported again; files/ has what was uploaded.\n"
    "这里是该账户存储的全部内容,格式为 UTF-8 编码的 JSON。时间为 UTC,费用单位为美元。\n"
    "conversations/ 中的每个文件都可以重新导入;files/ 中是上传的文件。\n"
)


class ExportService:
    def __init__(self, database: Database, conversations: ConversationService, files: FileService) -> None:
        self._database = database
        self._conversations = conversations
        self._files = files
        self._downloads = Downloads(at_once=AT_ONCE, each=1)

    async def begin(self, principal: Principal) -> Carried:
        """An export, to be released by whoever asked.

        Raises Draining, ExportRunning while the user has another here, Overloaded while others take all places.
        """
        place = self._downloads.take(principal.user.id)
        try:
            async with self._database.transaction() as tx:
                record(tx, Action.EXPORTED, by=principal)
        except BaseException:
            place.release()
            raise
        return Carried(place, Export(self._database, self._conversations, self._files, principal).pieces)

    async def drain(self, seconds: float) -> None:
        """Begin nothing new, let what is under way finish for so long, then break the rest off."""
        await self._downloads.drain(seconds)


class Export:
    """Read page by page, each in a short snapshot: what changes meanwhile is told as it was then, or as it is now.

    A conversation that is deleted while it is read is marked as such, for it may lack messages.
    """

    def __init__(
        self, database: Database, conversations: ConversationService, files: FileService, principal: Principal
    ) -> None:
        self._database = database
        self._uploaded = files
        self._principal = principal
        self._user_id = principal.user.id
        self._reader = Reader(database, conversations, self._user_id)
        self._files = ConversationFiles(database, self._reader)

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """Raises DatabaseUnavailable, Draining, and Unauthenticated once the account is closed or inactive."""
        user_id, session_id = self._user_id, self._principal.session_id
        yield Piece("README.txt", _README.encode)
        yield Piece("profile.json", partial(_json, UserAnswer.model_validate(self._principal.user)))
        for listed in (
            _array(
                "sessions.json",
                self._pages(lambda tx, cursor: tx.sessions.page(user_id, limit=_ROWS, cursor=cursor)),
                lambda each: SessionAnswer.of(each, session_id),
            ),
            _array(
                "api_keys.json",
                self._pages(lambda tx, cursor: tx.api_keys.page(user_id, limit=_ROWS, cursor=cursor)),
                KeyAnswer.model_validate,
            ),
            _array(
                "usage.json",
                self._pages(lambda tx, cursor: tx.usage.booked(user_id, limit=_ROWS, cursor=cursor)),
                BookingAnswer.of,
            ),
            _array("audit.json", self._acts(), AuditEventAnswer.model_validate),
            _array(
                "files.json",
                self._pages(lambda tx, cursor: tx.files.page(user_id, limit=_ROWS, cursor=cursor)),
                FileAnswer.model_validate,
            ),
            _array("collections.json", self._pages(partial(read_collections, user_id)), _as_it_is),
            _array("documents.json", self._pages(partial(read_documents, user_id)), _as_it_is),
            self._talks(),
            self._contents(),  # the last, for they may be large, and their place may be away
        ):
            async with aclosing(listed) as pieces:
                async for piece in pieces:
                    yield piece

    async def _acts(self) -> AsyncGenerator[Sequence[AuditEvent], None]:
        """What this user did, then what others did to this user."""
        for search in (AuditSearch(actor_id=self._user_id), AuditSearch(target_id=self._user_id)):
            read = partial(_read_acts, search)
            async with aclosing(self._pages(read)) as pages:
                async for page in pages:
                    own = search.actor_id is not None
                    yield page if own else [_discreet(act) for act in page if act.actor_id != self._user_id]

    async def _contents(self) -> AsyncGenerator[Piece, None]:
        """Each file under its id and name. Of one whose content is lost there is a note in its place; of one that is
        damaged further on there is what comes before, and the note."""
        pages = self._pages(lambda tx, cursor: tx.files.page(self._user_id, limit=_ROWS, cursor=cursor))
        async with aclosing(pages):
            async for page in pages:
                for file in page:
                    async with aclosing(self._content(file)) as pieces:
                        async for piece in pieces:
                            yield piece

    async def _content(self, file: StoredFile) -> AsyncGenerator[Piece, None]:
        name = f"files/{file.id}/{file.name}"
        begun = False
        try:
            async with aclosing(self._uploaded.pieces(file, name)) as pieces:
                async for piece in pieces:
                    begun = True
                    yield piece
            return
        except FileUnreadable:
            pass  # said below
        if begun or await self._uploaded.exists(file):
            yield Piece(f"{name}.unreadable.txt", _UNREADABLE.encode)

    async def _talks(self) -> AsyncGenerator[Piece, None]:
        # By their ids: a list by last use would skip one that is used meanwhile.
        last = ""
        while True:
            async with self._database.snapshot() as tx:
                ids = await tx.conversations.ids(self._user_id, after=last, limit=_IDS)
            for conversation_id in ids:
                async with aclosing(self._talk(conversation_id)) as pieces:
                    async for piece in pieces:
                        yield piece
            if len(ids) < _IDS:
                return
            last = ids[-1]

    async def _talk(self, conversation_id: str) -> AsyncGenerator[Piece, None]:
        conversation = await self._reader.head(conversation_id)
        if conversation is None:
            return  # deleted meanwhile
        name = f"conversations/{conversation_id}.json"
        async with aclosing(self._files.pieces(name, conversation, lenient=True)) as pieces:
            async for piece in pieces:
                yield piece

    async def _pages(self, read: Read[T]) -> AsyncGenerator[Sequence[T], None]:
        cursor: str | None = None
        while True:
            async with self._database.snapshot() as tx:
                await self._reader.stay(tx)
                page = await read(tx, cursor)
            yield page.items
            cursor = page.next_cursor
            if cursor is None:
                return


async def _array(
    name: str, pages: AsyncGenerator[Sequence[T], None], answer: Callable[[T], Answer]
) -> AsyncGenerator[Piece, None]:
    """A JSON array of all that the pages hold, an item a line."""
    before = b"["
    async with aclosing(pages):
        async for page in pages:
            if page:
                yield Piece(name, partial(_items, before, page, answer))
                before = b","
    yield Piece(name, lambda: b"]\n" if before == b"," else b"[]\n")


def _items(before: bytes, page: Iterable[T], answer: Callable[[T], Answer]) -> bytes:
    return before + b",".join(b"\n" + answer(each).model_dump_json().encode() for each in page)


def _json(answer: Answer) -> bytes:
    return answer.model_dump_json().encode() + b"\n"


def _as_it_is(answer: Answer) -> Answer:
    return answer


async def _read_acts(search: AuditSearch, tx: Transaction, cursor: str | None) -> Page[AuditEvent]:
    return await tx.audit.page(search, limit=_ROWS, cursor=cursor)


def _discreet(act: AuditEvent) -> AuditEvent:
    """What another did is told, but not from where."""
    return act if act.actor_id is None else replace(act, address=None, credential_id=None, request_id=None)
