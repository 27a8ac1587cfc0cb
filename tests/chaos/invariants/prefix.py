"""2. Text that any client saw is a prefix of what is stored, equal where it saw `done` with `complete`."""

from collections.abc import Iterator

from tests.chaos.evidence import Evidence, StoredGeneration, Violation
from tests.chaos.history import Connection, EventKind, Glimpse, Trace
from tests.chaos.windows import Loss, Windows


def check(evidence: Evidence, windows: Windows) -> Iterator[Violation]:
    """Compare each connection, each reply and each look into a conversation with the message that is stored.

    Where an owner went without Redis, what was seen since its last checkpoint may be missing at the end, no more.
    """
    for generation_id, connections in evidence.connections.items():
        generation = evidence.generations.get(generation_id)
        if generation is None:
            yield Violation(2, "a generation that clients have read is not stored", generation_id)
            continue
        loss = windows.loss(generation)
        for connection in connections:
            wrong = _connection(evidence, generation, connection, loss)
            if wrong is not None:
                yield Violation(2, wrong, generation_id, user=connection.user, at=connection.opened)
    yield from _replies(evidence)
    yield from _glimpses(evidence, windows)


def _connection(
    evidence: Evidence, generation: StoredGeneration, connection: Connection, loss: Loss | None
) -> str | None:
    stored = _content(evidence, generation)
    final = evidence.finals.get(generation.id)
    offset = characters(final.trace, connection.after) if final is not None else 0
    rest, seen = stored[offset:], connection.text
    if connection.done_status is not None and connection.done_status != generation.status:
        return f"a client was told {connection.done_status}, but {generation.status} is stored"
    if connection.done_status == "complete" and seen != rest:
        return f"a client saw a complete answer of {offset + len(seen)} characters, {len(stored)} are stored"
    if rest.startswith(seen):
        return None
    if loss is None:
        return f"a client saw {offset + len(seen)} characters that are no prefix of the {len(stored)} stored"
    if not seen.startswith(rest):
        return "what a client saw and what is stored go apart"
    missing = [each for each in connection.trace if each.kind is EventKind.TEXT and _beyond(each.seq, final)]
    early = [each for each in missing if each.at < loss.since]
    if early:
        return f"text is lost that was seen {loss.since - early[0].at:.1f} s before the last checkpoint"
    return None


def characters(trace: Trace, upto: int) -> int:
    """Of the text in the events up to this number."""
    return sum(each.chars for each in trace if each.seq <= upto and each.kind is EventKind.TEXT)


def _beyond(seq: int, final: Connection | None) -> bool:
    """Whether the text of this event is not in the log that is kept."""
    if final is None:
        return True
    return not any(each.seq == seq and each.kind is EventKind.TEXT for each in final.trace)


def _replies(evidence: Evidence) -> Iterator[Violation]:
    for post in evidence.history.posts:
        for tried in post.tries:
            if tried.reply is None:
                continue
            message = evidence.messages.get(tried.message_id or "")
            if message is None:
                yield Violation(2, "an answer that was given is not stored", tried.generation_id, post.nonce)
            elif (message.content, message.status) != (tried.reply, tried.reply_status):
                yield Violation(2, "another answer is stored than was given", tried.generation_id, post.nonce)


def _glimpses(evidence: Evidence, windows: Windows) -> Iterator[Violation]:
    for glimpse in evidence.history.glimpses:
        message = evidence.messages.get(glimpse.message_id)
        generation = evidence.generations.get((message.generation_id if message else None) or "")
        if message is None or generation is None:
            yield Violation(2, "a message that was listed is not stored", user=glimpse.user, at=glimpse.at)
        elif glimpse.status == "streaming":
            loss = windows.loss(generation)
            if not message.content.startswith(glimpse.text) and (loss is None or glimpse.at < loss.since):
                yield _apart(glimpse, generation)
        elif (glimpse.status, glimpse.text) != (message.status, message.content):
            yield _apart(glimpse, generation)


def _apart(glimpse: Glimpse, generation: StoredGeneration) -> Violation:
    sentence = f"a conversation showed {len(glimpse.text)} characters ({glimpse.status}) that are not what is stored"
    return Violation(2, sentence, generation.id, user=glimpse.user, at=glimpse.at)


def _content(evidence: Evidence, generation: StoredGeneration) -> str:
    message = evidence.messages.get(generation.message_id)
    return message.content if message is not None else ""
