"""A cursor is a place in a list and nothing more: forged, foreign or cut, it shows nobody what is somebody else's."""

import base64
import itertools
from collections.abc import Sequence
from typing import Any

from tests.access.asking import Ask, valid
from tests.access.claims import Who
from tests.access.operations import Operation
from tests.access.people import Person
from tests.access.verdicts import Wrong
from tests.access.world import World

NONE_AT_ALL = (
    *(
        "nonsense",
        "=",
        "====",
        "null",
        "-1",
        "0",
        "1e309",
        "9" * 199,
        "a" * 201,
        "%00",
        "\x00",
        "\ufeff",
        "张三",
        "é" * 99,
    ),
    *("' OR 1=1 --", "../../etc/passwd", "{{7*7}}", " ", "|", "||", "MA", "MA==", "AA", "_" * 40, "-" * 40),
)
_ID = "01a1feb7-aad1-76c5-b429-c7ecdd7bd63a"
FORGED = (
    *(f"{moment}|{_ID}" for moment in ("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-01-01", "now")),
    *(f"2026-01-01T00:00:00+00:00|{id_}" for id_ in (_ID, "", "%", "'" * 36, "z" * 36, _ID + "\x00")),
)


def _encoded(text: str) -> list[str]:
    word = base64.urlsafe_b64encode(text.encode()).decode()
    return [word.rstrip("="), word[: len(word) // 2], word[::-1]]


async def test_what_is_no_cursor_is_refused_or_harmless_in_every_list(world: World) -> None:
    wrong = Wrong()
    cursors = [*NONE_AT_ALL, *itertools.chain.from_iterable(map(_encoded, FORGED))]
    async with world.unchanged(wrong):
        for operation, ask, person in _lists(world, world.bob):
            own = await _ids(world, ask, person)
            for cursor in cursors:
                answer = await ask.send(world.http, params={"cursor": cursor}, headers=dict(person.token.headers))
                wrong.unless(answer.status_code in (200, 422), answer, operation.name, cursor)
                wrong.unless(set(_ids_of(answer.json())) <= own, answer, operation.name, cursor)
    wrong.check(at_least=6 * 100)


async def test_a_cursor_of_somebody_elses_list_shows_only_what_is_ones_own(world: World) -> None:
    wrong = Wrong()
    async with world.unchanged(wrong):
        foreign = [
            cursor
            for person in (world.alice, world.admin)
            for _, ask, asker in _lists(world, person)
            for cursor in await _cursors(world, ask, asker)
        ]
        for operation, ask, person in _lists(world, world.bob):
            own = await _ids(world, ask, person)
            for cursor in foreign:
                answer = await ask.send(world.http, params={"cursor": cursor}, headers=dict(person.token.headers))
                wrong.unless(answer.status_code in (200, 422), answer, operation.name, cursor)
                wrong.unless(set(_ids_of(answer.json())) <= own, answer, operation.name, cursor)
    assert len(foreign) >= 4
    wrong.check(at_least=40)


async def test_page_by_page_a_list_is_the_same_as_at_once(world: World) -> None:
    for operation, ask, person in _lists(world, world.alice):
        found: list[str] = []
        cursor: str | None = None
        whole = await _page(world, ask, person, {})
        while True:
            page = await _page(world, ask, person, {"limit": 1} | ({"cursor": cursor} if cursor else {}))
            found += _ids_of(page)
            if (cursor := page["next_cursor"]) is None or len(found) > len(whole["items"]):
                break
        assert found[: len(whole["items"])] == _ids_of(whole), operation.name


async def test_what_a_form_leaves_empty_is_absent_in_every_list(world: World) -> None:
    wrong = Wrong()
    for operation, ask, person in _lists(world, world.alice):
        headers = dict(person.token.headers)
        for left_empty in ({"limit": ""}, {"cursor": ""}, {"limit": "", "cursor": ""}):
            answer = await ask.send(world.http, params=left_empty, headers=headers)
            wrong.unless(answer.status_code == 200, answer, operation.name, left_empty)
    wrong.check(at_least=3 * 7)


def _lists(world: World, person: Person) -> list[tuple[Operation, Ask, Person]]:
    """Every list there is, of what `person` has; those for administrators as they see them."""
    return [
        (operation, valid(operation, person), world.admin if claim.who is Who.ADMIN else person)
        for operation, claim in world.protected
        if operation.is_list
    ]


async def _page(world: World, ask: Ask, person: Person, params: dict[str, Any]) -> dict[str, Any]:
    answer = await ask.send(world.http, params=params, headers=dict(person.token.headers))
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def _ids(world: World, ask: Ask, person: Person) -> set[str]:
    """Of all in the list."""
    found: list[str] = []
    params: dict[str, Any] = {"limit": 100}
    while True:
        page = await _page(world, ask, person, params)
        found += _ids_of(page)
        if page["next_cursor"] is None:
            return set(found)
        params["cursor"] = page["next_cursor"]


async def _cursors(world: World, ask: Ask, person: Person) -> list[str]:
    found = (await _page(world, ask, person, {"limit": 1}))["next_cursor"]
    return [found] if found else []


def _ids_of(page: dict[str, Any]) -> Sequence[str]:
    return [each["id"] for each in page.get("items", ())]
