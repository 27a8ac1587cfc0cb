"""Requests keep their meaning from each door to each vendor: what both have a word for arrives as it was said."""

from itertools import product

import pytest

from app.core.errors import NotSupported
from tests.chat.conftest import Service
from tests.roundtrips import abilities, chance, ollama_door
from tests.roundtrips.cases import Case
from tests.roundtrips.chance import drawn
from tests.roundtrips.doors import DOORS
from tests.roundtrips.hearing import lost, settled
from tests.roundtrips.vendors import asked, sent
from tests.upstream import Upstream

PAIRS = list(product(abilities.DOORS, abilities.VENDORS))
SERVED = list(product(abilities.DOORS, ("compatible", "deepseek", "anthropic", "ollama")))
REFUSING = [pair for pair in PAIRS if abilities.refused(*pair)]
EACH = 8
"""Cases of one test, each with a seed of its own."""


def made(door: str, vendor: str, seed: int, *, without: frozenset[str] = frozenset()) -> Case:
    rng = drawn(f"{door} {vendor} {seed}")
    return settled(chance.case(rng, abilities.shared(door, vendor) - without), vendor)


@pytest.mark.parametrize("first", [0, EACH])
@pytest.mark.parametrize(("door", "vendor"), PAIRS)
def test_what_is_said_at_a_door_reaches_the_vendor(door: str, vendor: str, first: int) -> None:
    for seed in range(first, first + EACH):
        case = made(door, vendor, seed)
        assert lost(case, vendor, sent(door, vendor, DOORS[door].spelled(case, drawn(seed)))) == [], seed


@pytest.mark.parametrize("vendor", abilities.VENDORS)
def test_results_find_their_calls_where_an_ollamas_client_gives_them_no_ids(vendor: str) -> None:
    for seed in range(8):
        case = made("ollama", vendor, seed, without=frozenset({"ids"}))
        body = ollama_door.spelled(case, drawn(seed), with_ids=False)
        assert lost(case, vendor, sent("ollama", vendor, body), ids=False) == [], seed


@pytest.mark.parametrize(("door", "vendor"), REFUSING)
def test_what_a_vendor_cannot_do_is_not_asked_of_it(door: str, vendor: str) -> None:
    for feature in sorted(abilities.refused(door, vendor)):
        case = settled(chance.asking_for(feature), vendor)
        with pytest.raises(NotSupported) as refusal:
            asked(door, vendor, DOORS[door].spelled(case, drawn(feature)))
        assert refusal.value.feature == feature


@pytest.mark.parametrize(("door", "vendor"), SERVED)
async def test_it_reaches_the_vendor_over_the_wire(
    patient: Service, upstream: Upstream, door: str, vendor: str
) -> None:
    case = made(door, vendor, 100, without=frozenset({"effort"}))  # which is for models that reason
    body = DOORS[door].spelled(case, drawn(100)) | {"model": abilities.MODELS[vendor], "stream": False}
    answer = await patient.alice.http.post(DOORS[door].path, json=body)

    assert answer.status_code == 200, answer.text
    assert lost(case, vendor, dict(upstream.calls[-1].body)) == []


@pytest.mark.parametrize(("door", "vendor"), [pair for pair in SERVED if pair in REFUSING])
async def test_what_a_vendor_cannot_do_is_refused_in_the_doors_own_words(
    patient: Service, upstream: Upstream, door: str, vendor: str
) -> None:
    for feature, stream in product(sorted(abilities.refused(door, vendor)), (False, True)):
        body = DOORS[door].spelled(chance.asking_for(feature), drawn(feature))
        given = body | {"model": abilities.MODELS[vendor], "stream": stream}
        answer = await patient.alice.http.post(DOORS[door].path, json=given)

        assert answer.status_code == 400, (feature, stream, answer.text)
        assert DOORS[door].names_fault(answer.json(), abilities.field(door, feature)), (feature, stream, answer.text)
    assert upstream.calls == []
