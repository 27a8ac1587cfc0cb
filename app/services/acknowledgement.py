"""The transaction that acknowledges a post: from its commit on, the post is never lost."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.errors import ConversationBusy, KeyReused, NotFound
from app.database import Transaction
from app.domain.cards import ModelCard
from app.domain.chat import Conversation, Generation, Message, Status, Turn
from app.repositories.base import new_id

TITLE_CHARS = 50


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's own name for a request to a route; `fingerprint` is of the body as parsed."""

    route: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What was committed, and what the conversation held before it."""

    generation: Generation
    system_prompt: str | None
    history: Sequence[Message]


async def acknowledge(
    tx: Transaction, user_id: str, turn: Turn, card: ModelCard, key: IdempotencyKey | None, *, owner_id: str
) -> Acknowledged:
    """Write the user's message, the answer to come, its generation and the idempotency record.

    Raises NotFound, ConversationBusy or KeyRace, and then nothing is written.
    """
    conversation = await _conversation(tx, user_id, turn, card)
    history = await _history(tx, conversation.id, turn.parent_id)
    generation = await _append(tx, conversation, turn, card, history[-1].id if history else None, owner_id)
    if key is not None:
        await tx.idempotency.add(
            user_id=user_id, route=key.route, key=key.key, body_hash=key.fingerprint, generation_id=generation.id
        )
    return Acknowledged(generation, conversation.system_prompt, history)


async def find_replay(tx: Transaction, user_id: str, key: IdempotencyKey) -> str | None:
    """The generation that an earlier request with this key began. Raises KeyReused when its body was another."""
    record = await tx.idempotency.find(user_id=user_id, route=key.route, key=key.key)
    if record is None:
        return None
    if record.body_hash != key.fingerprint:
        raise KeyReused
    return record.generation_id


async def own_conversation(tx: Transaction, user_id: str, conversation_id: str, *, lock: bool = False) -> Conversation:
    """The user's conversation. Raises NotFound, for another's too."""
    conversation = await tx.conversations.get(user_id, conversation_id, lock=lock)
    if conversation is None:
        raise NotFound("There is no such conversation.")
    return conversation


def title_of(message: str) -> str:
    """A conversation's first title: the beginning of its first message, on one line."""
    return " ".join(message.split(maxsplit=TITLE_CHARS)[:TITLE_CHARS])[:TITLE_CHARS].rstrip()


async def _conversation(tx: Transaction, user_id: str, turn: Turn, card: ModelCard) -> Conversation:
    if turn.conversation_id is None:
        return await tx.conversations.add(
            user_id=user_id,
            title=title_of(turn.message),
            model=card.name,
            model_given=turn.model is not None,
            system_prompt=turn.system_prompt or None,
        )
    conversation = await own_conversation(tx, user_id, turn.conversation_id, lock=True)
    if await tx.generations.live_in(conversation.id) is not None:
        raise ConversationBusy(retry_after=1)
    kept = conversation.system_prompt if turn.system_prompt is None else turn.system_prompt
    return await tx.conversations.change(
        conversation,
        model=card.name,
        model_given=conversation.model_given or turn.model is not None,
        system_prompt=kept or None,
    )


async def _history(tx: Transaction, conversation_id: str, parent_id: str | None) -> Sequence[Message]:
    """The branch that the post continues: up to the parent that it names, else up to the newest message."""
    leaf_id = parent_id or await tx.messages.newest_id(conversation_id)
    if leaf_id is None:
        return []
    history = await tx.messages.branch(conversation_id, leaf_id)
    if not history:
        raise NotFound("There is no such message in this conversation.")
    return history


async def _append(
    tx: Transaction, conversation: Conversation, turn: Turn, card: ModelCard, parent_id: str | None, owner_id: str
) -> Generation:
    generation_id = new_id()
    answer = await tx.messages.append_turn(
        conversation.id, question=turn.message, parent_id=parent_id, model=card.name, generation_id=generation_id
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
    await tx.generations.add(generation)
    return generation
