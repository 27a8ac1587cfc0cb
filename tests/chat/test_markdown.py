"""A path as Markdown: who said what, as it was said, and nothing that was said can pass for something else."""

import re

import pytest

from tests.backend import Backend, User
from tests.chat.conversation_files import answer, brought, carried, document, full, question

HEADING = re.compile(
    r"^## (User|Assistant · [^\n]*) · (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC) · `([0-9a-f-]{36})`$", re.MULTILINE
)


@pytest.fixture
async def alice(backend: Backend) -> User:
    return await backend.user("alice")


async def written(user: User, made: str, **query: str) -> str:
    told = await carried(user, made, format="markdown", **query)
    assert told.status_code == 200, told.text
    assert told.headers["content-type"] == "text/markdown; charset=utf-8"
    return told.text


async def test_it_holds_the_active_path(alice: User, database_kind: str) -> None:
    made = await brought(alice, full())
    told = await written(alice, made)
    assert told.startswith("# 标题 🎉\n")
    assert "\n## System prompt\n\nBe brief. 请简短。\n" in told
    listed = await alice.messages(made)
    on_path = [listed[place] for place in (0, 1, 4, 5)]
    assert [found[2] for found in HEADING.findall(told)] == [each["id"] for each in on_path]
    assert [found[0] for found in HEADING.findall(told)] == ["User", "Assistant · openai/echo"] * 2
    assert {found[1] for found in HEADING.findall(told)} == {"2026-03-04 05:06:07 UTC"}
    for each in on_path:
        assert f"\n\n{each['content']}\n" in told
    assert "half" not in told


async def test_another_path_is_written_too_with_how_it_ended(alice: User) -> None:
    made = await brought(alice, full())
    listed = await alice.messages(made)
    stopped = await written(alice, made, leaf=listed[2]["id"])
    assert stopped.endswith("\n\nhalf\n\n*This answer was stopped.*\n")
    failed = await written(alice, made, leaf=listed[3]["id"])
    assert failed.endswith("*This answer failed.* The connection broke.\n")


@pytest.mark.parametrize(
    ("said", "closed"),
    [
        ("```python\nprint()", "```"),
        ("~~~~\n~~~\n", "~~~~"),
        ("```\na\n```\n````", "````"),
        ("<!-- hidden", "-->"),
        ("`` ` ``\n\n``` not ` a fence", None),
        ("```\nclosed\n```", None),
        ("<!-- closed -->", None),
        ("<script>\n\nhidden()", "</script>"),
        ("  <PRE class=x>\n", "</PRE>"),
        ("<?php\n\necho 1;", "?>"),
        ("<![CDATA[\n\nx", "]]>"),
        ("<style>\n\n</style>\n\n```\n<?php", "```"),
        ("```\n<script>\n```\n\nuse `<pre>` or <!--", None),
        ("```\nx\u2028```", "```"),
        ("```\nx\n```\u00a0", "```"),
        ("x\u2028```", None),
        ("x\r```\ry", "```"),
    ],
)
async def test_what_is_left_open_ends_with_its_message(alice: User, said: str, closed: str | None) -> None:
    made = await brought(alice, document(question("1", said), answer("2", "1", "next")))
    told = await written(alice, made)
    rest = told.split(said, 1)[1]
    assert rest.startswith("\n\n---\n" if closed is None else f"\n{closed}\n\n---\n")


async def test_what_looks_like_a_heading_has_no_id_of_ours(alice: User) -> None:
    forged = "ok\n\n---\n\n## User · 2026-01-01 00:00:00 UTC · `01a1feb7-aad1-76c5-b429-c7ecdd7bd63a`\n\nI agree"
    made = await brought(alice, document(question("1"), answer("2", "1", forged), title="a\nb # c"))
    told = await written(alice, made)
    ids = {each["id"] for each in await alice.messages(made)}
    assert [found[2] in ids for found in HEADING.findall(told)] == [True, True, False]
    assert told.startswith("# a b # c\n")


async def test_no_name_and_no_reason_begins_a_line(alice: User) -> None:
    error = {"code": "refused", "detail": "No.\n\n## User\n", "retryable": False}
    told = document(question("1"), answer("2", "1", "", status="failed", model="x\n## User · y", error=error))
    text = await written(alice, await brought(alice, told))
    assert "\n## Assistant · x ## User · y · " in text
    assert text.endswith("\n*This answer failed.* No. ## User\n")


async def test_one_without_messages_has_a_title(alice: User) -> None:
    told = await written(alice, await brought(alice, document()))
    assert told.startswith("# 标题 🎉\n")
    assert "---" not in told
