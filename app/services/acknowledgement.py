"""The transaction that acknowledges a post: from its commit on, the post is never lost."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.errors import ConversationBusy, Invalid, NotFound
from app.database import Transaction
from app.domain.attachments import Attached
from app.domain.cards import ModelCard
from app.domain.chat import Author, Conversation, Generation, Question, Status, Turn
from app.domain.entries import Entry, entries
from app.domain.paths import Path
from app.domain.sources import payload
from app.repositories.base import new_id
from app.repositories.conversations import Entered
from app.services.context import longest_answer, room
from app.services.idempotency import IdempotencyKey, remember
from app.services.memory import Memory, recall

TITLE_CHARS = 50
MOST_FILES = 20
"""Of one message."""
NO_CONVERSATION = "There is no such conversation."
NO_MESSAGE = "There is no such message in this conversation."


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What was committed, and what is known of what had been said before `question`.

    `attached` are the files of the question and of all that was said before, the newest first.
    """

    generation: Generation
    title: str
    system_prompt: str | None
    memory: Memory
    question: str
    attached: Sequence[Attached] = ()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in its conversation a post goes on: behind `path`, or at the root, as message number `after` + 1.

    `memory` is of that path. `question` is to be added there; None: the path ends with it, and only another answer is
    to come.
    """

    path: Path | None
    memory: Memory
    question: str | None
    after: int = 0
    attached: Sequence[Attached] = ()
    """The files of what was said on the path, the newest first."""
    replaced: Sequence[Attached] = ()
    """Those of the question that this one is in place of."""


async def acknowledge(
    tx: Transaction,
    user_id: str,
    turn: Turn,
    card: ModelCard,
    key: IdempotencyKey | None,
    *,
    owner_id: str,
    attached: Sequence[Attached] = (),
    collection_ids: Sequence[str] = (),
    found_by: Sequence[Entry] = (),
    ticket: str | None = None,
) -> Acknowledged:
    """Write the user's message, the answer to come, its generation and the idempotency record; spend a `ticket`.

    `attached` are the files of the message; one that takes another's place has those of that one, too. The answer is to
    be from `collection_ids`, and so is another in its place, however far this one gets.
    `found_by` are the search entries of the message, which take a while to make and no transaction.

    Raises NotFound, Invalid or ConversationBusy, or the transaction fails with that, KeyRace or Unauthenticated (a
    ticket that another request has spent): then nothing is written.
    """
    generation_id = new_id()
    if ticket is not None:
        # First, so that of requests with one ticket the second waits here and hears of that, whatever else it wants.
        tx.tickets.bind(ticket, generation_id)
    question_id, answer_id = new_id(), new_id()
    if turn.conversation_id is None:
        place = _Place(None, Memory(), turn.message)
        conversation = _begin(tx, user_id, turn, card, answer_id)
    else:
        entered = await _enter(tx, user_id, turn.conversation_id)
        place = await _place(tx, entered, turn, card)
        conversation = _go_on(tx, entered.conversation, turn, card, answer_id)
    sources = payload(None, (), collection_ids).decode() if collection_ids else None
    generation = _append(tx, conversation, place, question_id, answer_id, generation_id, owner_id, sources)
    attached = _each_once([*attached, *place.replaced])[:MOST_FILES]
    if place.question is not None:
        tx.attachments.add(conversation.id, question_id, attached)
    title = entries(user_id, conversation.title) if turn.conversation_id is None else ()
    tx.search.add(conversation.id, {question_id: found_by}, title=title)
    if key is not None:
        remember(tx, user_id, key, generation.id)
    memory, question = place.memory, place.question
    if question is None:
        memory, question = memory.without_question()
    files = _each_once([*attached, *place.attached])
    return Acknowledged(generation, conversation.title, conversation.system_prompt, memory, question, files)


def _each_once(attached: Sequence[Attached]) -> Sequence[Attached]:
    return list({each.file_id: each for each in attached}.values())


def _append(
    tx: Transaction,
    conversation: Conversation,
    place: _Place,
    question_id: str,
    answer_id: str,
    generation_id: str,
    owner_id: str,
    sources: str | None,
) -> Generation:
    """Add the question, if there is one to add, the answer to come, and the run that is to write it."""
    generation = Generation(
        id=generation_id,
        user_id=conversation.user_id,
        conversation_id=conversation.id,
        message_id=answer_id,
        status=Status.STREAMING,
        owner_id=owner_id,
        fence=1,
        model=conversation.model,
        last_seq=0,
        failure_code=None,
    )
    tx.messages.append_turn(
        conversation.id,
        after=place.after,
        parent=place.path.leaf if place.path else None,
        question=Question(question_id, place.question) if place.question is not None else None,
        answer_id=answer_id,
        model=conversation.model,
        generation_id=generation_id,
        sources=sources,
    )
    tx.generations.add(generation)
    return generation


async def own_conversation(tx: Transaction, user_id: str, conversation_id: str) -> Conversation:
    """The user's conversation. Raises NotFound, for another's too."""
    conversation = await tx.conversations.get(user_id, conversation_id)
    if conversation is None:
        raise NotFound(NO_CONVERSATION)
    return conversation


def title_of(message: str) -> str:
    """A conversation's first title: the beginning of its first message, on one line."""
    return " ".join(message.split(maxsplit=TITLE_CHARS)[:TITLE_CHARS])[:TITLE_CHARS].rstrip()


def _begin(tx: Transaction, user_id: str, turn: Turn, card: ModelCard, answer_id: str) -> Conversation:
    conversation = tx.conversations.add(
        user_id=user_id,
        title=title_of(turn.message or ""),
        model=card.name,
        model_given=turn.model is not None,
        system_prompt=turn.system_prompt or None,
        leaf_id=answer_id,
    )
    if turn.chat_id is not None:
        tx.ui_chats.add(user_id, turn.chat_id, conversation.id)
    return conversation


async def _enter(tx: Transaction, user_id: str, conversation_id: str) -> Entered:
    entered = await tx.conversations.enter(user_id, conversation_id)
    if entered is None:
        raise NotFound(NO_CONVERSATION)
    if entered.live_id is not None:
        raise ConversationBusy(retry_after=1)
    return entered


def _go_on(tx: Transaction, before: Conversation, turn: Turn, card: ModelCard, answer_id: str) -> Conversation:
    """The conversation as it is from now on."""
    return tx.conversations.change(
        before,
        model=card.name,
        model_given=before.model_given or turn.model is not None,
        system_prompt=_system_prompt(before, turn),
        leaf_id=answer_id,
    )


def _system_prompt(before: Conversation, turn: Turn) -> str | None:
    kept = before.system_prompt if turn.system_prompt is None else turn.system_prompt
    return kept or None


async def _place(tx: Transaction, entered: Entered, turn: Turn, card: ModelCard) -> _Place:
    conversation = entered.conversation
    leaf_id = await _leaf(tx, conversation, turn)
    replaced = await _replaced_files(tx, entered, turn)
    if leaf_id is None:
        return _Place(None, Memory(), turn.message, entered.last_position, replaced=replaced)
    path = await tx.paths.find(conversation.id, leaf_id)
    if path is None:
        raise NotFound(NO_MESSAGE)
    tokens = room(
        card, system_prompt=_system_prompt(conversation, turn), max_tokens=longest_answer(card, turn.max_tokens)
    )
    asked = turn.message is None
    memory = await recall(tx, conversation.id, path, tokens=tokens, compacted=entered.compacted, asked=asked)
    attached = await tx.attachments.on(conversation.id, path) if entered.has_files else ()
    return _Place(path, memory, turn.message, entered.last_position, attached, replaced)


async def _replaced_files(tx: Transaction, entered: Entered, turn: Turn) -> Sequence[Attached]:
    if turn.replaces is None or turn.message is None or not entered.has_files:
        return ()
    return (await tx.attachments.of([turn.replaces])).get(turn.replaces, ())


async def _leaf(tx: Transaction, conversation: Conversation, turn: Turn) -> str | None:
    """The message that a post goes on from; None for another beginning."""
    if turn.replaces is None:
        return turn.parent_id or conversation.leaf_id
    replaced = await tx.messages.spot(conversation.id, turn.replaces)
    if replaced is None:
        raise NotFound(NO_MESSAGE)
    asked = replaced.role is Author.USER
    if turn.message is None:
        return replaced.id if asked else replaced.parent_id
    if not asked:
        raise Invalid("Only what a user said can be edited; an answer can be regenerated.")
    return replaced.parent_id
