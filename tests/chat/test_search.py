"""Conversations as their owner finds them again: by what stands in their titles and messages."""

import asyncio
from typing import Any

import httpx

from tests.backend import Backend, User
from tests.conftest import Serve
from tests.search_rows import fill, plan, run
from tests.upstream import Answer, Upstream


async def test_a_conversation_is_found_by_its_question_its_answer_and_its_title(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    upstream.script([Answer(("The kiwi ", "flies to 北京 at night.")), Answer(("Nothing.",))])
    alice = await backend.user()
    start = (await alice.chat("Which bird was it? " * 3 + "Asking for a zoologist.")).start
    await alice.http.patch(f"/conversations/{start['conversation_id']}", json={"title": "Ornithology 鸟类学"})
    await alice.chat("Something else")
    for q in (
        "zoologist",
        "Kiwi",
        "北京",
        "ornithology",
        "鸟类",
        "FLIES bird",
        "京",
        "flying birds",
        "kiwis 鸟类学 zoologists",
    ):
        assert await _found(alice, q) == [start["conversation_id"]], q
    for q in ("zoo", "上海", "京北", "kiwi elephant", "ornith", "北 海"):
        assert await _found(alice, q) == [], q


async def test_the_words_may_stand_in_different_messages_but_the_parts_of_one_word_may_not(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    upstream.script([Answer(("Yes: 天安.",)), Answer(("安门 it is.",))])
    alice = await backend.user()
    start = (await alice.chat("Is it red?")).start
    await alice.chat("Or is it green?", conversation_id=start["conversation_id"])
    assert await _found(alice, "green red 天安 安门") == [start["conversation_id"]]
    assert await _found(alice, "天安门") == []


async def test_every_sibling_counts(database_kind: str, backend: Backend, upstream: Upstream) -> None:
    upstream.script([Answer(("Apricot.",)), Answer(("Blueberry.",)), Answer(("Cherry.",))])
    alice = await backend.user()
    start = (await alice.chat("Name a fruit")).start
    place = f"/conversations/{start['conversation_id']}/messages"
    question = (await alice.messages(start["conversation_id"]))[0]["id"]
    edited = await alice.http.post(f"{place}/{question}/edit", json={"message": "Name a pomaceous fruit"})
    again = await alice.http.post(f"{place}/{start['message_id']}/regenerate", json={})
    assert (edited.status_code, again.status_code) == (200, 200)
    for q in ("apricot", "blueberry", "cherry", "pomaceous", "name apricot cherry"):
        assert await _found(alice, q) == [start["conversation_id"]], q


async def test_a_renamed_conversation_is_found_by_its_new_title_alone(database_kind: str, backend: Backend) -> None:
    alice = await backend.user()
    conversation_id = (await alice.chat("Hello")).start["conversation_id"]
    for title in ("Quinces", "Medlars"):
        await alice.http.patch(f"/conversations/{conversation_id}", json={"title": title})
    assert await _found(alice, "quinces") == []
    assert await _found(alice, "medlars hello") == [conversation_id]


async def test_what_is_deleted_is_not_found(database_kind: str, backend: Backend, database_url: str) -> None:
    alice = await backend.user()
    gone, kept = [(await alice.chat(f"Persimmon {n}")).start["conversation_id"] for n in range(2)]
    assert await _found(alice, "persimmon") == [kept, gone]
    await alice.http.delete(f"/conversations/{gone}")
    assert await _found(alice, "persimmon") == [kept]
    assert await run(database_url, "SELECT count(DISTINCT conversation_id) FROM search_entries") == [(1,)]
    if database_kind == "sqlite":
        assert await run(database_url, "SELECT count(*) FROM search_index") == [(3,)], "title, question and answer"


async def test_nobody_finds_what_others_said(database_kind: str, backend: Backend) -> None:
    alice, bob = await backend.user("alice"), await backend.user("bob")
    hers = (await alice.chat("The password is swordfish")).start["conversation_id"]
    his = (await bob.chat("A swordfish is no password")).start["conversation_id"]
    assert await _found(alice, "swordfish password") == [hers]
    assert await _found(bob, "swordfish password") == [his]
    assert await _found(await backend.user("carol"), "swordfish") == []


async def test_an_answer_is_found_when_it_has_ended_however_it_did(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    upstream.script([Answer(("Half a pomegranate",), finish=None, done=False)])
    alice = await backend.user()
    failed = (await alice.chat("Hello")).start["conversation_id"]
    assert await _found(alice, "pomegranate") == [failed]


async def test_pages_of_a_search_hold_every_conversation_once_the_last_used_first(
    database_kind: str, backend: Backend
) -> None:
    alice = await backend.user()
    known = []
    for n in range(7):
        known.append((await alice.chat(f"Mulberry {n}")).start["conversation_id"])
        await alice.chat("Something else")
    await alice.chat("And then?", conversation_id=known[0])
    expected = [known[0], *known[:0:-1]]
    for limit in (1, 3, 7, 8):
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = (await _search(alice, "mulberry", limit=str(limit), cursor=cursor)).json()
            assert len(page["items"]) <= limit
            found += [each["id"] for each in page["items"]]
            cursor = page["next_cursor"]
        assert found == expected, limit
    refused = await _search(alice, "mulberry", cursor="abc")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_cursor")
    assert (await _search(alice, "…", cursor="abc")).status_code == 422


# What is shown of it


async def test_a_match_shows_the_newest_message_that_holds_the_words(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    upstream.script(Answer(("Nothing.",)))
    alice = await backend.user()
    start = (await alice.chat("A fig and a date")).start
    for message in ("Only a fig", "Only a date", "Nothing at all"):
        await alice.chat(message, conversation_id=start["conversation_id"])
    said = {each["content"]: each["id"] for each in await alice.messages(start["conversation_id"])}
    shown = await _match(alice, "fig")
    assert (shown["message_id"], _marked(shown["snippet"])) == (said["Only a fig"], "Only a [fig]")
    assert _marked(shown["title"]) == "A [fig] and a date"
    shown = await _match(alice, "date FIGS")
    assert (shown["message_id"], _marked(shown["snippet"])) == (said["A fig and a date"], "A [fig] and a [date]")


async def test_a_match_in_the_title_alone_shows_the_title(database_kind: str, backend: Backend) -> None:
    alice = await backend.user()
    conversation_id = (await alice.chat("Hello")).start["conversation_id"]
    await alice.http.patch(f"/conversations/{conversation_id}", json={"title": "My <b>loquat</b>"})
    shown = await _match(alice, "loquat")
    assert shown["message_id"] is None
    assert (
        shown["title"]
        == shown["snippet"]
        == [
            {"text": "My <b>", "hit": False},
            {"text": "loquat", "hit": True},
            {"text": "</b>", "hit": False},
        ]
    )


async def test_a_snippet_is_one_short_line_round_the_best_place(backend: Backend, upstream: Upstream) -> None:
    upstream.script(Answer(("Nothing.",)))
    alice = await backend.user()
    padding = "word and again\nanother " * 500
    await alice.chat(f"{padding} lime \u2028 {padding} Lemon,\n\tlime\r\nand   \u3000 café <script> {padding}")
    shown = _marked((await _match(alice, "cafe limes lemon"))["snippet"])
    assert "[Lemon], [lime] and [café] <script>" in shown
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert 120 < len(shown) < 180
    assert shown.splitlines() == [shown]


EXACT = {
    "emoji": ("I give it a 👍🏽!", "👍", "I give it a [👍🏽]!"),
    "a family": ("See 👩‍👩‍👧 there", "👧", "See 👩‍👩‍[👧] there"),
    "marks": ("Un cafe\u0301 noir", "café", "Un [cafe\u0301] noir"),
    "Hindi": ("यह हिन्दी है", "हिन्दी", "यह [हिन्दी] है"),
    "beyond the basic plane": ("古字𠀀𠀁𠀂也", "𠀀𠀁", "古字[𠀀𠀁]𠀂也"),
    "overlapping pairs": ("我爱北京天安门", "北京天安", "我爱[北京天安]门"),
    "each time": ("好的，好好", "好", "[好]的，[好好]"),
    "compounds": ("see foo.bar-baz now", "foo.bar", "see [foo].[bar]-baz now"),
    "languages": ("Use C++, not C# or C.", "c++ c#", "Use [C++], not [C#] or C."),
    "markup": ("<img src=x onerror=alert(1)>", "onerror", "<img src=x [onerror]=alert(1)>"),
    "full width": ("Ｐｙｔｈｏｎ３ ist", "python3", "[Ｐｙｔｈｏｎ３] ist"),
}


async def test_what_was_found_is_marked_exactly(backend: Backend) -> None:
    alice = await backend.user()
    for message, _, _ in EXACT.values():
        await alice.chat(message)
    for what, (message, q, expected) in EXACT.items():
        (item,) = [each for each in (await _search(alice, q)).json()["items"] if each["title"] == message]
        assert _marked(item["match"]["title"]) == expected, what


async def test_without_a_search_nothing_matches(backend: Backend) -> None:
    alice = await backend.user()
    await alice.chat("Hello")
    for q in ("", "  ", "\u3000", None):
        response = await alice.http.get("/conversations", params={} if q is None else {"q": q})
        assert response.status_code == 200
        (item,) = response.json()["items"]
        assert "match" not in item


# Bad input


NOTHING = (
    "...",
    "。",
    "???",
    "%",
    "_",
    "*",
    '"',
    "\\",
    "'",
    "--",
    "-",
    "( )",
    "\u0301",
    "\u200d",
    "+ - * / |",
    '""',
    "^",
    "~",
    "@",
    "&&",
)
ODD = (
    '"; DROP TABLE conversations; --',
    "' OR '1'='1",
    "100%",
    "a_b",
    "plum*",
    "NEAR(plum peach)",
    "plum OR peach",
    "plum AND peach",
    "NOT plum",
    "-plum",
    "+plum",
    '"plum peach"',
    "terms:plum",
    "{terms} : plum",
    "plum & !peach | (x)",
    "plum:*",
    "<->",
    "\\plum\\",
    "plum' ) --",
    "@@ to_tsquery",
    "{{7*7}}",
    "%s %d %(x)s :x ?",
    "\ufeff\ufffe\uffff",
    "<script>alert(1)</script>",
    "🏳️‍🌈",
)


async def test_what_means_something_to_a_database_is_only_text(database_kind: str, backend: Backend) -> None:
    alice = await backend.user()
    plum = (await alice.chat("Plum")).start["conversation_id"]
    for q in (*NOTHING, *ODD):
        response = await _search(alice, q)
        assert response.status_code == 200, (q, response.text)
        assert q not in NOTHING or response.json() == {"items": [], "next_cursor": None}, q
    assert await _found(alice, "-plum") == await _found(alice, "plum*") == [plum], "what is no word is not looked for"
    assert await _found(alice, "plum OR peach") == [], "a word like any other"
    said = [(await alice.chat(q)).start["conversation_id"] for q in ODD if q not in ("<->", "\ufeff\ufffe\uffff")]
    for q, conversation_id in zip(
        [each for each in ODD if each not in ("<->", "\ufeff\ufffe\uffff")], said, strict=True
    ):
        assert conversation_id in await _found(alice, q), q


async def test_a_search_that_is_none_is_refused(database_kind: str, backend: Backend) -> None:
    alice = await backend.user()
    for path in (
        f"q={'x' * 501}",
        f"q={'字' * 501}",
        f"q={'x' * 10_000}",
        "q=a%00b",
        "q=%ed%a0%bd",
        "q=plum&limit=0",
    ):
        response = await alice.http.get(f"/conversations?{path}")
        if path == "q=%ed%a0%bd":  # read as replacement characters
            assert (response.status_code, response.json()["items"]) == (200, [])
            continue
        assert (response.status_code, response.json()["code"]) == (422, "validation_error"), path


async def test_the_longest_searches_are_answered(database_kind: str, backend: Backend) -> None:
    alice = await backend.user()
    characters = "".join(chr(0x4E00 + n) for n in range(500))
    words = " ".join(f"w{n}" for n in range(200))[:500]
    singles = " ".join(chr(0x4E00 + n) for n in range(250))
    ids = [(await alice.chat(each)).start["conversation_id"] for each in (characters, words, singles)]
    assert await _found(alice, characters) == [ids[0]]
    assert await _found(alice, words) == [ids[1]]
    assert set(await _found(alice, singles)) == {ids[0], ids[2]}


# How it is done


async def test_an_index_serves_two_chinese_characters(database_kind: str, database_url: str) -> None:
    filled = await fill(database_url, count=2000)
    q = "".join(filled.vocabulary.characters[40:42])
    planned = await plan(database_url, filled.user_ids[0], q)
    if database_kind == "sqlite":
        assert "SCAN search_index VIRTUAL TABLE INDEX 0:M1" in planned
        assert "SEARCH search_entries USING INTEGER PRIMARY KEY (rowid=?)" in planned
        assert "SCAN search_entries" not in planned
    elif database_kind == "postgresql":
        assert "Bitmap Index Scan on ix_search_entries_terms" in planned
        assert "Seq Scan on search_entries" not in planned
    else:
        (row,) = [line.split(" | ") for line in planned.splitlines() if " | search_entries | " in line]
        assert (row[3], row[5]) == ("fulltext", "ix_search_entries_terms"), planned


async def test_a_long_message_is_found_by_its_end_and_up_to_its_200_000th_character(
    database_kind: str, serve: Serve
) -> None:
    alice = await (await serve(max_message_chars=300_000)).user()
    text = "字母 " * 66_000
    found = (await alice.chat(f"{text} 石榴 guava")).start["conversation_id"]
    await alice.chat("x " * 100_001 + "石榴")
    assert await _found(alice, "石榴") == await _found(alice, "guava 字母") == [found]
    shown = await _match(alice, "石榴")
    assert _marked(shown["snippet"]).endswith("[石榴] guava")


async def test_what_was_written_without_entries_gets_them(
    database_kind: str, backend: Backend, database_url: str
) -> None:
    alice = await backend.user()
    starts = [(await alice.chat(f"Tamarind {n}")).start["conversation_id"] for n in range(30)]
    await run(database_url, "DELETE FROM search_entries")
    assert await _found(alice, "tamarind") == []
    await run(database_url, "UPDATE conversations SET terms_version = 0")
    # Rows as an old version left them, and a post at the same moment.
    backend.house.reindexing.wake()
    await alice.chat("And a rambutan", conversation_id=starts[3])
    async with asyncio.timeout(10):
        while len(await _found(alice, "tamarind", limit="100")) < 30:
            await asyncio.sleep(0.05)
        while await run(database_url, "SELECT count(*) FROM conversations WHERE terms_version = 0") != [(0,)]:
            await asyncio.sleep(0.05)
    assert await _found(alice, "tamarind rambutan") == [starts[3]]
    assert len(await _found(alice, "said", limit="100")) == 30
    twice = "SELECT message_id FROM search_entries GROUP BY conversation_id, message_id HAVING count(*) > 1"
    assert await run(database_url, twice) == []


async def test_a_fork_is_found_by_what_it_has_from_its_first(database_kind: str, backend: Backend) -> None:
    alice = await backend.user()
    first = (await alice.chat("A soursop")).start["conversation_id"]
    fork = (await alice.http.post(f"/conversations/{first}/fork", json={})).json()["id"]
    async with asyncio.timeout(10):
        while await _found(alice, "soursop said") != [fork, first]:
            await asyncio.sleep(0.05)


async def test_two_instances_make_entries_once(backend: Backend, database_url: str) -> None:
    alice = await backend.user()
    for n in range(10):
        await alice.chat(f"Durian {n}")
    await run(database_url, "UPDATE conversations SET terms_version = 0")
    await asyncio.gather(*(backend.house.reindexing.catch_up() for _ in range(3)))
    assert await run(database_url, "SELECT count(*) FROM search_entries") == [(30,)]
    assert len(await _found(alice, "durian")) == 10


async def _search(user: User, q: str, **asked: str) -> httpx.Response:
    return await user.http.get("/conversations", params={"q": q, **asked})


async def _found(user: User, q: str, **asked: str) -> list[str]:
    response = await _search(user, q, **asked)
    assert response.status_code == 200, (q, response.text)
    return [each["id"] for each in response.json()["items"]]


async def _match(user: User, q: str) -> dict[str, Any]:
    (item,) = (await _search(user, q)).json()["items"]
    match: dict[str, Any] = item["match"]
    return match


def _marked(segments: list[dict[str, Any]]) -> str:
    assert all(each["text"] for each in segments)
    return "".join(f"[{each['text']}]" if each["hit"] else each["text"] for each in segments)
