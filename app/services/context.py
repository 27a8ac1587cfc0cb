"""What of a conversation a model is shown: the system prompt always, then all that was said, or all since a cut.

Everything here is counted, never read: lengths are the estimates of `app.domain.tokens`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from app.domain.cards import ModelCard
from app.domain.chat import Author, Message, Said
from app.domain.prompts import ModelMessage, Part, Text
from app.domain.tokens import estimate

CHARACTERS = 4
"""That a token takes at most, by the estimate."""
_PER_MESSAGE = 8
"""Tokens that a vendor's own framing of a message may take."""
_UNKNOWN_WINDOW = 32_000
"""Tokens, for a model of which nobody says how much it takes: what small current models have."""


def window_of(card: ModelCard) -> int:
    """Tokens, of prompt and answer together."""
    return card.context_window or _UNKNOWN_WINDOW


def longest_answer(card: ModelCard, max_tokens: int) -> int:
    """What is asked of a model that can say no more than it can."""
    return min(max_tokens, card.max_output_tokens or max_tokens)


def room(card: ModelCard, *, system_prompt: str | None, max_tokens: int) -> int:
    """Tokens that are left to what was said, the newest message among it."""
    window = window_of(card)
    # A generous bound on the answer is rarely used up, and must not cost the model its memory.
    return window - min(max_tokens, window // 2) - cost(system_prompt or "")


def cost(text: str) -> int:
    """Tokens of a message that holds this text alone."""
    return estimate(text) + _PER_MESSAGE


def weight(message: Said | Message, model: str) -> int:
    """Tokens that it takes in a prompt for this model; an answer that failed before a word takes none."""
    if message.role is Author.ASSISTANT and not message.content:
        return 0
    thoughts = (cost(each.text) for each in message.reasoning) if message.model == model else ()
    return cost(message.content) + sum(thoughts)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A user's message with the answers to it: shown whole or not at all."""

    said: Sequence[Said]
    tokens: int


def exchanges(said: Sequence[Said], model: str) -> Sequence[Exchange]:
    """What was said, in order; what stands before the first question belongs to one that is not here."""
    starts = [index for index, message in enumerate(said) if message.role is Author.USER]
    cut = [said[start:end] for start, end in pairwise([*starts, len(said)])]
    return [Exchange(each, sum(weight(message, model) for message in each)) for each in cut]


def newest_within(said: Sequence[Exchange], tokens: int) -> Sequence[Exchange]:
    """The newest that take so many tokens together, without a gap."""
    for index in range(len(said) - 1, -1, -1):
        tokens -= said[index].tokens
        if tokens < 0:
            return said[index + 1 :]
    return said


def prompt(before: str | None, said: Sequence[Exchange], question: str, model: str) -> list[ModelMessage]:
    """The messages to send, oldest first: what stands for earlier turns, if anything does, those since, the question.

    Empty answers, of runs that failed before a word, are left out, and the questions that then follow each other become
    one: many models take only turns that alternate.
    """
    shown = [ModelMessage("user", before)] if before else []
    shown += _messages(said, model)
    return _alternating([*shown, ModelMessage("user", question)])


def _messages(said: Sequence[Exchange], model: str) -> Iterator[ModelMessage]:
    for exchange in said:
        for message in exchange.said:
            if message.role is Author.USER:
                yield ModelMessage("user", message.content)
            elif message.content:
                yield _answer(message, model)


def _alternating(messages: Sequence[ModelMessage]) -> list[ModelMessage]:
    joined: list[ModelMessage] = []
    for message in messages:
        if joined and joined[-1].role == message.role:
            before = joined.pop()
            joined.append(ModelMessage(message.role, _together(before, message)))
        else:
            joined.append(message)
    return joined


def _together(first: ModelMessage, second: ModelMessage) -> str | Sequence[Part]:
    if isinstance(first.content, str) and isinstance(second.content, str):
        return f"{first.content}\n\n{second.content}"
    return [*first.parts, Text("\n\n"), *second.parts]


def _answer(message: Said, model: str) -> ModelMessage:
    """With what the model thought, for itself alone: another vendor could not read its signatures."""
    if message.reasoning and message.model == model:
        return ModelMessage("assistant", [*message.reasoning, Text(message.content)])
    return ModelMessage("assistant", message.content)
