"""Names of spaces: they tell whose they are, where they are, and by whom their vectors were made."""

from dataclasses import dataclass

from app.domain import spaces
from app.domain.documents import IndexSpace
from app.domain.spaces import Site
from app.domain.vectors import Space
from app.stores.vectors.naming import check_space_name


@dataclass(frozen=True)
class Named:
    slug: str


SITE = Site(spaces.word("home"), spaces.word("/data/vectors"))


def kept(space: Space) -> IndexSpace:
    return IndexSpace(space.name, space.dimensions, current=True, filled_to=None)


def test_a_name_tells_where_the_space_is() -> None:
    for space in (SITE.space(None, None), SITE.space(Named("openai-small"), 1536)):
        check_space_name(space.name)
        assert Site.of(space.name) == SITE
        assert SITE.holds(space.name)
        assert not Site(SITE.home, spaces.word("elsewhere")).holds(space.name)
        assert not Site(spaces.word("another"), SITE.place).holds(space.name)


def test_the_longest_name_is_one_that_every_store_takes() -> None:
    check_space_name(SITE.space(Named("m" * 60), 8192).name)


def test_vectors_belong_to_the_embedder_and_the_number_of_dimensions() -> None:
    small, large = Named("small"), Named("large")

    assert spaces.is_of(kept(SITE.space(small, 384)), small)
    assert not spaces.is_of(kept(SITE.space(small, 384)), large)
    assert not spaces.is_of(kept(SITE.space(None, None)), small)
    assert SITE.space(small, 384) != SITE.space(small, 768)


def test_what_is_nobodys_name_harms_nobody() -> None:
    for name in ("", "-", "p1s1", "a-b-c-d-e"):
        assert not SITE.holds(name)
        Site.of(name)
