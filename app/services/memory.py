"""What is known of a path when a post goes on from it, and what of that fits into a model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from app.database import Transaction
from app.domain.chat import Author, Said
from app.domain.compactions import Compaction
from app.domain.paths import Path
from app.services.context import CHARACTERS, Exchange, cost, exchanges
from app.services.wording import labelled


@dataclass(frozen=True, slots=True)
class Memory:
    """The newest of what was said on `path`, oldest first: `whole` if that is all behind the position `start`.

    `compactions` are those of the path, oldest first.
    """

    path: Path | None = None
    said: Sequence[Said] = ()
    compactions: Sequence[Compaction] = ()
    start: int = 0
    whole: bool = True

    @property
    def latest(self) -> Compaction | None:
        return self.compactions[-1] if self.compactions else None

    def without_question(self) -> "tuple[Memory, str]":
        """The same up to the question that the path ends with, and that."""
        return replace(self, said=self.said[:-1]), self.said[-1].content

    def since(self, position: int) -> Sequence[Said] | None:
        """All that was said behind a position; None where not all of it is at hand."""
        if not (self.whole and self.start <= position) and not (self.said and self.said[0].position <= position):
            return None
        return [each for each in self.said if each.position > position]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a prompt holds: what stands for earlier turns, if anything does, and those since."""

    before: str | None
    said: Sequence[Exchange]


async def recall(
    tx: Transaction, conversation_id: str, path: Path, *, tokens: int, compacted: bool, asked: bool
) -> Memory:
    """As much of a path as may fit into so many tokens; `compacted` if the conversation has any compaction.

    `asked` if the path ends with the very question that is to be answered: nothing stands for that. The cost does not
    grow with the conversation: nothing is read of what cannot fit.
    """
    past = path.upto(path.leaf.position - 1) if asked else path
    compactions = await tx.compactions.newest(conversation_id, past) if compacted else ()
    start = _start(compactions, tokens)
    characters = CHARACTERS * max(tokens, 0)
    said = await tx.paths.history(path, characters=characters, after=start)
    # What has more characters takes more tokens than there are, whatever it says.
    whole = sum(len(each.content) for each in said) <= characters
    return Memory(path, said, compactions, start, whole)


def choose(memory: Memory, model: str, tokens: int) -> Choice | None:
    """The most that fits into so many tokens; None where it is time for another cut.

    It begins at the root, or with one of the compactions: so the beginning of the prompts stays the same from turn to
    turn, and a model that holds more is shown more. The latest one may go without its summary, where that is too long.
    """
    all_read = exchanges(memory.said, model)
    for compaction in (None, *memory.compactions):
        position = compaction.position if compaction else 0
        said = memory.since(position)
        # A cut behind a question that has an answer on this path would show neither of them.
        if said is None or (said and said[0].role is not Author.USER):
            continue
        shown = [each for each in all_read if each.said[0].position > position]
        before = labelled(compaction.summary) if compaction and compaction.summary else None
        if _fits(before, shown, tokens):
            return Choice(before, shown)
        if before is not None and compaction is memory.latest and _fits(None, shown, tokens):
            return Choice(None, shown)
    return None


def _fits(before: str | None, said: Sequence[Exchange], tokens: int) -> bool:
    taken = sum(_taken(before, said))
    return taken == 0 or taken <= tokens


def _taken(before: str | None, said: Sequence[Exchange]) -> Iterator[int]:
    if before is not None:
        yield cost(before)
    for exchange in said:
        yield exchange.tokens


def _start(compactions: Sequence[Compaction], tokens: int) -> int:
    """The position behind which all may fit: the root's, or that of one of the compactions."""
    if not compactions:
        return 0
    latest = compactions[-1].tokens
    if latest <= tokens:
        return 0
    return next((each.position for each in compactions if latest - each.tokens <= tokens), compactions[-1].position)
