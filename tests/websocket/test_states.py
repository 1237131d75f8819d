"""The tables of the states: complete, and without dead ends."""

from __future__ import annotations

from goim_edu.websocket.states import COMMANDS, TRANSITIONS, State, Step, state_diagram


def test_the_tables_speak_of_each_state_and_each_step() -> None:
    assert set(TRANSITIONS) == set(COMMANDS) == set(State)
    assert {step for row in TRANSITIONS.values() for step in row} == set(Step)


def test_each_state_can_be_reached_and_leads_to_the_end() -> None:
    reached = {State.CONNECTING}
    for _ in State:
        reached |= {after for before in reached for after in TRANSITIONS[before].values()}
    assert reached == set(State)
    ends = {State.CLOSED}
    for _ in State:
        ends |= {state for state, row in TRANSITIONS.items() if ends & set(row.values())}
    assert ends == set(State)
    assert TRANSITIONS[State.CLOSED] == {}


def test_who_has_said_close_sends_nothing_more() -> None:
    assert not COMMANDS[State.CLOSING]
    assert not COMMANDS[State.CLOSED]
    assert "close" not in COMMANDS[State.ENDING]


def test_the_diagram_is_made_from_the_table() -> None:
    lines = state_diagram().splitlines()
    assert lines[0] == "stateDiagram-v2"
    assert len(lines) == 3 + sum(len(set(steps.values())) for steps in TRANSITIONS.values())
