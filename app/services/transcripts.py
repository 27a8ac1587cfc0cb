"""A part of a conversation as a text that a model can be given to summarise, in pieces that it can hold."""

from collections import deque
from dataclasses import dataclass

from app.domain.chat import Author, Message
from app.domain.tokens import estimate
from app.services.context import CHARACTERS
from app.services.wording import Wording, wording_for


def head(text: str, tokens: int) -> str:
    """The longest beginning that takes so many tokens, or a little less."""
    while text and (taken := estimate(text)) > tokens:
        text = text[: min(len(text) - 1, len(text) * tokens // taken)]
    return text


def tail(text: str, tokens: int) -> str:
    """The same of its end."""
    text = text[-tokens * CHARACTERS :]
    while text and (taken := estimate(text)) > tokens:
        text = text[len(text) - min(len(text) - 1, len(text) * tokens // taken) :]
    return text


@dataclass(frozen=True, slots=True)
class Pieces:
    """Consecutive pieces of what was said, oldest first; `cut` when something before them was left out."""

    wording: Wording
    texts: list[str]
    cut: bool


class Transcript:
    """What was said, message after message; of more than `characters` the newest."""

    def __init__(self, characters: int) -> None:
        self._most = characters
        self._said: deque[tuple[Author, str]] = deque()
        self._length = 0
        self._cut = False

    def add(self, message: Message) -> None:
        self._said.append((message.role, message.content))
        self._length += len(message.content)
        while len(self._said) > 1 and self._length > self._most:
            self._length -= len(self._said.popleft()[1])
            self._cut = True

    def pieces(self, *, at_most: int, tokens: int) -> Pieces:
        """At most so many, each of at most so many tokens."""
        wording = wording_for(self._sample())
        names = {Author.USER: wording.user, Author.ASSISTANT: wording.assistant}
        left = "\n\n".join(f"{names[role]}: {content}" for role, content in self._said if content)
        texts: list[str] = []
        while left and len(texts) < at_most:
            piece = tail(left, tokens)
            if not piece:
                break
            left = left[: len(left) - len(piece)]
            texts.insert(0, piece)
        return Pieces(wording, texts, self._cut or bool(left))

    def _sample(self) -> str:
        return "".join(content[:1000] for _, content in list(self._said)[-40:])


def summary_question(pieces: Pieces, number: int, former: str) -> str:
    """What a model is asked about one piece; `former` is the summary of all before it."""
    wording = pieces.wording
    parts = [f"{wording.former}\n{former}"] if former else []
    if pieces.cut and number == 0:
        parts.append(wording.left_out)
    return "\n\n".join([*parts, wording.conversation, pieces.texts[number]])
