"""The checker can fail: each invariant finds what is planted, and each window excuses only as much as it says."""

from dataclasses import replace

import pytest

from tests.chaos.checker import check
from tests.chaos.history import (
    POSTGRESQL,
    REDIS,
    Connection,
    Ending,
    EventKind,
    FaultKind,
    Footprint,
    Glimpse,
    Oddity,
    Route,
    Stop,
    Trace,
    VendorEnd,
)
from tests.chaos.made_up import MadeUp, Turn, again, cut
from tests.chaos.report import report, tell
from tests.chaos.summary import summary


@pytest.fixture
def run() -> MadeUp:
    """Two users; the first with two turns in one conversation."""
    made = MadeUp()
    made.turn()
    made.turn()
    made.turn(user=2, conversation_id="talk-2")
    return made


def broken(run: MadeUp) -> set[int]:
    """The invariants that do not hold; and what is told of each violation can be told."""
    violations = check(run.evidence)
    for each in violations:
        assert each.sentence in tell(run.evidence, each)
    return {each.invariant for each in violations}


def lost(run: MadeUp, *, seen: int, stored: int, instance: str = "a") -> Turn:
    """An answer whose owner went: a client saw more than is kept."""
    turn = run.turn(
        user=3,
        conversation_id="talk-3",
        seen=seen,
        stored=stored,
        failure="instance_lost",
        finished=False,
        lasts=20.0,
        instance=instance,
    )
    turn.call.ended, turn.call.sent = run.generations[turn.generation_id].began + 4.0, seen
    return turn


def test_a_good_run_has_no_violation(run: MadeUp) -> None:
    assert check(run.evidence) == []


# --- 0: explained ---


def test_an_oddity_is_a_violation(run: MadeUp) -> None:
    run.history.oddities.append(Oddity(3.0, 1, "500 internal to a post", ""))
    assert broken(run) == {0}


@pytest.mark.parametrize("code", ["instance_lost", "instance_draining", "internal", "upstream_cut", "context_too_long"])
def test_an_answer_that_fails_without_a_cause_is_a_violation(run: MadeUp, code: str) -> None:
    run.turn(failure=code)
    assert 0 in broken(run)


def test_an_answer_that_nobody_stopped_is_not_stopped(run: MadeUp) -> None:
    turn = run.turns[0]
    run.generations[turn.generation_id] = replace(run.generations[turn.generation_id], status="stopped")
    assert 0 in broken(run)


@pytest.mark.parametrize(("frozen", "excused"), [(20.0, True), (3.0, False)])
def test_only_a_frozen_instance_is_silent(run: MadeUp, frozen: float, excused: bool) -> None:
    silent = Connection(50, 1, 1, Route.STREAM, 200.0, status=None, ended=240.0, how=Ending.SILENT)
    run.history.connections.append(silent)
    run.fault(FaultKind.FREEZE, "a", 199.0, 199.0 + frozen)
    assert (broken(run) == set()) is excused


def test_a_fault_of_the_vendor_explains_a_failure(run: MadeUp) -> None:
    turn = run.turn(failure="upstream_cut", finished=False)
    turn.call.how = VendorEnd.FAULT
    assert broken(run) == set()


def test_a_fault_that_was_planned_explains_a_call_that_the_app_gave_up(run: MadeUp) -> None:
    turn = run.turn(failure="upstream_timeout", finished=False)
    assert broken(run) == {0}
    turn.call.plan = replace(turn.plan, faults=("stall:6",))
    assert broken(run) == set()


@pytest.mark.parametrize(("frozen", "excused"), [(4.5, True), (1.0, False)])
def test_a_freeze_explains_a_time_limit_that_has_passed(run: MadeUp, frozen: float, excused: bool) -> None:
    run.turn(failure="upstream_timeout", finished=False)
    run.fault(FaultKind.FREEZE, "a", 48.2, 48.2 + frozen)
    assert (broken(run) == set()) is excused


# --- 1: stored once ---


def test_an_acknowledged_message_that_is_lost_is_found(run: MadeUp) -> None:
    del run.messages[run.turns[2].question_id]
    assert 1 in broken(run)


def test_a_message_that_is_stored_twice_is_found(run: MadeUp) -> None:
    first = run.messages[run.turns[2].question_id]
    run.messages["copy"] = replace(first, id="copy", place=99)
    assert broken(run) == {1}


def test_a_message_that_was_not_acknowledged_may_be_stored_once(run: MadeUp) -> None:
    (tried,) = run.turns[2].post.tries
    tried.status = tried.generation_id = None
    assert broken(run) == set()


def test_a_message_that_was_refused_may_not(run: MadeUp) -> None:
    (tried,) = run.turns[2].post.tries
    tried.status, tried.code, tried.generation_id = 409, "conversation_busy", None
    assert broken(run) == {1}


@pytest.mark.parametrize("change", ["Tell me", "Tell me. ", "TELL ME. "])
def test_a_message_that_is_stored_differently_is_found(run: MadeUp, change: str) -> None:
    question = run.messages[run.turns[2].question_id]
    run.messages[question.id] = replace(question, content=question.content.replace("Tell me. ", change) + "!")
    assert 1 in broken(run)


def test_a_message_in_another_conversation_is_found(run: MadeUp) -> None:
    question = run.messages[run.turns[2].question_id]
    run.messages[question.id] = replace(question, conversation_id="talk-1")
    assert 1 in broken(run)


def test_a_message_that_nobody_sent_is_found(run: MadeUp) -> None:
    question = run.messages[run.turns[2].question_id]
    run.messages["other"] = replace(question, id="other", content=question.content.replace("u2-3", "u2-77"))
    assert broken(run) == {1}


def test_two_generations_of_one_key_are_found(run: MadeUp) -> None:
    post = run.turns[0].post
    post.tries.append(replace(post.tries[0], generation_id="generation-2"))
    assert 1 in broken(run)


# --- 2: prefix ---


def test_text_that_is_no_prefix_of_what_is_stored_is_found(run: MadeUp) -> None:
    cut(run.turns[0].connection, 3).text += "?"
    assert broken(run) == {2}


def test_a_complete_answer_of_which_the_end_was_not_seen_is_found(run: MadeUp) -> None:
    connection = run.turns[0].connection
    connection.text = connection.text[:-1]
    assert broken(run) == {2}


def test_a_resumed_text_is_compared_where_it_belongs(run: MadeUp) -> None:
    turn = run.turns[0]
    rest = Connection(50, 1, 2, Route.RESUME, 30.0, after=3, reading=50, generation_id=turn.generation_id, status=200)
    again(rest, [each for each in turn.final.trace if each.seq > 3])
    rest.text, rest.done_status, rest.how = turn.plan.text(1)[len(turn.plan.text(1, 2)) :], "complete", Ending.DONE
    run.history.connections.append(rest)
    assert broken(run) == set()
    rest.text = turn.plan.text(1)
    assert broken(run) == {2}


def test_another_ending_than_the_stored_one_is_found(run: MadeUp) -> None:
    run.turns[0].connection.done_status = "stopped"
    assert 2 in broken(run)


def test_a_reply_that_is_not_what_is_stored_is_found(run: MadeUp) -> None:
    turn = run.turns[0]
    turn.post.tries[0].reply, turn.post.tries[0].reply_status = turn.plan.text(1), "complete"
    assert broken(run) == set()
    turn.post.tries[0].reply = turn.plan.text(1, 2)
    assert broken(run) == {2}


@pytest.mark.parametrize(("status", "text"), [("streaming", "something else"), ("complete", "")])
def test_a_list_of_messages_that_showed_something_else_is_found(run: MadeUp, status: str, text: str) -> None:
    run.history.glimpses.append(Glimpse(14.0, 1, run.turns[0].answer_id, status, text))
    assert broken(run) == {2}


# The lost turn begins at 48; its events come each half second, so that event n is seen at 48 + n / 2.


def test_what_was_lost_without_redis_since_the_last_checkpoint_is_excused(run: MadeUp) -> None:
    lost(run, seen=6, stored=4)
    run.fault(FaultKind.KILL, "a", 51.6, 55.0)
    run.fault(FaultKind.FREEZE, REDIS, 50.0, 53.0)
    assert broken(run) == set()


def test_what_was_lost_with_redis_is_not(run: MadeUp) -> None:
    lost(run, seen=6, stored=4)
    run.fault(FaultKind.KILL, "a", 51.6, 55.0)
    run.fault(FaultKind.FREEZE, REDIS, 30.0, 40.0)  # long healed
    assert {2, 5} <= broken(run)


def test_more_than_since_the_last_checkpoint_is_not(run: MadeUp) -> None:
    lost(run, seen=6, stored=1)
    run.fault(FaultKind.KILL, "a", 51.6, 55.0)
    run.fault(FaultKind.FREEZE, REDIS, 50.0, 53.0)
    assert {2, 5} <= broken(run)


def test_with_a_slow_database_five_seconds_are(run: MadeUp) -> None:
    lost(run, seen=6, stored=1)
    run.fault(FaultKind.KILL, "a", 51.6, 55.0)
    run.fault(FaultKind.FREEZE, REDIS, 50.0, 53.0)
    run.fault(FaultKind.SLOW, POSTGRESQL, 47.0, 52.0)
    assert broken(run) == set()


@pytest.mark.parametrize(("waited", "excused"), [(1.0, True), (0.1, False)])
def test_a_database_that_let_others_wait_is_slow(run: MadeUp, waited: float, excused: bool) -> None:
    lost(run, seen=6, stored=1)
    run.fault(FaultKind.KILL, "a", 51.6, 55.0)
    run.fault(FaultKind.FREEZE, REDIS, 50.0, 53.0)
    run.turns[0].post.tries[0].sent = 50.0
    run.turns[0].connection.opened = 50.0 + waited
    assert (broken(run) == set()) is excused


def test_an_answer_that_its_owner_ended_itself_has_lost_nothing(run: MadeUp) -> None:
    turn = run.turn(user=3, conversation_id="talk-3", seen=6, stored=4, failure="instance_draining", finished=False)
    turn.call.ended = 51.0
    run.fault(FaultKind.TERM, "a", 50.0, 58.0)
    run.fault(FaultKind.KILL, "a", 51.6, 55.0)
    run.fault(FaultKind.FREEZE, REDIS, 50.0, 53.0)
    assert {2, 5} <= broken(run)


def test_an_owner_that_went_before_it_called_anybody_may_be_any(run: MadeUp) -> None:
    turn = lost(run, seen=0, stored=0)
    run.history.calls.remove(turn.call)
    assert broken(run) == {0}
    run.fault(FaultKind.KILL, "a", 51.6, 55.0)
    assert broken(run) == set()


def test_what_is_stored_of_a_lost_answer_is_still_what_was_seen(run: MadeUp) -> None:
    turn = lost(run, seen=6, stored=4)
    run.fault(FaultKind.KILL, "a", 51.6, 55.0)
    run.fault(FaultKind.FREEZE, REDIS, 50.0, 53.0)
    answer = run.messages[turn.answer_id]
    run.messages[answer.id] = replace(answer, content=answer.content[:-1] + "x")
    assert {2, 3} <= broken(run)


@pytest.mark.parametrize(("flushed", "excused"), [(50.0, True), (60.0, True), (45.0, False), (80.0, False)])
def test_a_flush_excuses_until_it_is_healed_or_until_the_takeover(run: MadeUp, flushed: float, excused: bool) -> None:
    lost(run, seen=6, stored=4)
    run.fault(FaultKind.KILL, "a", 51.6, 55.0)
    run.fault(FaultKind.FLUSH, REDIS, flushed, flushed)
    assert (broken(run) == set()) is excused


def test_the_loss_of_another_instance_excuses_nothing(run: MadeUp) -> None:
    lost(run, seen=6, stored=4, instance="b")
    run.fault(FaultKind.KILL, "a", 51.6, 55.0)
    run.fault(FaultKind.FREEZE, REDIS, 50.0, 53.0)
    assert {0, 2, 5} <= broken(run)


@pytest.mark.parametrize(("seconds", "excused"), [(18.0, True), (4.0, False)])
def test_only_a_freeze_that_outlasts_a_lease_excuses(run: MadeUp, seconds: float, excused: bool) -> None:
    lost(run, seen=6, stored=4)
    run.fault(FaultKind.FREEZE, "a", 51.6, 51.6 + seconds)
    run.fault(FaultKind.FREEZE, REDIS, 50.0, 53.0)
    assert (broken(run) == set()) is excused


# --- 3: complete ---


def test_complete_without_a_finish_marker_is_found(run: MadeUp) -> None:
    run.turns[0].call.finish_sent = None
    assert broken(run) == {3}


def test_complete_with_another_text_than_the_vendors_is_found(run: MadeUp) -> None:
    run.turns[2].call.plan = replace(run.turns[2].plan, chunks=7)
    assert broken(run) == {3}


def test_complete_without_a_call_is_found(run: MadeUp) -> None:
    run.history.calls.remove(run.turns[2].call)
    assert 3 in broken(run)


def test_an_answer_that_failed_before_any_call_may_be_empty(run: MadeUp) -> None:
    turn = run.turn(user=3, conversation_id="talk-3", stored=0, failure="upstream_error", finished=False)
    assert broken(run) == {0, 2, 5}  # of a client that saw words
    run.history.connections.remove(turn.connection)
    run.history.calls.remove(turn.call)
    assert broken(run) == {0}


def test_a_generation_without_its_message_is_found(run: MadeUp) -> None:
    del run.messages[run.turns[2].answer_id]
    assert 3 in broken(run)


def test_words_that_the_vendor_never_said_are_found_in_a_partial_answer_too(run: MadeUp) -> None:
    turn = run.turn(failure="upstream_cut", finished=False)
    turn.call.how = VendorEnd.FAULT
    turn.call.sent = 2
    assert broken(run) == {3}


# --- 4: terminal ---


def test_an_answer_without_an_end_is_found(run: MadeUp) -> None:
    answer = run.messages[run.turns[2].answer_id]
    run.messages[answer.id] = replace(answer, status="streaming")
    assert 4 in broken(run)


def test_two_terminal_events_are_found(run: MadeUp) -> None:
    events = list(run.turns[0].connection.trace)
    again(run.turns[0].connection, [*events, events[-1]])
    assert 4 in broken(run)


def test_an_event_after_the_terminal_one_is_found(run: MadeUp) -> None:
    events = list(run.turns[0].connection.trace)
    again(run.turns[0].connection, [*events, events[1]._replace(seq=len(events) + 1)])
    assert 4 in broken(run)


def test_a_log_that_does_not_agree_with_its_row_is_found(run: MadeUp) -> None:
    run.turns[0].final.done_status = "stopped"
    assert broken(run) == {4}


def test_a_log_that_cannot_be_read_is_found(run: MadeUp) -> None:
    run.turns[0].final.how = Ending.REFUSED
    assert broken(run) == {4}


def test_a_failure_that_is_done_as_complete_is_found(run: MadeUp) -> None:
    connection = run.turns[0].connection
    again(
        connection,
        [each._replace(kind=EventKind.FAILURE) if each.kind is EventKind.USAGE else each for each in connection.trace],
    )
    assert 4 in broken(run)


def late(run: MadeUp, seconds: float, **changes: str) -> Turn:
    """The last turn's ending is saved so long after its upstream had ended."""
    turn = run.turns[2]
    generation = run.generations[turn.generation_id]
    assert turn.call.ended is not None
    run.generations[generation.id] = replace(generation, ended=turn.call.ended + seconds)
    return turn


def test_an_ending_that_comes_too_late_is_found(run: MadeUp) -> None:
    late(run, 15.0)
    assert broken(run) == set()
    late(run, 25.0)
    assert broken(run) == {4}


def test_an_ending_that_comes_too_late_after_a_stop_is_found(run: MadeUp) -> None:
    turn = late(run, 15.0)
    run.history.stops.append(Stop(2, turn.generation_id, 30.0, 30.1, 202, "streaming"))
    assert broken(run) == {4}


@pytest.mark.parametrize(("away", "excused"), [(20.0, True), (5.0, False)])
def test_the_clock_stands_still_while_the_database_is_away(run: MadeUp, away: float, excused: bool) -> None:
    turn = late(run, 36.0)
    assert turn.call.ended is not None
    run.fault(FaultKind.FREEZE, POSTGRESQL, turn.call.ended, turn.call.ended + away)
    assert (broken(run) == set()) is excused


@pytest.mark.parametrize(("ended", "in_time"), [(71.0, True), (73.0, False)])
def test_a_takeover_has_twenty_seconds(run: MadeUp, ended: float, in_time: bool) -> None:
    turn = lost(run, seen=4, stored=4)
    run.history.calls[0].instance = "b"
    run.fault(FaultKind.KILL, "a", 51.6, 54.0)
    run.generations[turn.generation_id] = replace(run.generations[turn.generation_id], ended=ended)
    assert (broken(run) == set()) is in_time


@pytest.mark.parametrize(("ended", "in_time"), [(83.0, True), (90.0, False)])
def test_what_a_drain_left_is_to_be_ended_in_time_too(run: MadeUp, ended: float, in_time: bool) -> None:
    turn = run.turn(user=3, conversation_id="talk-3", seen=6, stored=4, failure="instance_draining", finished=False)
    run.fault(FaultKind.TERM, "a", 50.0, 58.0)
    assert turn.call.ended is not None
    run.generations[turn.generation_id] = replace(run.generations[turn.generation_id], ended=ended)
    assert (4 not in broken(run)) is in_time


@pytest.mark.parametrize(("ended", "in_time"), [(82.0, True), (90.0, False)])
def test_a_takeover_waits_for_an_instance_with_a_steady_lease(run: MadeUp, ended: float, in_time: bool) -> None:
    turn = lost(run, seen=4, stored=4)
    run.history.calls[0].instance = "b"
    run.fault(FaultKind.KILL, "a", 51.6, 54.0)
    run.fault(FaultKind.TERM, "b", 48.0, 62.5)  # steady at 77.5
    run.fault(FaultKind.KILL, "a", 60.0, 64.0)
    run.generations[turn.generation_id] = replace(run.generations[turn.generation_id], ended=ended)
    assert (broken(run) == set()) is in_time


# --- 5: sequence ---


def test_a_gap_is_found(run: MadeUp) -> None:
    connection = cut(run.turns[0].connection, 4)
    again(connection, [each for each in connection.trace if each.seq != 3])
    assert 5 in broken(run)


def test_a_repetition_across_connections_is_found(run: MadeUp) -> None:
    turn = run.turns[0]
    events = list(turn.final.trace)
    cut(turn.connection, 4)
    rest = replace(turn.connection, number=50, route=Route.RESUME, opened=20.0, after=4, how=Ending.DONE)
    rest.done_status, rest.text = "complete", turn.plan.text(1)[len(turn.plan.text(1, 3)) :]
    run.history.connections.append(rest)
    again(rest, events[4:])
    assert broken(run) == set()
    again(rest, events[3:])
    assert 5 in broken(run)


def test_the_failure_of_a_lost_answer_may_come_again_to_who_names_its_number(run: MadeUp) -> None:
    turn = lost(run, seen=4, stored=4)
    events = list(turn.final.trace)
    (failure,) = [each for each in events if each.kind is EventKind.FAILURE]
    rest = replace(turn.connection, number=50, reading=50, route=Route.RESUME, opened=75.0, after=failure.seq)
    rest.done_status, rest.how, rest.text = "failed", Ending.DONE, ""
    rest.trace = Trace()
    run.history.connections.append(rest)
    again(rest, events[failure.seq - 1 :])
    assert 5 not in broken(run)
    run.generations[turn.generation_id] = replace(run.generations[turn.generation_id], failure_code="upstream_cut")
    assert 5 in broken(run)


def test_different_data_for_one_number_is_found(run: MadeUp) -> None:
    events = list(run.turns[0].connection.trace)
    again(run.turns[0].connection, [events[0], events[1]._replace(digest=7), *events[2:]])
    assert broken(run) == {5}


def test_an_event_that_is_not_kept_is_found(run: MadeUp) -> None:
    lost(run, seen=5, stored=4)
    run.fault(FaultKind.KILL, "a", 51.6, 55.0)
    assert 5 in broken(run)


def test_nothing_more_to_one_who_has_not_read_all_is_found(run: MadeUp) -> None:
    turn = run.turns[0]
    cut(turn.connection, 4)
    nothing = Connection(50, 1, 1, Route.RESUME, 20.0, after=4, reading=1, generation_id=turn.generation_id, status=204)
    nothing.how = Ending.EMPTY
    run.history.connections.append(nothing)
    assert broken(run) == {5}


@pytest.mark.parametrize("redis_away", [True, False])
def test_an_ending_may_bear_the_number_of_a_lost_event_only_where_it_was_lost(run: MadeUp, redis_away: bool) -> None:
    turn = lost(run, seen=6, stored=4)
    run.fault(FaultKind.KILL, "a", 51.6, 55.0)
    if redis_away:
        run.fault(FaultKind.FREEZE, REDIS, 50.0, 53.0)
    rest = Connection(50, 3, 1, Route.RESUME, 70.0, after=7, reading=turn.connection.reading, status=200)
    rest.generation_id, rest.how, rest.done_status = turn.generation_id, Ending.DONE, "failed"
    again(rest, [each._replace(at=70.0) for each in turn.final.trace if each.seq > 5])
    run.history.connections.append(rest)
    assert (broken(run) == set()) is redis_away


# --- 6: turns ---


def test_a_prompt_without_a_turn_is_found(run: MadeUp) -> None:
    run.turns[1].call.prompt = run.turns[1].call.prompt[2:]
    assert broken(run) == {6}


def test_a_prompt_with_another_text_is_found(run: MadeUp) -> None:
    first, *rest = run.turns[1].call.prompt
    run.turns[1].call.prompt = [(first[0], first[1] + " "), *rest]
    assert broken(run) == {6}


def test_a_prompt_leaves_out_empty_answers_and_joins_what_was_asked(run: MadeUp) -> None:
    before = run.turn(conversation_id="talk-9", stored=0, seen=0, failure="upstream_cut", finished=False)
    before.call.how, before.call.sent = VendorEnd.FAULT, 0
    after = run.turn(conversation_id="talk-9")
    assert 6 in broken(run)
    after.call.prompt = [("user", f"{before.post.text}\n\n{after.post.text}")]
    assert broken(run) == set()


def test_a_third_call_is_found(run: MadeUp) -> None:
    call = run.turns[2].call
    silent = replace(call, sent=0, finish_sent=None, usage=None, usage_sent=None)
    run.history.calls += [replace(silent, attempt=2), replace(silent, attempt=3)]
    assert 6 in broken(run)


def test_a_second_call_after_the_first_word_is_found(run: MadeUp) -> None:
    call = run.turns[2].call
    run.history.calls.append(replace(call, attempt=2))
    call.finish_sent, call.sent = None, 2
    assert 6 in broken(run)


def test_a_call_for_nothing_that_is_stored_is_found(run: MadeUp) -> None:
    run.history.calls.append(replace(run.turns[2].call, nonce="u2-99"))
    assert broken(run) == {6}


def test_two_generations_at_one_time_are_found(run: MadeUp) -> None:
    first = run.generations[run.turns[0].generation_id]
    run.generations[first.id] = replace(first, ended=run.turns[1].post.tries[0].sent + 1)
    assert 6 in broken(run)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_call_may_outlast_its_turn_only_while_its_owner_is_frozen(run: MadeUp, frozen: bool) -> None:
    call = run.turns[0].call
    call.ended, call.finish_sent = 40.0, None
    if frozen:
        run.fault(FaultKind.FREEZE, "a", 14.0, 39.0)
    assert (6 in broken(run)) is not frozen


# --- 7: ownership ---


def test_anothers_nonce_on_the_way_is_found(run: MadeUp) -> None:
    run.history.oddities.append(Oddity(3.0, 1, "another user's nonce", "u2-3", foreign=True))
    assert broken(run) == {7}


def test_anothers_nonce_in_a_message_is_found(run: MadeUp) -> None:
    answer = run.messages[run.turns[0].answer_id]
    run.messages[answer.id] = replace(answer, content=answer.content.replace("u1-1", "u2-1", 1))
    assert 7 in broken(run)


def test_anothers_nonce_in_a_prompt_is_found(run: MadeUp) -> None:
    run.turns[0].call.prompt = [("user", run.turns[2].post.text), *run.turns[0].call.prompt]
    assert 7 in broken(run)


def test_the_nonce_of_another_turn_in_an_answer_is_found(run: MadeUp) -> None:
    answer = run.messages[run.turns[0].answer_id]
    run.messages[answer.id] = replace(answer, content=answer.content.replace("u1-1", "u1-2", 1))
    assert 7 in broken(run)


# --- 8: usage ---


@pytest.mark.parametrize(("more_in", "more_out"), [(1, 0), (0, -1)])
def test_a_token_too_many_or_too_few_is_found(run: MadeUp, more_in: int, more_out: int) -> None:
    row = run.booked[0]
    run.booked[0] = replace(row, input_tokens=row.input_tokens + more_in, output_tokens=row.output_tokens + more_out)
    assert broken(run) == {8}


def test_an_estimate_of_what_was_reported_is_found(run: MadeUp) -> None:
    run.booked[0] = replace(run.booked[0], estimated=True)
    assert broken(run) == {8}


def test_an_estimate_without_its_flag_is_found(run: MadeUp) -> None:
    run.turns[0].call.usage = run.turns[0].call.usage_sent = None
    assert broken(run) == {8}


def test_a_call_that_is_not_booked_is_found(run: MadeUp) -> None:
    del run.booked[2]
    assert broken(run) == {8}


def test_a_booking_of_no_call_is_found(run: MadeUp) -> None:
    run.booked.append(replace(run.booked[2], attempt=2))
    assert broken(run) == {8}


def test_a_sum_that_is_not_that_of_the_rows_is_found(run: MadeUp) -> None:
    told = run.evidence.totals[2]
    run.totals[2] = replace(told, output_tokens=told.output_tokens + 1)
    assert broken(run) == {8}


def test_a_report_that_crossed_with_the_clients_leaving_may_be_missed(run: MadeUp) -> None:
    call = run.turns[2].call
    run.booked[2] = replace(run.booked[2], estimated=True)
    call.how = VendorEnd.LEFT
    assert broken(run) == set()
    call.usage_sent = 30.0
    assert broken(run) == {8}


def test_what_an_owner_could_not_save_before_it_had_to_go_may_be_lost_with_its_log(run: MadeUp) -> None:
    turn = lost(run, seen=6, stored=2)
    run.fault(FaultKind.TERM, "a", 51.0, 55.0)
    run.fault(FaultKind.FLUSH, REDIS, 60.0, 60.0)
    assert 2 in broken(run)
    run.fault(FaultKind.KILL, POSTGRESQL, 51.1, 51.2)
    turn.call.ended = 59.0
    assert 2 in broken(run)
    run.fault(FaultKind.KILL, POSTGRESQL, 51.3, 58.0)
    turn.call.ended = 51.5
    assert 2 not in broken(run)


def test_last_bytes_that_nobody_reads_for_a_stop_may_be_missed(run: MadeUp) -> None:
    run.booked[0] = replace(run.booked[0], estimated=True, outcome="stopped")
    assert broken(run) == set()
    call = run.turns[0].call
    assert call.usage_sent is not None
    call.usage_sent -= 10
    assert broken(run) == {8}


def test_what_an_owner_had_not_booked_when_it_went_may_be_estimated(run: MadeUp) -> None:
    turn = lost(run, seen=6, stored=6)
    turn.call.usage, turn.call.usage_sent, turn.call.how = (100, 20), 51.0, VendorEnd.COMPLETE
    run.fault(FaultKind.KILL, "a", 51.6, 55.0)
    run.booked[-1] = replace(run.booked[-1], estimated=True)
    assert broken(run) == set()


# --- 9: footprint ---


@pytest.mark.parametrize(
    ("sockets", "tasks", "pool", "mebibytes", "fine"),
    [
        (14, 12, 0, 150, True),
        (60, 10, 0, 100, False),
        (10, 40, 0, 100, False),
        (10, 10, 1, 100, False),
        (10, 10, 0, 300, False),
    ],
)
def test_what_is_left_behind_is_found(
    run: MadeUp, sockets: int, tasks: int, pool: int, mebibytes: int, fine: bool
) -> None:
    run.footprints.append(Footprint("a", 1.0, 2.0, 10, 10, 0, 100 << 20))
    run.footprints.append(Footprint("a", 1.0, 400.0, sockets, tasks, pool, mebibytes << 20))
    assert (broken(run) == set()) is fine


# --- the report ---


def test_a_report_is_short_and_tells_only_what_belongs_to_the_violation(run: MadeUp) -> None:
    run.turns[0].call.finish_sent = None
    run.fault(FaultKind.KILL, "a", 13.0, 15.0)
    run.fault(FaultKind.KILL, "b", 300.0, 305.0)
    (violation,) = check(run.evidence)
    told = report(run.evidence, [violation])
    assert "Invariant 3" in told
    assert "complete, but the vendor sent no finish marker" in told
    assert "u1-1" in told
    assert "u1-2" not in told
    assert "FAULT kill a" in told
    assert "FAULT kill b" not in told
    assert len(told.splitlines()) < 30


def test_a_summary_tells_what_was_tried_and_what_was_excused(run: MadeUp) -> None:
    lost(run, seen=6, stored=4)
    run.fault(FaultKind.KILL, "a", 51.6, 55.0)
    run.fault(FaultKind.FREEZE, REDIS, 50.0, 53.0)
    told = summary(run.evidence)
    assert "4 in 4 tries, 4 acknowledged" in told
    assert "3 complete, 1 instance_lost" in told
    assert "1 answers whose owner went without Redis" in told
    assert "1 kill a, 1 freeze redis" in told
