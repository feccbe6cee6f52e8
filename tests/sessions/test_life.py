"""The table of a session's life leads where it should, and nowhere else."""

import itertools

import pytest

from stocktrack.messages import Who
from stocktrack.sessions.life import PERMISSIONS, TRANSITIONS, SessionState, Step


def test_whoever_is_greeted_can_become_a_guest_a_user_or_neither() -> None:
    steps = {step: after for (before, step), after in TRANSITIONS.items() if before is SessionState.GREETED}
    assert steps == {
        Step.WELCOMED: SessionState.GUEST,
        Step.LOGGED_IN: SessionState.AUTHENTICATED,
        Step.ENDED: SessionState.ENDED,
    }


@pytest.mark.parametrize("step", Step)
def test_nothing_leads_out_of_the_end(step: Step) -> None:
    assert (SessionState.ENDED, step) not in TRANSITIONS


@pytest.mark.parametrize("state", [state for state in SessionState if state is not SessionState.ENDED])
def test_every_other_state_can_end(state: SessionState) -> None:
    assert TRANSITIONS[state, Step.ENDED] is SessionState.ENDED


def test_a_user_never_becomes_a_stranger_again_nor_somebody_else() -> None:
    steps = {step for before, step in TRANSITIONS if before is SessionState.AUTHENTICATED}
    assert steps == {Step.ENDED}


def test_every_state_is_reached_and_has_its_permissions() -> None:
    reached = {SessionState.GREETED}
    for _ in SessionState:
        reached |= {after for (before, _), after in TRANSITIONS.items() if before in reached}
    assert reached == set(SessionState) == set(PERMISSIONS)


def test_what_strangers_send_is_for_those_who_have_not_logged_in_and_users_commands_for_those_who_have() -> None:
    allowed = {(state, who) for state, whose in PERMISSIONS.items() for who in whose}
    assert {state for state, who in allowed if who is Who.STRANGERS} == {SessionState.GREETED, SessionState.GUEST}
    assert {state for state, who in allowed if who is Who.GUESTS} == {SessionState.GUEST, SessionState.AUTHENTICATED}
    for who in (Who.USERS, Who.ADMINS):
        assert {state for state, whose in allowed if whose is who} == {SessionState.AUTHENTICATED}
    living = [state for state in SessionState if state is not SessionState.ENDED]
    assert set(itertools.product(living, [Who.ANYBODY])) <= allowed
