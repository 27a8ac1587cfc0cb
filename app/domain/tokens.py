"""Token counts before a vendor has told them: a heuristic, used to fit history and to book what was cut off."""

import re

_WIDE = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")


def estimate(text: str) -> int:
    """About how many tokens `text` takes: one a CJK character, one each four characters otherwise. Errs upwards."""
    if text.isascii():
        return len(text) // 4 + 1
    wide = len(_WIDE.findall(text))
    return wide + (len(text) - wide) // 3 + 1
