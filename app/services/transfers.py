"""Conversations to carry off: as files that can be brought back, to be read, to train a model with."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from app.core.errors import NotFound
from app.database import Database
from app.domain.chat import Conversation, Rating
from app.domain.downloads import Format, Piece
from app.services.acknowledgement import NO_MESSAGE, own_conversation
from app.services.conversation_files import ConversationFiles
from app.services.conversation_reading import Reader
from app.services.conversations import ConversationService
from app.services.downloads import Carried, Downloads
from app.services.markdown import markdown
from app.services.training import Examples

_AT_ONCE = 16
_EACH = 4
_NAME = "conversation"


@dataclass(frozen=True, slots=True)
class Export:
    """A conversation on its way out."""

    title: str
    download: Carried


class TransferService:
    def __init__(self, database: Database, conversations: ConversationService) -> None:
        self._database = database
        self._conversations = conversations
        self._downloads = Downloads(at_once=_AT_ONCE, each=_EACH)

    async def export(
        self, user_id: str, conversation_id: str, form: Format, *, leaf_id: str | None, rating: Rating
    ) -> Export:
        """One conversation; `leaf_id` has another path count as the active one.

        Raises NotFound, Draining, ExportRunning, Overloaded. The pieces raise NotFound when it is deleted meanwhile,
        DatabaseUnavailable, Draining, and Unauthenticated once the account is closed or inactive.
        """
        async with self._database.snapshot() as tx:
            conversation = await own_conversation(tx, user_id, conversation_id)
            if leaf_id is not None and await tx.messages.spot(conversation_id, leaf_id) is None:
                raise NotFound(NO_MESSAGE)
        pieces = self._pieces(user_id, conversation, form, leaf_id, rating)
        return Export(conversation.title, Carried(self._downloads.take(user_id), pieces))

    def export_rated(self, user_id: str, rating: Rating) -> Carried:
        """Examples of all conversations in which an answer has this rating. Raises the same but for NotFound."""
        examples = Examples(self._database, self._reader(user_id), rating)
        return Carried(self._downloads.take(user_id), examples.pieces)

    async def drain(self, seconds: float) -> None:
        """Begin nothing new, let what is under way finish for so long, then break the rest off."""
        await self._downloads.drain(seconds)

    def _pieces(
        self, user_id: str, conversation: Conversation, form: Format, leaf_id: str | None, rating: Rating
    ) -> Callable[[], AsyncGenerator[Piece, None]]:
        reader = self._reader(user_id)
        if form is Format.JSON:
            return lambda: ConversationFiles(self._database, reader).pieces(_NAME, conversation, leaf_id=leaf_id)
        if form is Format.MARKDOWN:
            return lambda: markdown(reader, _NAME, conversation, leaf_id or conversation.leaf_id)
        return lambda: Examples(self._database, reader, rating).pieces_of(conversation.id)

    def _reader(self, user_id: str) -> Reader:
        return Reader(self._database, self._conversations, user_id)
