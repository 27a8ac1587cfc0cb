"""One PDF and a question about it: kept as a file, and answered in a conversation that goes on with it."""

import asyncio
import hashlib
from dataclasses import dataclass, replace

from app.core.errors import AppError, DocumentUnreadable, NotAPdf
from app.database import Database
from app.domain.cards import Input, ModelCard
from app.domain.chat import Turn
from app.domain.documents import Document, DocumentStatus
from app.domain.files import StoredFile
from app.domain.identity import Principal
from app.parsing.errors import NoText
from app.parsing.kinds import FileKind
from app.providers.catalogue import Catalogue
from app.services.chat import ChatService, Started
from app.services.document_adding import DocumentAdding
from app.services.files import FileService
from app.services.idempotency import IdempotencyKey
from app.services.intake import Received
from app.services.uploads import Receiving

SUMMARIZE = (
    "请总结这份文档的主要内容。\nPlease summarize the main content of this document, in the document's language."
)
"""What is asked where nothing is."""
_PATIENCE = 60.0
"""Seconds that a request waits to hear whether there is anything to read; after that the answer waits."""
_GLANCE = 0.1


@dataclass(frozen=True, slots=True)
class Asked:
    question: str | None
    model: str | None
    conversation_id: str | None

    def turn(self) -> Turn:
        return Turn(
            message=self.question or SUMMARIZE,
            model=self.model,
            conversation_id=self.conversation_id,
            analysed=True,
            summed_up=self.question is None,
            passages=20,
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """A PDF that is the user's now; `made` when it was not before."""

    file: StoredFile
    made: bool
    asked: Asked
    key: IdempotencyKey | None


@dataclass(slots=True)
class _Shared:
    """One file of which several requests ask at once: `made` by one of them, `used` once one is acknowledged."""

    asking: int = 0
    made: bool = False
    used: bool = False


def expect_pdf(received: Received) -> None:
    """Raises NotAPdf."""
    if received.kind is not FileKind.PDF:
        raise NotAPdf


class Analysis:
    def __init__(
        self,
        database: Database,
        chat: ChatService,
        files: FileService,
        adding: DocumentAdding,
        catalogue: Catalogue,
    ) -> None:
        self._database = database
        self._chat = chat
        self._files = files
        self._adding = adding
        self._catalogue = catalogue
        self._shared: dict[str, _Shared] = {}

    async def keep(
        self, principal: Principal, receiving: Receiving, received: Received, asked: Asked, key: IdempotencyKey | None
    ) -> Kept | Started:
        """Keep the file; or what an equal request has begun. Raises as `ChatService.check` and `Receiving.keep` do."""
        if key is not None:
            told = "\n".join((received.sha256, asked.question or "", asked.model or "", asked.conversation_id or ""))
            key = replace(key, fingerprint=hashlib.sha256(told.encode()).hexdigest())
            if (begun := await self._chat.replayed(principal, key)) is not None:
                return begun
        await self._chat.check(principal, asked.turn())
        file = await receiving.keep(received)
        return Kept(file, file.id == received.blob_id, asked, key)

    async def begin(self, principal: Principal, kept: Kept) -> Started:
        """Let a model answer; a file of which nothing comes, for nobody who asks at the same time, is not kept.

        Raises DocumentUnreadable where nothing of it can be shown to the model, and what `ChatService.post` raises.
        """
        shared = self._shared.setdefault(kept.file.id, _Shared())
        shared.asking += 1
        shared.made = shared.made or kept.made
        try:
            started = await self._begin(principal, kept)
            shared.used = True
            return started
        except AppError:
            if shared.asking == 1 and shared.made and not shared.used:
                await self._files.delete(principal.user.id, kept.file.id)
            raise
        finally:
            shared.asking -= 1
            if not shared.asking:
                del self._shared[kept.file.id]

    async def _begin(self, principal: Principal, kept: Kept) -> Started:
        turn = kept.asked.turn()
        card = await self._catalogue.resolve(turn.model) if turn.model or not turn.conversation_id else None
        document = await self._adding.attach(principal.user.id, kept.file)
        await self._expect_readable(document, card)
        return await self._chat.post(principal, replace(turn, file_ids=[kept.file.id]), kept.key)

    async def _expect_readable(self, document: Document, card: ModelCard | None) -> None:
        """Of a model that is not known yet it is taken that it sees."""
        takes_it = card is None or Input.PDF in card.inputs
        sees = card is None or Input.IMAGE in card.inputs
        until = asyncio.get_running_loop().time() + _PATIENCE
        while asyncio.get_running_loop().time() < until:
            async with self._database.snapshot() as tx:
                found = await tx.documents.get(document.user_id, document.id)
                job = await tx.jobs.find(document.user_id, document.id)
            if found is None or job is None:
                return  # deleted meanwhile, as the answer will say
            if (mishap := found.mishap) is not None:
                if mishap.code == NoText.code and (sees or takes_it):
                    return
                raise DocumentUnreadable(mishap.code, mishap.detail)
            opened = job.page_count is not None
            if found.status not in (DocumentStatus.QUEUED, DocumentStatus.READING) or (opened and takes_it):
                return
            await asyncio.sleep(_GLANCE)
