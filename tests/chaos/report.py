"""A violation as a story: what concerns that one answer, and the faults of its time, in order."""

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.chaos.evidence import Evidence, Violation
from tests.chaos.history import FRONT, POSTGRESQL, REDIS, Connection, Ending, Post, VendorCall

NAMES = (
    "nothing happens that no fault explains",
    "acknowledged messages are stored once",
    "what was seen is a prefix of what is stored",
    "complete means complete",
    "every answer ends once, and in time",
    "numbers without gap or repetition, and equal for all",
    "turns do not interleave",
    "nobody sees another's words",
    "usage is what the vendor reported",
    "nothing is left behind",
)
_TOLD = 5
"""Violations whose history is shown; of the others the first lines."""
_LINES = 40
_BEFORE = 5.0
"""Seconds before the first moment of a story in which faults still belong to it."""

_VAIN = (Ending.CUT, Ending.REFUSED, Ending.LEFT)

Line = tuple[float, str]


def report(evidence: Evidence, violations: Sequence[Violation]) -> str:
    """All violations, counted by invariant; the first of each kind with their history. Times are seconds of the run."""
    counts = Counter(each.invariant for each in violations)
    parts = [f"Invariant {number} ({NAMES[number]}): {count} violations" for number, count in sorted(counts.items())]
    return "\n\n".join(["\n".join(parts), *(tell(evidence, each) for each in _first(violations))])


def tell(evidence: Evidence, violation: Violation) -> str:
    """One violation and its minimal history."""
    lines = sorted(_story(evidence, violation))
    if lines:
        lines = sorted([*lines, *_faults(evidence, violation, lines[0][0] - _BEFORE, lines[-1][0])])
    told = [f"  {moment - evidence.history.began:8.2f}  {what}" for moment, what in lines]
    if len(told) > _LINES:
        told = [*told[: _LINES // 2], f"  … {len(told) - _LINES} lines …", *told[-_LINES // 2 :]]
    head = f"Violation of invariant {violation.invariant} ({NAMES[violation.invariant]}): {violation.sentence}"
    return "\n".join([head, *_whose(violation), *told])


def _first(violations: Sequence[Violation]) -> Sequence[Violation]:
    """One of each kind first: most often the others say the same."""
    kinds: dict[tuple[int, str], Violation] = {}
    for each in violations:
        words = each.sentence.split(":")[0].split()
        kinds.setdefault((each.invariant, " ".join(word for word in words if word.isalpha())), each)
    chosen = list(kinds.values())[: 2 * _TOLD]
    return [*chosen, *(each for each in violations if each not in chosen)][: max(_TOLD, len(chosen))]


def _whose(violation: Violation) -> Iterator[str]:
    known = {
        "user": violation.user,
        "nonce": violation.nonce,
        "generation": violation.generation_id,
    }
    said = [f"{name} {value}" for name, value in known.items() if value is not None]
    if said:
        yield "  " + ", ".join(said)


def _story(evidence: Evidence, violation: Violation) -> Iterator[Line]:
    generation = evidence.generations.get(violation.generation_id or "")
    plan = evidence.plan(generation) if generation is not None else None
    nonce = violation.nonce or (plan.nonce if plan else None)
    if violation.at is not None:
        yield violation.at, "<- here"
    yield from _posts(evidence.posts.get(nonce or "", ()), violation.generation_id)
    yield from _connections(evidence.connections.get(violation.generation_id or "", ()))
    for stop in evidence.history.stops:
        if stop.generation_id == violation.generation_id:
            yield stop.sent, f"client: stop -> {stop.status} {stop.reported or ''}"
    calls = evidence.calls.get(violation.generation_id or "", ()) or [
        call for call in evidence.history.calls if call.nonce == nonce
    ]
    for call in calls:
        yield from _call(call)
    if generation is not None:
        yield generation.began, f"database: generation {generation.id} begins, message {generation.message_id}"
        ended = generation.ended
        if ended is not None:
            how = f"{generation.status} {generation.failure_code or ''}".strip()
            message = evidence.messages.get(generation.message_id)
            size = len(message.content) if message is not None else 0
            yield ended, f"database: ends {how}, {generation.last_seq} events, {size} characters"
        for row in evidence.booked:
            if row.generation_id == generation.id:
                tokens = f"{row.input_tokens}+{row.output_tokens}{' estimated' if row.estimated else ''}"
                yield ended or generation.began, f"database: attempt {row.attempt} booked {tokens}, {row.outcome}"


def _posts(posts: Sequence[Post], generation_id: str | None) -> Iterator[Line]:
    for post in posts:
        who = f"client {post.user}/{post.client}: "
        key = f" with key {post.key}" if post.key else ""
        vain = 0
        for tried in post.tries:
            if tried.acknowledged and generation_id not in (None, tried.generation_id):
                continue
            if not tried.acknowledged and tried is not post.tries[-1]:
                vain += 1
                continue
            after = f", after {vain} tries in vain" if vain else ""
            yield tried.sent, f"{who}{post.route}{key}, {post.plan}{after}"
            answer = tried.status if tried.status is not None else "left" if tried.aborted else "broken"
            if tried.ended is not None:
                yield tried.ended, f"{who}-> {answer} {tried.code or ''}".rstrip()


def _connections(connections: Sequence[Connection]) -> Iterator[Line]:
    """Those by which anything was read, or that are the reason; the others are counted."""
    vain = [each for each in connections if not len(each.trace) and each.how in _VAIN]
    for connection in connections:
        if connection not in vain:
            yield from _connection(connection)
    if vain:
        answers = Counter(f"{each.status or 'broken'} {each.code or ''}".strip() for each in vain)
        yield vain[-1].opened, f"clients: {len(vain)} connections in vain until here: {dict(answers)}"


def _connection(connection: Connection) -> Iterator[Line]:
    who = f"client {connection.user}/{connection.client}: "
    seqs = [each.seq for each in connection.trace]
    yield connection.opened, f"{who}{connection.route} after {connection.after}, reading {connection.reading}"
    if connection.ended is not None:
        events = f"{seqs[0]}…{seqs[-1]}" if seqs else "nothing"
        how = " ".join(
            str(each)
            for each in (connection.status, connection.code, connection.done_status, connection.failure_code)
            if each is not None
        )
        ending = connection.how.value if connection.how is not None else "?"
        yield connection.ended, f"{who}read {events}, {len(connection.text)} characters, {ending} ({how})"


def _call(call: VendorCall) -> Iterator[Line]:
    who = f"vendor: call {call.attempt} of {call.nonce} by {call.instance}"
    yield call.began, f"{who}, a prompt of {len(call.prompt)} turns"
    if call.finish_sent is not None:
        yield call.finish_sent, f"{who}: finish marker sent"
    if call.ended is not None:
        how = call.how.value if call.how is not None else "?"
        yield call.ended, f"{who}: {how}, {call.sent} chunks, {call.refused or ''} usage {call.usage}"


def _faults(evidence: Evidence, violation: Violation, began: float, ended: float) -> Iterator[Line]:
    """Those of its time that concern it: of its owner, Redis and PostgreSQL; of all where it has none."""
    calls = evidence.calls.get(violation.generation_id or "", ())
    targets = {call.instance for call in calls} | {REDIS, POSTGRESQL} if calls else None
    for fault in evidence.history.faults:
        if fault.overlaps(began, ended) and fault.target != FRONT and (targets is None or fault.target in targets):
            yield fault.began, f"FAULT {fault.kind} {fault.target} begins"
            if fault.ended is not None:
                yield fault.ended, f"FAULT {fault.kind} {fault.target} is over"
