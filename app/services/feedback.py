"""What people think of the answers that they got."""

from app.core.errors import Invalid, NotFound
from app.database import Database
from app.domain.chat import Author, Feedback
from app.services.acknowledgement import NO_MESSAGE


class FeedbackService:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, user_id: str, conversation_id: str, message_id: str, given: Feedback) -> None:
        """Rate an answer, in place of an earlier rating; also one that failed, or is being written.

        Raises NotFound, and Invalid for what a user said.
        """
        async with self._database.transaction() as tx:
            role = await tx.feedback.role(user_id, conversation_id, message_id, in_turn=True)
            if role is None:
                raise NotFound(NO_MESSAGE)
            if role is not Author.ASSISTANT:
                raise Invalid("Only an answer can be rated.")
            await tx.feedback.put(user_id, conversation_id, message_id, given)

    async def delete(self, user_id: str, conversation_id: str, message_id: str) -> None:
        """Take it back; harmless when there is none. Raises NotFound."""
        async with self._database.transaction() as tx:
            if await tx.feedback.role(user_id, conversation_id, message_id, in_turn=True) is None:
                raise NotFound(NO_MESSAGE)
            tx.feedback.delete(message_id)
