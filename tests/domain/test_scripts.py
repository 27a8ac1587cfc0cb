"""How much room a text takes, and what an embedder must know to judge it."""

import pytest

from app.domain.scripts import Script, knows, scripts, width

LATIN, CHINESE, JAPANESE, KOREAN = Script.LATIN, Script.CHINESE, Script.JAPANESE, Script.KOREAN

WRITTEN = {
    "English": ("What is the capital of France?", {LATIN}),
    "French": ("Où est l’été ?", {LATIN}),
    "full width": ("ＡＢＣ", {LATIN}),
    "Chinese": ("法国的首都是哪里？", {CHINESE}),
    "a name in Chinese": ("Adobe OnLocation是一款什么类型的软件？", {LATIN, CHINESE}),
    "a short name in Chinese": ("GPT是一款什么类型的软件？", {CHINESE}),
    "a Chinese word in English": ("What does the word 风水 mean in the old books of China?", {LATIN}),
    "Japanese": ("東京はどこですか", {JAPANESE}),
    "half width kana": ("ﾊﾝｶｸ", {JAPANESE}),
    "Korean": ("서울은 어디에 있습니까", {KOREAN}),
    "Russian": ("Где находится Москва", {Script.CYRILLIC}),
    "Greek": ("Πού είναι", {Script.GREEK}),
    "Arabic": ("أين تقع القاهرة", {Script.ARABIC}),
    "Hebrew": ("איפה ירושלים", {Script.HEBREW}),
    "Hindi": ("दिल्ली कहाँ है", {Script.DEVANAGARI}),
    "Thai": ("กรุงเทพอยู่ที่ไหน", {Script.THAI}),
    "Georgian": ("სად არის", {Script.OTHER}),
    "no letters": ("1 + 1 = ? \ud800 \0", set()),
    "nothing": ("", set()),
}


@pytest.mark.parametrize("what", WRITTEN)
def test_a_text_is_in(what: str) -> None:
    text, expected = WRITTEN[what]
    assert scripts(text) == expected


def test_an_embedder_knows_what_is_all_in_its_scripts() -> None:
    assert knows({LATIN}, "Where is it?")
    assert not knows({LATIN}, "它在哪里？")
    assert not knows({LATIN}, "Adobe OnLocation是一款什么类型的软件？")
    assert knows({LATIN, CHINESE}, "Adobe OnLocation是一款什么类型的软件？")
    assert knows(None, "Πού είναι")


@pytest.mark.parametrize(
    ("text", "wide"), [("", 0), ("abc", 3), ("été", 3), ("汉字", 5), ("a汉", 3.5), ("한", 2.5), ("ไทย", 3)]
)
def test_a_chinese_character_takes_the_room_of_two_and_a_half(text: str, wide: float) -> None:
    assert width(text) == wide
