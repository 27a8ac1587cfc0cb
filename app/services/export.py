"""All that a user has stored, as the pieces of one archive."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from itertools import accumulate, takewhile
from typing import TypeVar

from app.core.errors import Draining, ExportRunning, NotFound, Overloaded, Unauthenticated
from app.database import Database, Transaction
from app.domain.archives import Piece
from app.domain.audit import Action, AuditEvent, AuditSearch
from app.domain.chat import Message, Page
from app.domain.identity import Principal
from app.schemas.api_keys import KeyAnswer
from app.schemas.audit import AuditEventAnswer
from app.schemas.base import Answer
from app.schemas.conversations import MessageAnswer
from app.schemas.export import ConversationHeadAnswer
from app.schemas.identity import UserAnswer
from app.schemas.sessions import SessionAnswer
from app.schemas.usage import BookingAnswer
from app.services.audit import record
from app.services.conversations import ConversationService

logger = logging.getLogger(__name__)

T = TypeVar("T")
Read = Callable[[Transaction, str | None], Awaitable[Page[T]]]

AT_ONCE = 2
"""Exports in one process: each may hold tens of megabytes, of one long message and its spellings."""
_ROWS = 100
_IDS = 1000
_GRACE = 2.0
"""Seconds for what is broken off, to end."""
_CHARACTERS = 500_000
"""Of messages that are read at once, unless a single one is longer."""
_README = (
    "All that this account has stored, as JSON in UTF-8. Times are in UTC, costs in US dollars.\n"
    "这里是该账户存储的全部内容,格式为 UTF-8 编码的 JSON。时间为 UTC,费用单位为美元。\n"
)


class ExportService:
    def __init__(self, database: Database, conversations: ConversationService) -> None:
        self._database = database
        self._conversations = conversations
        self._running: dict[str, Export] = {}
        self._draining = False
        self._none_left = asyncio.Event()

    async def begin(self, principal: Principal) -> "Export":
        """An export, to be released by whoever asked.

        Raises Draining, ExportRunning while the user has another here, Overloaded while others take all places.
        """
        user_id = principal.user.id
        if self._draining:
            raise Draining(retry_after=5)
        if user_id in self._running:
            raise ExportRunning(retry_after=10)
        if len(self._running) >= AT_ONCE:
            raise Overloaded("Other exports are being made; try again in a moment.", retry_after=10)
        export = Export(self._database, self._conversations, principal, lambda: self._give_back(user_id))
        self._running[user_id] = export
        try:
            async with self._database.transaction() as tx:
                record(tx, Action.EXPORTED, by=principal)
        except BaseException:
            export.release()
            raise
        return export

    async def drain(self, seconds: float) -> None:
        """Begin nothing new, let what is under way finish for so long, then break the rest off."""
        self._draining = True
        if await self._end_within(seconds):
            return
        logger.info("exports are broken off", extra={"exports": len(self._running)})
        for export in list(self._running.values()):
            export.break_off()
        await self._end_within(_GRACE)

    async def _end_within(self, seconds: float) -> bool:
        if self._running:
            self._none_left.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._none_left.wait()
        return not self._running

    def _give_back(self, user_id: str) -> None:
        del self._running[user_id]
        if not self._running:
            self._none_left.set()


class Export:
    """Read page by page, each in a short snapshot: what changes meanwhile is told as it was then, or as it is now.

    A conversation that is deleted while it is read is marked as such, for it may lack messages.
    """

    def __init__(
        self,
        database: Database,
        conversations: ConversationService,
        principal: Principal,
        give_back: Callable[[], None],
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._principal = principal
        self._user_id = principal.user.id
        self._give_back: Callable[[], None] | None = give_back
        self._cut_short: set[str] = set()
        self._broken_off = False
        self.on_break: Callable[[], None] = lambda: None

    def release(self) -> None:
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()

    def break_off(self) -> None:
        """Have whoever sends it stop, or not begin."""
        self._broken_off = True
        self.on_break()

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """Raises DatabaseUnavailable, Draining, and Unauthenticated once the account is closed or inactive."""
        if self._broken_off:
            raise Draining
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
            self._talks(),
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
        async with self._database.snapshot() as tx:
            await self._stay(tx)
            conversation = await tx.conversations.get(self._user_id, conversation_id)
            lengths = await tx.messages.lengths(conversation_id, after=0, limit=_ROWS)
        if conversation is None:
            return  # deleted meanwhile
        name = f"conversations/{conversation_id}.json"
        head = ConversationHeadAnswer.model_validate(conversation)
        yield Piece(name, lambda: _json(head).removesuffix(b"}\n") + b',"messages":')
        async with aclosing(_array(name, self._messages(conversation_id, lengths), MessageAnswer.of)) as pieces:
            async for piece in pieces:
                yield piece
        deleted = conversation_id in self._cut_short
        yield Piece(name, lambda: b',"deleted":true}\n' if deleted else b"}\n")

    async def _messages(self, conversation_id: str, lengths: Sequence[int]) -> AsyncGenerator[Sequence[Message], None]:
        """As many at a time as are not too long together; `lengths` are those of the next."""
        cursor: str | None = "0"
        while lengths and cursor is not None:
            count = len(list(takewhile(lambda total: total <= _CHARACTERS, accumulate(lengths)))) or 1
            try:
                page = await self._conversations.messages(self._user_id, conversation_id, limit=count, cursor=cursor)
            except NotFound:
                self._cut_short.add(conversation_id)
                return
            yield page.items
            cursor = page.next_cursor
            if cursor is not None:
                async with self._database.snapshot() as tx:
                    await self._stay(tx)
                    lengths = await tx.messages.lengths(conversation_id, after=int(cursor), limit=_ROWS)
                if not lengths:
                    self._cut_short.add(conversation_id)

    async def _pages(self, read: Read[T]) -> AsyncGenerator[Sequence[T], None]:
        cursor: str | None = None
        while True:
            async with self._database.snapshot() as tx:
                await self._stay(tx)
                page = await read(tx, cursor)
            yield page.items
            cursor = page.next_cursor
            if cursor is None:
                return

    async def _stay(self, tx: Transaction) -> None:
        user = await tx.users.get(self._user_id)
        if user is None or not user.is_active:
            raise Unauthenticated


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


async def _read_acts(search: AuditSearch, tx: Transaction, cursor: str | None) -> Page[AuditEvent]:
    return await tx.audit.page(search, limit=_ROWS, cursor=cursor)


def _discreet(act: AuditEvent) -> AuditEvent:
    """What another did is told, but not from where."""
    return act if act.actor_id is None else replace(act, address=None, credential_id=None, request_id=None)
