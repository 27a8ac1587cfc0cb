"""The messages of a conversation: a tree by `parent_id`, in order of `position`."""

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import bindparam, func, insert, select, update

from app.core.errors import ConversationBusy
from app.domain.chat import Author, Bill, Failure, Message, Page, Question, Spot, Status
from app.domain.prompts import Reasoning
from app.models.chat import messages
from app.repositories.base import Repository, now
from app.repositories.message_rows import to_message, to_page, to_position, to_spot

_SIBLINGS_AT_MOST = 101
"""That are told of one message: all of thousands, for each of them, would be an answer of their square."""

_IN = messages.c.conversation_id == bindparam("conversation")
_ONE = messages.c.id == bindparam("message")
_ADD = insert(messages)
_FINISH = update(messages).where(_ONE)
_GET = select(messages).where(_ONE)
_PAGE = select(messages).where(_IN).order_by(messages.c.position).limit(bindparam("at_most"))
_PAGE_AFTER = _PAGE.where(messages.c.position > bindparam("after"))
_LENGTHS = _PAGE_AFTER.with_only_columns(
    (func.length(messages.c.content) + func.coalesce(func.length(messages.c.reasoning), 0)).label("length")
)
_AFTER = messages.c.position > bindparam("after")
_NEWEST_ANSWER = (
    select(messages)
    .where(_IN, messages.c.parent_id == bindparam("question"), messages.c.role == Author.ASSISTANT.value)
    .order_by(messages.c.position.desc())
    .limit(1)
)
_NEWEST_FIRST = select(messages).where(_IN).order_by(messages.c.position.desc()).limit(bindparam("at_most"))
_NEWEST_FIRST_BEFORE = _NEWEST_FIRST.where(messages.c.position < bindparam("before"))
_SAME_BRANCH = messages.alias("same_branch")
_SPOT = select(
    messages.c.id,
    messages.c.parent_id,
    messages.c.role,
    messages.c.branch_id,
    messages.c.position,
    select(func.max(_SAME_BRANCH.c.position))
    .where(_SAME_BRANCH.c.branch_id == messages.c.branch_id)
    .scalar_subquery()
    .label("last_position"),
).where(_ONE, _IN)
_SIBLINGS = (
    select(messages.c.id, messages.c.parent_id)
    .where(_IN, messages.c.parent_id.in_(bindparam("parents", expanding=True)))
    .order_by(messages.c.position)
)
_ROOTS = (
    select(messages.c.id, messages.c.parent_id).where(_IN, messages.c.parent_id.is_(None)).order_by(messages.c.position)
)
_TREE_FROM = (
    select(messages.c.id, messages.c.parent_id, messages.c.position)
    .where(_IN, messages.c.position >= bindparam("from_position"))
    .order_by(messages.c.position)
)


class MessageRepository(Repository):
    def append_turn(
        self,
        conversation_id: str,
        *,
        after: int,
        parent: Spot | None,
        question: Question | None,
        answer_id: str,
        model: str,
        generation_id: str,
        sources: str | None = None,
    ) -> None:
        """Add a user's message, if there is one, and the answer to come, behind the one at position `after`; `sources`
        is JSON, and what is known of the answer's before it begins.

        The transaction fails with ConversationBusy when another post was faster.
        """
        parent_id = parent.id if parent is not None else None
        # A child that follows the end of a branch goes on with it.
        branch_id = parent.branch_id if parent is not None and parent.last else None
        answer = {
            "id": answer_id,
            "conversation_id": conversation_id,
            "parent_id": parent_id,
            "position": after + 1,
            "branch_id": branch_id or answer_id,
            "role": Author.ASSISTANT.value,
            "content": "",
            "status": Status.STREAMING.value,
            "model": model,
            "generation_id": generation_id,
            "sources": sources,
            "created_at": now(),
        }
        rows = [answer]
        if question is not None:
            branch_id = branch_id or question.id
            asked = {
                **answer,
                "id": question.id,
                "branch_id": branch_id,
                "role": Author.USER.value,
                "content": question.text,
                "status": Status.COMPLETE.value,
                "model": None,
                "generation_id": None,
                "sources": None,
            }
            rows = [asked, {**answer, "parent_id": question.id, "position": after + 2, "branch_id": branch_id}]
        self._connection.later(_ADD, rows, conflict=ConversationBusy)

    def finish(
        self,
        message_id: str,
        *,
        content: str,
        status: Status,
        bill: Bill | None,
        failure: Failure | None,
        reasoning: Sequence[Reasoning] = (),
        sources: str | None = None,
    ) -> None:
        """Give a streaming message its text and its ending; `sources` is JSON, and without any those stay that it was
        begun with."""
        values = {
            "message": message_id,
            "content": content,
            "reasoning": msgspec.json.encode(reasoning).decode() if reasoning else None,
            "status": status.value,
            "input_tokens": bill and bill.input_tokens,
            "output_tokens": bill and bill.output_tokens,
            "cost": bill and bill.cost,
            "failure_code": failure and failure.code.value,
            "failure_detail": failure and failure.detail,
            "failure_retryable": failure and failure.retryable,
        }
        if sources is not None:
            values["sources"] = sources
        self._connection.later(_FINISH, values)

    async def get(self, message_id: str) -> Message | None:
        row = await self._row(_GET, {"message": message_id})
        return to_message(row) if row else None

    async def newest_answer(self, conversation_id: str, question_id: str) -> Message | None:
        """To a message of this conversation."""
        row = await self._row(_NEWEST_ANSWER, {"conversation": conversation_id, "question": question_id})
        return to_message(row) if row else None

    async def spot(self, conversation_id: str, message_id: str) -> Spot | None:
        """Where a message stands; None when it is not of this conversation."""
        row = await self._row(_SPOT, {"conversation": conversation_id, "message": message_id})
        return to_spot(row) if row else None

    async def siblings(self, messages: Sequence[Message]) -> Mapping[str, Sequence[str]]:
        """For each of these messages of one conversation, it and what else was said in its place, by creation.

        Where that is very much, what was said around it.
        """
        if not messages:
            return {}
        conversation = {"conversation": messages[0].conversation_id}
        parents = [each.parent_id for each in messages if each.parent_id is not None]
        rows = list(await self._connection.rows(_SIBLINGS, {**conversation, "parents": parents}))
        if len(parents) < len(messages):
            rows += await self._connection.rows(_ROOTS, conversation)
        children: dict[str | None, list[str]] = {}
        places: dict[str, int] = {}
        for row in rows:
            among = children.setdefault(row["parent_id"], [])
            places[row["id"]] = len(among)
            among.append(row["id"])
        # One that is gone by now, with its conversation, has none.
        return {
            each.id: _around(children[each.parent_id], places[each.id]) if each.id in places else [each.id]
            for each in messages
        }

    async def newest_below(self, spot: Spot, conversation_id: str) -> str:
        """The message that was added last on a path that goes on from this one; itself where none does."""
        rows = await self._connection.rows(
            _TREE_FROM, {"conversation": conversation_id, "from_position": spot.position}
        )
        below, newest = {spot.id}, spot.id
        for row in rows:
            if row["parent_id"] in below:
                below.add(row["id"])
                newest = row["id"]
        return newest

    async def page(
        self, conversation_id: str, *, limit: int, cursor: str | None, newest_first: bool = False
    ) -> Page[Message]:
        """All siblings by creation."""
        values: dict[str, str | int] = {"conversation": conversation_id, "at_most": limit + 1}
        statement, further, name = _PAGE, _PAGE_AFTER, "after"
        if newest_first:
            statement, further, name = _NEWEST_FIRST, _NEWEST_FIRST_BEFORE, "before"
        if cursor is not None:
            statement, values[name] = further, to_position(cursor)
        return to_page(await self._connection.rows(statement, values), limit)

    async def lengths(self, conversation_id: str, *, after: int, limit: int) -> Sequence[int]:
        """How many characters each message has, with its reasoning, in order; of those behind position `after`."""
        values: dict[str, str | int] = {"conversation": conversation_id, "after": after, "at_most": limit}
        return [row["length"] for row in await self._connection.rows(_LENGTHS, values)]


def _around(siblings: Sequence[str], place: int) -> Sequence[str]:
    begin = max(0, min(place - _SIBLINGS_AT_MOST // 2, len(siblings) - _SIBLINGS_AT_MOST))
    return siblings[begin : begin + _SIBLINGS_AT_MOST]
