"""Whatever is done to a conversation, in whatever order: paths, branches and prompts agree with `parent_id`."""

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from app.domain.trees import branches, newest_below
from tests.accounts.behind import rows
from tests.backend import Backend, User
from tests.chat.conversation_files import bring, exported
from tests.chat.test_branches import ancestry, edit, get, pages, regenerate, switch
from tests.upstream import Upstream

Told = list[dict[str, Any]]


class Conversation:
    """One that is acted on, and what is expected of it."""

    def __init__(self, user: User, upstream: Upstream, random: Random, id_: str) -> None:
        self.id = id_
        self._user = user
        self._upstream = upstream
        self._random = random

    async def act(self, number: int) -> None:
        """Do anything, and look whether the right thing has come of it."""
        told = await pages(self._user, self.id)
        one = self._random.choice(told)
        act = self._random.choice(["post", "post", "from", "edit", "regenerate", "switch", "fork", "import"])
        if act == "post":
            await self._posted(f"Q{number}", behind=(await get(self._user, self.id))["leaf_id"])
        elif act == "from":
            await self._posted(f"Q{number}", behind=one["id"], parent_id=one["id"])
        elif act == "edit" and one["role"] == "user":
            await edit(self._user, self.id, one["id"], f"Q{number}")
            await self._added(behind=one["parent_id"], question=f"Q{number}")
        elif act in ("edit", "regenerate"):
            await regenerate(self._user, self.id, one["id"])
            await self._added(behind=one["id"] if one["role"] == "user" else one["parent_id"])
        elif act == "switch":
            parents = {each["id"]: each["parent_id"] for each in told}
            assert (await switch(self._user, self.id, one["id"]))["leaf_id"] == newest_below(parents, one["id"])
        elif act == "fork":
            await self._forked(told, one["id"])
        else:
            await self._carried()

    async def _posted(self, question: str, behind: str, **body: Any) -> None:
        await self._user.chat(question, conversation_id=self.id, **body)
        await self._added(behind=behind, question=question)

    async def _added(self, behind: str | None, question: str | None = None) -> None:
        """An answer, and the question before it: behind the right message, shown what led there, and active."""
        told = await pages(self._user, self.id)
        by_id = {each["id"]: each for each in told}
        added = told[-1]
        if question is not None:
            assert told[-2]["content"] == question
            assert (told[-2]["parent_id"], added["parent_id"]) == (behind, told[-2]["id"])
        else:
            assert added["parent_id"] == behind
        assert (await get(self._user, self.id))["leaf_id"] == added["id"]
        *before, _ = ancestry({id_: each["parent_id"] for id_, each in by_id.items()}, added["id"])
        shown = self._upstream.calls[-1].body["messages"]
        assert [(each["role"], each["content"]) for each in shown] == alternating([by_id[id_] for id_ in before])

    async def _forked(self, told: Told, end: str) -> None:
        made = await self._user.http.post(f"/conversations/{self.id}/fork", json={"message_id": end})
        by_id = {each["id"]: each for each in told}
        way = ancestry({id_: each["parent_id"] for id_, each in by_id.items()}, end)
        self.id = made.json()["id"]
        copied = await pages(self._user, self.id)
        assert [each["content"] for each in copied] == [by_id[id_]["content"] for id_ in way]
        assert made.json()["leaf_id"] == copied[-1]["id"]

    async def _carried(self) -> None:
        sent = await exported(self._user, self.id)
        made = await bring(self._user, sent)
        assert made.status_code in (200, 201), made.text
        self.id = made.json()["id"]
        leaf = (await get(self._user, self.id))["leaf_id"]
        told = {each["id"]: each for each in await pages(self._user, self.id)}
        if made.status_code == 201:
            place = [each["id"] for each in sent["messages"]].index(sent["conversation"]["leaf_id"])
            parents = {id_: each["parent_id"] for id_, each in told.items()}
            assert leaf == newest_below(parents, list(told)[place])

    async def check(self, database_url: str) -> None:
        """Each path from either end, and the rows that they are read by."""
        told = await pages(self._user, self.id)
        parents = {each["id"]: each["parent_id"] for each in told}
        for leaf in parents:
            way = ancestry(parents, leaf)
            limit = self._random.randint(1, 4)
            forwards = await pages(self._user, self.id, leaf=leaf, limit=limit)
            backwards = await pages(self._user, self.id, leaf=leaf, limit=limit, order="desc")
            assert [each["id"] for each in forwards] == [each["id"] for each in backwards][::-1] == way
        stored = text("SELECT id, position, branch_id FROM messages WHERE conversation_id = :id ORDER BY position")
        found = await rows(database_url, stored.bindparams(id=self.id))
        assert [row["position"] for row in found] == list(range(1, len(told) + 1))
        assert {row["id"]: row["branch_id"] for row in found} == branches(parents)


def alternating(messages: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """As a model is shown them: questions that follow each other are one."""
    turns: list[tuple[str, str]] = []
    for each in messages:
        if turns and turns[-1][0] == each["role"]:
            turns[-1] = (each["role"], f"{turns[-1][1]}\n\n{each['content']}")
        else:
            turns.append((each["role"], each["content"]))
    return turns


@pytest.mark.parametrize("seed", range(3))
async def test_all_agree_with_the_parents(
    database_kind: str, database_url: str, backend: Backend, upstream: Upstream, seed: int
) -> None:
    alice = await backend.user()
    start = (await alice.chat("Q0")).start
    conversation = Conversation(alice, upstream, Random(seed), start["conversation_id"])  # noqa: S311
    for number in range(1, 25):
        await conversation.act(number)
    await conversation.check(database_url)
