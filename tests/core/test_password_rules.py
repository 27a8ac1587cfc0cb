"""Claims about which passwords may be chosen."""

import pytest

from app.core.errors import Invalid, PasswordTooCommon
from app.core.password_rules import PasswordRules

EMAIL = "ada.lovelace@example.com"
RULES = PasswordRules()


@pytest.mark.parametrize(
    "password",
    [
        "password",
        "PassWord1",
        "ｐａｓｓｗｏｒｄ",
        "iloveyou1",
        "1q2w3e4r",
        "P@ssw0rd",
        "admin@123",
        "woaini1314",
        "WoAiNi520",
        "5201314520",
        "5201314wang",
        "zhangwei123",
        "wodemima",
        "我爱你我爱你我爱你",
        "12345678",
        "87654321",
        "1234567890123456",
        "abcdefgh",
        "qwertyui",
        "poiuytrewq",
        "1qaz2wsx3edc",
        "aaaaaaaa",
        "８８８８８８８８８",
        "🔑" * 8,
        "密" * 128,
        EMAIL,
        EMAIL.upper(),
        "ada.lovelace",
        "ADA.LOVELACE",
    ],
)
def test_what_anybody_would_try_first_is_refused(password: str) -> None:
    with pytest.raises(PasswordTooCommon) as refused:
        RULES.check(password, email=EMAIL)
    assert refused.value.field == "password"


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "a-long-password",
        "密码是一只猫的名字",
        "🔑🐈🌧🍜🚲🎻🌋🧊",
        "a" * 127 + "b",
        "ada.lovelace-and-more",
        "example.com",
        "tr0ub4dor&3x",
    ],
)
def test_others_may_be_chosen_whatever_they_are_made_of(password: str) -> None:
    RULES.check(password, email=EMAIL)


@pytest.mark.parametrize("password", ["", "seven 7", "密码密码猫猫雨", "x" * 128 + "y", "x y" * 1000])
def test_a_length_out_of_bounds_is_refused_in_characters(password: str) -> None:
    with pytest.raises(Invalid, match="8 to 128 characters"):
        RULES.check(password, email=EMAIL)
