"""What must hold at the end of every world."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.domain.chat import Generation
from app.domain.events import Kind, LogEvent
from app.generation import codec
from app.wire.chat import encode
from tests.simulation import uptime
from tests.simulation.clients import Reader, Sight
from tests.simulation.machines import Life
from tests.simulation.world import Asked, World

_TERM = 9.0
"""Seconds for which an owner is certainly not taken for lost: a term, less the time between two renewals."""
_HEALED = 6.0
"""Seconds in which what was written to streams that were away, or were lost, is there again."""
_TICK = 2.5
"""Seconds until what is logged is checkpointed, with a database that answers: a tick and what it takes."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database says of a generation in the end."""

    status: str
    failure: str | None
    last_seq: int
    owner_id: str
    log: Sequence[LogEvent]
    content: str
    message_status: str
    endings: Sequence[tuple[str, str | None, float]]
    """Each time that it was ended: how, and when."""
    booked: Sequence[tuple[int, int, bool, str]]
    """Attempts: number, tokens of the answer, whether they are estimated, outcome."""

    @property
    def lost(self) -> bool:
        return self.failure == "instance_lost"

    @property
    def told(self) -> int:
        """The number of the last event before its end."""
        ending = (Kind.USAGE, Kind.FAILURE, Kind.DONE)
        return sum(event.kind not in ending for event in self.log)


def judge(world: World) -> list[str]:
    """All that is wrong, in words; nothing where all is as it must be."""
    found = [*world.leaks]
    found += [f"{what} (of {of[-4:]})" for of, what in world.server.look("SELECT * FROM seen_intruders")]
    for asked in world.asked:
        found += [f"{asked.question.text}: {what}" for what in _judge_one(world, asked)]
    return found


def _judge_one(world: World, asked: Asked) -> Iterator[str]:
    text = asked.question.text
    asked_times = world.server.look("SELECT count(*) FROM messages WHERE role = 'user' AND content = ?", text)[0][0]
    if asked_times != 1 and (asked.generation is not None or asked_times > 1):
        yield f"the question is stored {asked_times} times"
    if asked.generation is None:
        return
    stored = _stored(world, asked.generation)
    if stored is None or stored.status == "streaming" or not stored.log:
        yield "it has no end"
        return
    yield from _one_end(stored)
    yield from _in_time(world, asked, stored)
    yield from _lost_for_a_reason(world, asked, stored)
    yield from _true_text(world, asked, stored)
    yield from _booked_once(world, asked, stored)
    for reader in asked.readers:
        yield from (f"{reader.name}: {what}" for what in _read_right(world, reader, stored))


def _one_end(stored: Stored) -> Iterator[str]:
    if len({ending[:2] for ending in stored.endings}) != 1:
        yield f"it was ended as {stored.endings}"
    log = stored.log
    if [event.seq for event in log] != list(range(1, stored.last_seq + 1)):
        yield f"its log has the numbers {[event.seq for event in log]}, and the row says {stored.last_seq}"
    if [event.kind for event in log].count(Kind.DONE) != 1 or log[-1].kind is not Kind.DONE:
        yield f"its log ends with {log[-2:]}"
    elif json.loads(log[-1].payload)["status"] != stored.status:
        yield f"its row says {stored.status}, and its log {log[-1].payload!r}"
    if (stored.content, stored.message_status) != (codec.answer_text(log), stored.status):
        yield "the message is not what the log says"


def _in_time(world: World, asked: Asked, stored: Stored) -> Iterator[str]:
    lives = [life for machine in world.machines for life in machine.lives]
    owner = _owner(world, stored)
    calls = world.vendor.calls_for(asked.question.text)
    ends = [calls[-1].closed] if calls and calls[-1].closed is not None else []
    if owner is None:
        ends.append(asked.posted_at)
    else:
        ends += [owner.ended] if owner.ended is not None else []
        ends += [begin for begin, end in owner.frozen if end - begin > uptime.PROMISED]
    at = stored.endings[0][2]
    limit = max((uptime.deadline(end, owner, lives, world.breaks) for end in ends), default=uptime.FOREVER)
    if at > limit + 0.5:
        yield f"it ended at {at - 1000:.1f}, and had to by {limit - 1000:.1f}"


def _lost_for_a_reason(world: World, asked: Asked, stored: Stored) -> Iterator[str]:
    owner = _owner(world, stored)
    if (
        not stored.lost
        or owner is None
        or world.scenario.lost_commits
        or not world.vendor.calls_for(asked.question.text)
    ):
        return
    at = stored.endings[0][2]
    if not owner.left(world.over_at) and not _absences(owner, at):
        yield f"it was taken from {owner.name}, which lived"


def _true_text(world: World, asked: Asked, stored: Stored) -> Iterator[str]:
    calls = world.vendor.calls_for(asked.question.text)
    sent = ["".join(call.pieces) for call in calls]
    if stored.content and not any(text.startswith(stored.content) for text in sent):
        yield f"the stored text is none that the vendor sent: {stored.content[-60:]!r}"
    if stored.status == "complete" and not (calls and calls[-1].finished and sent[-1] == stored.content):
        yield "it is called complete, and is not what the vendor finished"


def _booked_once(world: World, asked: Asked, stored: Stored) -> Iterator[str]:
    calls = world.vendor.calls_for(asked.question.text)
    numbers = [each[0] for each in stored.booked]
    owner = _owner(world, stored)
    if stored.lost and len(numbers) == 1 and (owner is None or owner.left(world.over_at) or not calls):
        return  # whoever ended it could only guess
    if numbers != list(range(1, len(calls) + 1)):
        yield f"the vendor was called {len(calls)} times, and booked is {stored.booked}"
        return
    for (_, tokens, estimated, _), call in zip(stored.booked, calls, strict=True):
        if not estimated and (call.usage is None or call.usage.output_tokens != tokens):
            yield f"booked are {tokens} tokens, and the vendor says {call.usage}"
        if estimated and call.usage is not None and stored.status == "complete":
            yield "what the vendor said of its tokens was estimated"


def _read_right(world: World, reader: Reader, stored: Stored) -> Iterator[str]:
    blocks = [encode(event).removesuffix(b"\n\n") for event in stored.log]
    window = _may_lose(world, stored)
    last = 0
    for sight in reader.sights:
        if window and sight.seq > stored.told:
            yield from _lost_lately(world, sight, stored)
            break
        if sight.seq != last + 1:
            yield f"was sent {sight.seq} after {last}"
            return
        if sight.seq > len(blocks) or sight.block != blocks[sight.seq - 1]:
            yield f"was sent as number {sight.seq} {sight.block!r}, and stored is {blocks[sight.seq - 1 : sight.seq]}"
            return
        last = sight.seq
    yield from reader.complaints
    if not reader.done and window and reader.told_nothing and reader.last == stored.last_seq:
        return  # what it saw last was lost, and its number is the end's: nobody can tell that from one who saw the end
    if not reader.done:
        yield f"has read to {reader.last} and no end"
    elif json.loads(reader.sights[-1].block.partition(b"data: ")[2])["status"] != stored.status:
        yield f"was told {reader.sights[-1].block!r}, and the row says {stored.status}"


def _may_lose(world: World, stored: Stored) -> bool:
    """Whether its owner was lost while nobody else could know what it had told.

    That is without streams, or with streams that were away then, or are away now, or that were lost a moment before.
    """
    if not stored.lost or world.redis is None:
        return stored.lost
    owner, ended = _owner(world, stored), stored.endings[0][2]
    gone = min([*_absences(owner, ended), *([owner.ended] if owner and owner.ended else []), ended])
    return any(begin <= ended and end + _HEALED > gone for begin, end in world.redis_outages)


def _absences(owner: Life | None, until: float) -> list[float]:
    """When it began to stand still, or to be cut off, for so long that it may have been taken for lost."""
    spans = [*owner.frozen, *owner.cut_off] if owner is not None else []
    return [begin for begin, end in spans if begin < until and end - begin > _TERM]


def _lost_lately(world: World, sight: Sight, stored: Stored) -> Iterator[str]:
    """What was told too early to be lost, for it had to be checkpointed; or so late that it had to be known as lost."""
    owner = _owner(world, stored)
    if not sight.block.startswith(b'data: {"text"') or owner is None:
        return
    piece = json.loads(sight.block.partition(b"data: ")[2])["text"]
    sent = max((call.sent_at.get(piece, 0.0) for call in world.vendor.calls), default=0.0)
    ended = stored.endings[0][2]
    if any(sent > begin for begin in _absences(owner, ended)) and sight.at > ended and not owner.cut_off:
        yield f"was told number {sight.seq}, which came when {owner.name} had lost its place"
    if _checkpointed(sight.at, owner, world):
        yield f"number {sight.seq} is lost, which {owner.name} had told long before it went"


def _checkpointed(at: float, life: Life, world: World) -> bool:
    """Whether its owner had the time to save what it told then."""
    return any(begin <= at - 8 and at + _TICK <= end for begin, end in uptime.good(life, world.breaks))


def _owner(world: World, stored: Stored) -> Life | None:
    lives = [life for machine in world.machines for life in machine.lives]
    return next((life for life in lives if stored.owner_id in life.ids), None)


def _stored(world: World, generation: Generation) -> Stored | None:
    look, id_ = world.server.look, generation.id
    rows = look("SELECT status, failure_code, last_seq, owner_id FROM generations WHERE id = ?", id_)
    if not rows:
        return None
    logs = look("SELECT events FROM generation_logs WHERE generation_id = ?", id_)
    content, message_status = look("SELECT content, status FROM messages WHERE id = ?", generation.message_id)[0]
    status, failure, last_seq, owner_id = rows[0]
    return Stored(
        status=status,
        failure=failure,
        last_seq=last_seq,
        owner_id=owner_id,
        log=codec.decompress(logs[0][0]) if logs else (),
        content=content,
        message_status=message_status,
        endings=look("SELECT status, failure_code, at FROM seen_endings WHERE generation_id = ? ORDER BY rowid", id_),
        booked=[
            (number, tokens, bool(estimated), outcome)
            for number, tokens, estimated, outcome in look(
                "SELECT attempt, output_tokens, estimated, outcome FROM usage_records WHERE generation_id = ?"
                " ORDER BY attempt",
                id_,
            )
        ],
    )
