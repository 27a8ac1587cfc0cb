"""Answers from documents: what a question finds is shown to the reader, and to the model that answers from it."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.core.errors import AppError, InsufficientScope, NotFound
from app.database import Database, Transaction
from app.domain.attachments import Attached
from app.domain.chat import Author, Generation, Message, Turn
from app.domain.citing import guarded
from app.domain.conversation_files import SourcesPart
from app.domain.documents import ATTACHMENTS, Document
from app.domain.findings import Findings
from app.domain.prompts import ModelMessage, ModelRequest
from app.domain.providers import Provider
from app.domain.sources import UsedFile, payload, together
from app.domain.sources import shown as told
from app.domain.usage import Attempt
from app.generation.run import Preparation, Prepared
from app.services.acknowledgement import NO_MESSAGE, own_conversation
from app.services.attachments import Attachments, Audience, Shown
from app.services.compaction import Compactions
from app.services.context import room
from app.services.grounded_wording import GroundedWording, grounded_wording
from app.services.material import Material, plain, question_with
from app.services.memory import Memory
from app.services.retrieval import Retrieval
from app.services.rewriting import OFFLINE, Rewriting, latest_question

logger = logging.getLogger(__name__)

_EXTRACTS = 3
_BEFORE = 500
"""Characters of a question that one goes on from."""
_FILES = 32_000
_ANALYSED = 150_000
"""Tokens of files that are shown whole, at most: of those that are attached, and of one that is to be analysed."""
NOTHING = Findings((), answerable=False, confidence=0.0)


@dataclass(frozen=True, slots=True)
class Ground:
    """What a post is to be answered from, as far as it is known before anything of it is stored.

    `findings` are of the collections, None where none is named; `attached` are the files of the message itself.
    """

    collection_ids: Sequence[str] = ()
    findings: Findings | None = None
    attached: Sequence[Attached] = ()


@dataclass(frozen=True, slots=True)
class Post:
    """A post that is committed, and who answers it: `attached` are all files that the model is to see, `like` is the
    request without messages."""

    generation: Generation
    memory: Memory
    question: str
    attached: Sequence[Attached]
    turn: Turn
    like: ModelRequest
    provider: Provider
    may_read_files: bool = True
    """Whether whoever asks may: a key that is for chat alone may not, what others have attached before it either."""


class Grounding:
    def __init__(
        self,
        database: Database,
        retrieval: Retrieval,
        attachments: Attachments,
        rewriting: Rewriting,
        compactions: Compactions,
    ) -> None:
        self._database = database
        self.retrieval = retrieval
        self.attachments = attachments
        self.rewriting = rewriting
        self.compactions = compactions

    async def look(self, user_id: str, turn: Turn, *, may_read_documents: bool) -> Ground:
        """Search for what a post asks, as it stands, so that what is away or unknown is refused before it is stored.

        Raises NotFound (an unknown or foreign collection or file), InsufficientScope (another answer from documents,
        for a key that may read none), VectorsUnavailable, DatabaseUnavailable.
        """
        attached = await self.attachments.check(user_id, turn.file_ids)
        ids: Sequence[str] | None = None
        if turn.collections:
            ids = [each.id for each in await self.retrieval.collections(user_id, turn.collections)]
        elif turn.message is None:
            ids = await self._collections_before(user_id, turn)
        if ids is None:
            return Ground(attached=attached)
        if not may_read_documents:
            raise InsufficientScope("This answer is from documents; another one needs the scope `rag`.")
        if not ids:
            return Ground((), NOTHING, attached)
        question = turn.message if turn.message is not None else await self._question(user_id, turn)
        findings = await self.retrieval.find(user_id, question, ids, top_k=turn.passages)
        return Ground(ids, findings, attached)

    async def _question(self, user_id: str, turn: Turn) -> str:
        """What another answer is asked for to."""
        async with self._database.snapshot() as tx:
            message = await _replaced(tx, user_id, turn)
            if message.role is Author.ASSISTANT and message.parent_id is not None:
                message = await tx.messages.get(message.parent_id) or message
        return message.content

    async def _collections_before(self, user_id: str, turn: Turn) -> Sequence[str] | None:
        """Those that the answer is from to which another is asked for, as far as they are there still; None where it is
        from none."""
        async with self._database.snapshot() as tx:
            message: Message | None = await _replaced(tx, user_id, turn)
            if message is not None and message.role is Author.USER:
                message = await tx.messages.newest_answer(message.conversation_id, message.id)
            told = SourcesPart.stored(message.sources) if message is not None else None
            if told is None or not told.collections:
                return None
            found = [await tx.collections.get(user_id, each) for each in told.collections]
        # One without a name holds the files of all messages, and is never searched as a whole.
        return [each.id for each in found if each is not None and each.name != ATTACHMENTS]

    def request(self, ground: Ground, post: Post) -> ModelRequest | Preparation:
        """What the model is asked; where there is anything to answer from, the run of the answer makes it ready."""
        if ground.findings is None and not post.attached:
            return self.compactions.request(post.generation, post.memory, post.question, post.like)
        return _Grounded(self, ground, post)


async def _replaced(tx: Transaction, user_id: str, turn: Turn) -> Message:
    await own_conversation(tx, user_id, turn.conversation_id or "")
    message = await tx.messages.get(turn.replaces or "")
    if message is None or message.conversation_id != turn.conversation_id:
        raise NotFound(NO_MESSAGE)
    return message


class _Grounded:
    def __init__(self, grounding: Grounding, ground: Ground, post: Post) -> None:
        self._retrieval = grounding.retrieval
        self._attachments = grounding.attachments
        self._rewriting = grounding.rewriting
        self._compactions = grounding.compactions
        self._asides = grounding.rewriting.asides()
        self._ground = ground
        self._post = post
        self._user_id = post.generation.user_id
        self._shown = Shown()
        self._cutting: Preparation | None = None

    @property
    def attempts(self) -> Sequence[Attempt]:
        return [*self._asides.attempts, *(self._cutting.attempts if self._cutting else ())]

    def close(self) -> None:
        """Pictures and PDFs leave the room that all prompts share."""
        self._attachments.release(self._shown)

    async def prepare(self) -> Prepared:
        post, wording, shown = self._post, grounded_wording(self._post.question), self._shown
        await self._show()
        findings, files = await self._found(shown)
        sources = payload(findings, files, self._ground.collection_ids)
        if post.turn.strict and findings is not None and not findings.answerable and not (shown.texts or shown.parts):
            return Prepared(None, wording.unanswerable, sources)
        if post.provider.id == OFFLINE:
            return Prepared(None, _extracts(findings or NOTHING, wording), sources)
        hits = findings.hits if findings is not None else None
        material = Material(hits, shown.texts)
        asked = await asyncio.to_thread(question_with, material, post.question, wording)
        prepared = await self._prepared(asked, _rules(material, wording))
        request = prepared.request
        if request is not None and shown.parts:
            prepared = replace(prepared, request=_with_parts(request, shown))
        return replace(prepared, sources=sources, cited=None if hits is None else len(hits))

    async def _prepared(self, question: str, rules: str) -> Prepared:
        post = self._post
        like = replace(post.like, system_prompt="\n\n".join(filter(None, (post.like.system_prompt, rules))))
        request = self._compactions.request(post.generation, post.memory, question, like)
        if isinstance(request, ModelRequest):
            return Prepared(request)
        self._cutting = request
        return await request.prepare()

    async def _show(self) -> None:
        post = self._post
        if not post.attached:
            return
        if not post.may_read_files:
            self._shown.used += [
                UsedFile(each.file_id, each.name, "unread", "insufficient_scope") for each in post.attached
            ]
            return
        like, turn = post.like, post.turn
        tokens = room(like.model, system_prompt=like.system_prompt, max_tokens=like.max_tokens)
        most = min(_ANALYSED, tokens * 3 // 4) if turn.analysed else min(_FILES, tokens // 2)
        # Who is no model quotes what fits the question, and reads nothing whole.
        most = 0 if post.provider.id == OFFLINE else most
        audience = Audience(like.model, most, natively=turn.analysed, excerpts=turn.summed_up and most > 0)
        await self._attachments.show(self._user_id, post.attached, audience, self._shown)

    async def _found(self, shown: Shown) -> tuple[Findings | None, Sequence[UsedFile]]:
        """What the question finds in the collections and in the files that are too long to be shown, and what is to be
        told of all files."""
        found = self._ground.findings
        if found is None and not shown.large:
            return None, shown.used
        others = await self._in_other_words()
        if found is not None and self._ground.collection_ids:
            found = await self._surest(found, others, self._ground.collection_ids)
        files = list(shown.used)
        if shown.large:
            within, reason = await self._in_files(shown.large, others)
            used = "unread" if reason else "passages"
            # "What is this about?" is answered by no passage, and who attaches a file expects that it was looked at.
            if reason is None and not within.answerable and self._post.provider.id != OFFLINE:
                await self._attachments.glimpse(shown)
                used = "excerpts"
            files += [UsedFile(each.file_id or "", each.title, used, reason) for each in shown.large]
            found = within if found is None else together(found, within)
        return told(found, files, self._ground.collection_ids) if found is not None else None, files

    async def _in_files(self, large: Sequence[Document], others: Sequence[str]) -> tuple[Findings, str | None]:
        """What is found in them, or why they were not searched."""
        ids = sorted({each.collection_id for each in large})
        documents = [each.id for each in large]
        try:
            first = await self._search(self._post.question, ids, documents)
        except AppError as error:
            logger.warning("files were not searched", extra={"code": error.code})
            return NOTHING, error.code
        return await self._surest(first, others, ids, documents), None

    async def _surest(
        self, first: Findings, others: Sequence[str], ids: Sequence[str], documents: Sequence[str] | None = None
    ) -> Findings:
        """What the question found as it stands, or in other words: whichever is surer to answer it."""
        best = first
        for other in others:
            try:
                findings = await self._search(other, ids, documents)
            except AppError as error:
                logger.warning("a second search failed", extra={"code": error.code})
                continue
            best = max(best, findings, key=lambda each: each.confidence)
        return best

    async def _search(self, question: str, ids: Sequence[str], documents: Sequence[str] | None) -> Findings:
        top_k = self._post.turn.passages
        return await self._retrieval.find(self._user_id, question, ids, top_k=top_k, document_ids=documents)

    async def _in_other_words(self) -> Sequence[str]:
        """How else to look for a question that goes on from what was said: as a model puts it, or, where none can,
        with the beginning of the question before it."""
        post, said = self._post, self._post.memory.said
        if not said:
            return ()
        other = await self._rewriting.standing_alone(post.question, said, self._asides, post.like.model, post.provider)
        if other is not None:
            return (other,) if other != post.question.strip() else ()
        before = latest_question(said)
        return (f"{post.question}\n{before[:_BEFORE]}",) if before else ()


def _rules(material: Material, wording: GroundedWording) -> str:
    searched = wording.rules if material.hits is not None else ""
    return "\n\n".join(filter(None, (searched, wording.files if material.texts else "")))


def _with_parts(request: ModelRequest, shown: Shown) -> ModelRequest:
    """Pictures and PDFs stand before what is asked about them."""
    *before, last = request.messages
    return replace(request, messages=[*before, ModelMessage(last.role, [*shown.parts, *last.parts])])


def _extracts(findings: Findings, wording: GroundedWording) -> str:
    """What the documents say, for a reader who has no model."""
    if not findings.hits:
        return wording.unanswerable
    quotes = (" ".join(hit.quote.text.split()) for hit in findings.hits[:_EXTRACTS])
    quoted = [f"- {plain(quote)} [{number}]" for number, quote in enumerate(quotes, 1)]
    said = "\n".join([wording.extracts if findings.answerable else wording.nearest, "", *quoted])
    return guarded(said, len(findings.hits))
