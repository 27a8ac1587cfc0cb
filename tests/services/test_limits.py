"""Counting for those who serve: what is told with an answer, what is not, and how to look and to forgive."""

from collections.abc import Iterator

import pytest

from app.core.config import Settings
from app.core.errors import TooMany
from app.core.serving import Serving, Standing, serving
from app.services.limits import Limited, RateLimits
from app.stores.memory import MemoryWindows
from app.stores.windows import FixedWindows

EMAIL = "ada@example.com"


def limits(**settings: str) -> RateLimits:
    return RateLimits(Settings(_env_file=None, **settings), FixedWindows(MemoryWindows()))  # type: ignore[arg-type]


@pytest.fixture
def request_in_progress() -> Iterator[Serving]:
    token = serving.set(mine := Serving("an-id", "203.0.113.7"))
    yield mine
    serving.reset(token)


async def test_what_is_spent_is_told_with_the_answer(request_in_progress: Serving) -> None:
    counting = limits(rate_limit_default="2/minute")
    for left in (1, 0):
        await counting.spend(Limited.DEFAULT, "user:1")
        assert request_in_progress.standing == Standing(2, left, 60)

    with pytest.raises(TooMany) as refused:
        await counting.spend(Limited.DEFAULT, "user:1")

    assert request_in_progress.standing == Standing(2, 0, 60)
    assert (refused.value.limit, refused.value.retry_after) == (2, 60)


async def test_failed_sign_ins_are_counted_in_silence(request_in_progress: Serving) -> None:
    counting = limits(login_failures="1/minute")
    await counting.spend(Limited.LOGIN_FAILURES, EMAIL)

    with pytest.raises(TooMany):
        await counting.spend(Limited.LOGIN_FAILURES, EMAIL)

    assert request_in_progress.standing is None


async def test_one_can_look_without_spending_and_be_forgiven() -> None:
    counting = limits(login_failures="2/minute")
    for _ in range(2):
        await counting.spend(Limited.LOGIN_FAILURES, EMAIL)

    assert await counting.standing(Limited.LOGIN_FAILURES, EMAIL) == Standing(2, 0, 60)
    await counting.forgive(Limited.LOGIN_FAILURES, EMAIL)
    assert await counting.standing(Limited.LOGIN_FAILURES, EMAIL) == Standing(2, 2, 60)


async def test_a_limit_that_is_off_has_no_standing() -> None:
    counting = limits(login_failures="")
    await counting.spend(Limited.LOGIN_FAILURES, EMAIL)
    await counting.forgive(Limited.LOGIN_FAILURES, EMAIL)

    assert await counting.standing(Limited.LOGIN_FAILURES, EMAIL) is None


@pytest.mark.parametrize("key", ["", "\x00", "\ud800", "电池🔋", "x" * 1_000_000])
async def test_any_text_may_be_counted(key: str) -> None:
    counting = limits(rate_limit_auth="1/minute")
    await counting.spend(Limited.AUTH, key)

    with pytest.raises(TooMany):
        await counting.spend(Limited.AUTH, key)
