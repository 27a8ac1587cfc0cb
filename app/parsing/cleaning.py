"""Text that any store takes and any search finds: no NUL, no half of a pair, no invisible hyphen."""

import re
import unicodedata

_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\ufeff\ufffe\uffff]")
_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_FORMS = re.compile("[\ufb00-\ufb06\ufb13-\ufb17\ufb1d-\ufdff\ufe70-\ufefc]+")
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """Lines end with LF alone."""
    if _SURROGATES.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _CONTROLS.sub("", _ENDS.sub("\n", text))


def letters(text: str) -> str:
    """Ligatures and the forms of Arabic and Hebrew letters, as fonts have them, as the letters that they stand for."""
    return _FORMS.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
