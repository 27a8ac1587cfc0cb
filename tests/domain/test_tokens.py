"""How many tokens a text is thought to take."""

import pytest

from app.domain.tokens import estimate


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 1),
        ("word" * 9, 10),
        ("汉" * 9, 10),
        ("、かナ한" * 9, 37),
        ("\U00020001" * 9, 10),
        ("é" * 9, 4),
        ("हि" * 9, 7),
        ("😀" * 9, 4),
        ("\ud800" * 9, 4),
        ("café 好 \U00020001", 5),
    ],
)
def test_a_cjk_character_counts_as_one_and_others_as_a_third_or_a_quarter(text: str, tokens: int) -> None:
    assert estimate(text) == tokens
