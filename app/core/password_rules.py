"""Which passwords may be chosen: of a sane length, and not among the first that anybody would try.

After NIST SP 800-63B-4 (3.1.1.2): a length and a list of known ones, no rules on kinds of characters.
"""

import gzip
import unicodedata
from functools import cached_property
from itertools import chain
from pathlib import Path

from app.core.errors import Invalid, PasswordTooCommon

SHORTEST = 8
LONGEST = 128
"""In characters, as code points."""

LENGTH_RULE = f"A password has {SHORTEST} to {LONGEST} characters."

_LIST = Path(__file__).with_name("common-passwords.txt.gz")
# Orders that fingers follow: digits as they are counted and as they stand on the keys, letters, rows, columns.
_ORDERS = (
    "0123456789",
    "1234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertyuiop[]",
    "qazwsxedcrfvtgbyhnujmikolp",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
)
_RUNS = tuple(chain(_ORDERS, (order[::-1] for order in _ORDERS)))


class PasswordRules:
    def check(self, password: str, *, email: str) -> None:
        """Whether the account with this address may have it.

        Raises Invalid for its length, PasswordTooCommon for one that is soon guessed.
        """
        if not has_good_length(password):
            raise Invalid(LENGTH_RULE, field="password")
        if self.is_common(password, email=email):
            raise PasswordTooCommon(field="password")

    def is_common(self, password: str, *, email: str) -> bool:
        """Whether it is in the list, a run, one character repeated, the account's address or its part before the @."""
        plain, address = _plain(password), _plain(email)
        return plain in (address, address.partition("@")[0]) or _is_pattern(plain) or plain in self._common

    @cached_property
    def _common(self) -> frozenset[str]:
        """Read when it is first asked for: 4 ms."""
        return frozenset(gzip.decompress(_LIST.read_bytes()).decode().split("\n"))


def has_good_length(password: str) -> bool:
    return SHORTEST <= len(password) <= LONGEST


def _plain(text: str) -> str:
    """Without what makes no difference to who guesses: capitals, and characters of another width."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _is_pattern(plain: str) -> bool:
    """One character again and again, or a run in either direction, which may begin anew at its end."""
    return len(set(plain)) <= 1 or any(plain in run * (len(plain) // len(run) + 2) for run in _RUNS)
