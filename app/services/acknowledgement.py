"""The transaction that acknowledges a post: from its commit on, the post is never lost."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.errors import ConversationBusy, NotFound
from app.database import Transaction
from app.domain.cards import ModelCard
from app.domain.chat import Conversation, Generation, Said, Status, Turn
from app.repositories.base import new_id
from app.services.idempotency import IdempotencyKey, remember

TITLE_CHARS = 50
NO_CONVERSATION = "There is no such conversation."


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What was committed, and what the conversation held before it."""

    generation: Generation
    system_prompt: str | None
    history: Sequence[Said]


async def acknowledge(
    tx: Transaction,
    user_id: str,
    turn: Turn,
    card: ModelCard,
    key: IdempotencyKey | None,
    *,
    owner_id: str,
    ticket: str | None = None,
) -> Acknowledged:
    """Write the user's message, the answer to come, its generation and the idempotency record; spend a `ticket`.

    Raises NotFound or ConversationBusy, or the transaction fails with that, KeyRace or Unauthenticated (a ticket that
    another request has spent): then nothing is written.
    """
    generation_id = new_id()
    if ticket is not None:
        # First, so that of requests with one ticket the second waits here and hears of that, whatever else it wants.
        tx.tickets.bind(ticket, generation_id)
    history: Sequence[Said] = ()
    after = 0
    if turn.conversation_id is None:
        conversation = _begin(tx, user_id, turn, card)
    else:
        conversation, history, after = await _continue(tx, user_id, turn, turn.conversation_id, card)
    generation = _append(
        tx,
        conversation,
        turn,
        card,
        generation_id,
        parent_id=history[-1].id if history else None,
        after=after,
        owner_id=owner_id,
    )
    if key is not None:
        remember(tx, user_id, key, generation.id)
    return Acknowledged(generation, conversation.system_prompt, history)


async def own_conversation(tx: Transaction, user_id: str, conversation_id: str) -> Conversation:
    """The user's conversation. Raises NotFound, for another's too."""
    conversation = await tx.conversations.get(user_id, conversation_id)
    if conversation is None:
        raise NotFound(NO_CONVERSATION)
    return conversation


def title_of(message: str) -> str:
    """A conversation's first title: the beginning of its first message, on one line."""
    return " ".join(message.split(maxsplit=TITLE_CHARS)[:TITLE_CHARS])[:TITLE_CHARS].rstrip()


def _begin(tx: Transaction, user_id: str, turn: Turn, card: ModelCard) -> Conversation:
    return tx.conversations.add(
        user_id=user_id,
        title=title_of(turn.message),
        model=card.name,
        model_given=turn.model is not None,
        system_prompt=turn.system_prompt or None,
    )


async def _continue(
    tx: Transaction, user_id: str, turn: Turn, conversation_id: str, card: ModelCard
) -> tuple[Conversation, Sequence[Said], int]:
    """The conversation as it is from now on, what was said in it, and the position of its newest message."""
    entered = await tx.conversations.enter(user_id, conversation_id)
    if entered is None:
        raise NotFound(NO_CONVERSATION)
    if entered.live_id is not None:
        raise ConversationBusy(retry_after=1)
    history = await _history(tx, conversation_id, turn.parent_id or entered.newest_id)
    before = entered.conversation
    kept = before.system_prompt if turn.system_prompt is None else turn.system_prompt
    conversation = tx.conversations.change(
        before,
        model=card.name,
        model_given=before.model_given or turn.model is not None,
        system_prompt=kept or None,
    )
    return conversation, history, entered.last_position


async def _history(tx: Transaction, conversation_id: str, leaf_id: str | None) -> Sequence[Said]:
    """The branch that the post continues: up to the parent that it names, else up to the newest message."""
    if leaf_id is None:
        return []
    history = await tx.messages.history(conversation_id, leaf_id)
    if not history:
        raise NotFound("There is no such message in this conversation.")
    return history


def _append(
    tx: Transaction,
    conversation: Conversation,
    turn: Turn,
    card: ModelCard,
    generation_id: str,
    *,
    parent_id: str | None,
    after: int,
    owner_id: str,
) -> Generation:
    answer = tx.messages.append_turn(
        conversation.id,
        after=after,
        question=turn.message,
        parent_id=parent_id,
        model=card.name,
        generation_id=generation_id,
    )
    generation = Generation(
        id=generation_id,
        user_id=conversation.user_id,
        conversation_id=conversation.id,
        message_id=answer,
        status=Status.STREAMING,
        owner_id=owner_id,
        fence=1,
        model=card.name,
        last_seq=0,
        failure_code=None,
    )
    tx.generations.add(generation)
    return generation
