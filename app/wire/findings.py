"""What is wrong with a body, and where: the validator's findings, in words that repeat nothing of what was sent."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Found = Mapping[str, Any]
"""One error of pydantic's."""

# Messages that repeat a part of the input.
_MESSAGES: Mapping[str, str] = {
    "uuid_parsing": "Input should be a valid UUID",
    "union_tag_invalid": "Input tag does not match any of the expected tags",
    "url_parsing": "Input should be a valid URL",
}
_OBJECTS = ("model_attributes_type", "model_type", "dict_type")
_OF_ALL: Mapping[str, str] = {
    "missing": "A body is required.",
    **dict.fromkeys(_OBJECTS, "The body must be a JSON object."),
}
_LONGEST_NAME = 100


def finding(found: Found) -> dict[str, Any]:
    """As a problem tells of it."""
    return {"loc": located(found["loc"]), "msg": _message(found), "type": found["type"]}


def located(loc: Iterable[int | str]) -> list[int | str]:
    # Names of unknown fields are the client's: of any length, and perhaps half a surrogate pair.
    return [part if isinstance(part, int) else _storable(part[:_LONGEST_NAME]) for part in loc]


def written(at: Iterable[int | str]) -> str:
    """The way down to a field, as `messages[0].content`."""
    steps = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in located(at))
    return "".join(steps).removeprefix(".")


def most_telling(found: Sequence[Found], body: object) -> tuple[str | None, str]:
    """The field at fault, and a sentence that names it, for a door that tells of one: of the fault that lies deepest.

    What may be one thing or another was tried as both, and has faults as both.
    """
    places = [_place(each, body) for each in found]
    deepest = max(places, key=len)
    there = [each for each, place in zip(found, places, strict=True) if place == deepest]
    telling = [each for each in there if not each["type"].endswith("_type")] or there
    if not deepest:
        return None, _OF_ALL.get(telling[0]["type"], _message(telling[0]))
    param = written(deepest)
    return param, f"{param}: {'; or: '.join(dict.fromkeys(map(_words, telling)))}"


def _place(found: Found, body: object) -> Sequence[int | str]:
    """Where that is in what was sent; pydantic's own way there leads over the names of its alternatives, too."""
    origin, *loc = found["loc"]
    if origin != "body":
        return list(loc)
    place: list[int | str] = []
    here: Any = body
    for number, part in enumerate(loc, start=1):
        if isinstance(here, dict) and found["type"] == "missing" and number == len(loc):
            place.append(part)
        elif _has(here, part):
            here = here[part]
            place.append(part)
    return place


def _has(here: Any, part: int | str) -> bool:
    if isinstance(part, int):
        return isinstance(here, list) and part < len(here)
    return isinstance(here, dict) and part in here


def _message(found: Found) -> str:
    message: str = found["msg"]
    return _MESSAGES.get(found["type"], message.removeprefix("Value error, "))


def _words(found: Found) -> str:
    """The same without Python's words for things."""
    return "Input should be an object" if found["type"] in _OBJECTS else _message(found)


def _storable(name: str) -> str:
    return name.encode(errors="replace").decode()
