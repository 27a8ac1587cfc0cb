"""What a model is asked: all of a conversation that it can hold, the rest cut off and summed up."""

from collections.abc import Sequence
from dataclasses import replace

from app.core.metrics import Metrics
from app.database import Database
from app.domain.chat import Generation, Page
from app.domain.compactions import Compaction
from app.domain.prompts import ModelRequest
from app.domain.usage import Attempt, Purpose
from app.generation.asides import AsideLimits, Asides
from app.generation.attempts import Price
from app.generation.run import Preparation, Prepared
from app.services.acknowledgement import own_conversation
from app.services.context import cost, prompt, room
from app.services.cutting import Cut, Cutting, cut_of
from app.services.memory import Memory, choose
from app.services.side_models import SideModel
from app.services.wording import labelled


class Compactions:
    def __init__(
        self, database: Database, model: SideModel, price: Price, metrics: Metrics, limits: AsideLimits
    ) -> None:
        self._database = database
        self._model = model
        self._price = price
        self._metrics = metrics
        self._limits = limits

    def request(
        self, generation: Generation, memory: Memory, question: str, like: ModelRequest
    ) -> ModelRequest | Preparation:
        """The request for an answer to `question`; `like` is the same without messages.

        Where another cut has to be made first, the run of the answer is to make it.
        """
        card = like.model
        tokens = room(card, system_prompt=like.system_prompt, max_tokens=like.max_tokens) - cost(question)
        choice = choose(memory, card.name, tokens)
        if choice is not None:
            return replace(like, messages=prompt(choice.before, choice.said, question, card.name))
        if tokens <= 0 or memory.path is None:
            # Nothing fits beside the question; whether that itself does is for the vendor to say.
            return replace(like, messages=prompt(None, (), question, card.name))
        asides = Asides(Purpose.SUMMARY, self._price, self._limits)
        cutting = Cutting(
            self._database, self._model, asides, self._metrics, generation, memory.compactions, memory.path
        )
        return _Prepared(cutting, cut_of(memory.said, card.name, tokens), question, like)

    async def page(self, user_id: str, conversation_id: str, *, limit: int, cursor: str | None) -> Page[Compaction]:
        """Those of a conversation, in the order of the messages that they end with. Raises NotFound, InvalidCursor."""
        async with self._database.snapshot() as tx:
            await own_conversation(tx, user_id, conversation_id)
            return await tx.compactions.page(conversation_id, limit=limit, cursor=cursor)


class _Prepared:
    """A request that begins with a cut."""

    def __init__(self, cutting: Cutting, cut: Cut, question: str, like: ModelRequest) -> None:
        self._cutting = cutting
        self._cut = cut
        self._question = question
        self._like = like

    @property
    def attempts(self) -> Sequence[Attempt]:
        return self._cutting.attempts

    async def prepare(self) -> Prepared:
        model = self._like.model.name
        summary = await self._cutting.make(self._cut, model)
        before = labelled(summary) if summary else None
        return Prepared(replace(self._like, messages=prompt(before, self._cut.kept, self._question, model)))

    def close(self) -> None:
        """Nothing was made ready but texts."""
