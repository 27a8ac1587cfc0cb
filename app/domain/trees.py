"""How messages that name their parents make a tree: the order in which they can have been said, and its branches."""

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush


def ordered(parents: Sequence[int | None]) -> Sequence[int]:
    """All numbers from 0 on, each behind its parent and otherwise as they stand; those in or below a circle are not."""
    children: dict[int | None, list[int]] = {}
    for number, parent in enumerate(parents):
        children.setdefault(parent, []).append(number)
    ready = children.get(None, [])
    heapify(ready)
    order: list[int] = []
    while ready:
        number = heappop(ready)
        order.append(number)
        for child in children.get(number, ()):
            heappush(ready, child)
    return order


def branches(parents: Mapping[str, str | None]) -> Mapping[str, str]:
    """The branch of each message, named by its first one; the messages in their order, each with its parent.

    A message goes on with its parent's branch where that ends with the parent, else it begins one.
    """
    found: dict[str, str] = {}
    ends: dict[str, str] = {}
    for message, parent in parents.items():
        branch = found[parent] if parent is not None and ends[found[parent]] == parent else message
        found[message] = branch
        ends[branch] = message
    return found


def newest_below(parents: Mapping[str, str | None], message: str) -> str:
    """The message that was added last on a path that goes on from this one; itself where none does."""
    below, newest = {message}, message
    for each, parent in parents.items():
        if parent in below:
            below.add(each)
            newest = each
    return newest
