"""Every route there is has been thought about."""

from tests.access.claims import CLAIMS
from tests.access.world import World


def test_every_route_says_who_may_use_it(world: World) -> None:
    new = [operation.name for operation in world.operations if operation.name not in CLAIMS]
    assert not new, (
        f"{', '.join(new)}: say in tests/access/claims.py who may do this (anybody, user with which scope, person, "
        "admin); in tests/access/asking.py what a valid request is, if the description has no example; and in "
        "tests/access/people.py how somebody comes to own what it names by id"
    )


def test_what_is_claimed_is_of_a_route_that_there_is(world: World) -> None:
    assert CLAIMS.keys() <= {operation.name for operation in world.operations}
