"""The life of a connection: the table alone, and connections that follow it whatever happens."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goim_edu.errors import HandshakeError
from goim_edu.protocol import Endpoint, Side
from goim_edu.transport import Connection, ConnectionState, Engine
from goim_edu.transport.states import CONNECTION_TRANSITIONS, ConnectionStep, IllegalStep
from goim_edu.websocket.close import parse_close
from goim_edu.websocket.decoder import FrameDecoder
from goim_edu.websocket.events import Event
from goim_edu.websocket.frames import Opcode, build_frame
from goim_edu.websocket.handshake import Request
from tests.chatting import KEY, run, upgrade
from tests.transport.test_transport import Pipe, Recorder, congested, feed, masked, plug

CLOSE = build_frame(b"\x03\xe8", Opcode.CLOSE, mask_key=KEY)
BROKEN = b"\xff\xff"

# ---------------------------------------------------------------------- the table


def test_every_state_is_reached_and_leads_to_the_end() -> None:
    reached = {ConnectionState.NEW}
    reached |= {after for steps in CONNECTION_TRANSITIONS.values() for after in steps.values()}
    assert reached == set(ConnectionState) == set(CONNECTION_TRANSITIONS)
    assert {step for steps in CONNECTION_TRANSITIONS.values() for step in steps} == set(
        ConnectionStep
    )
    dead_ends = [state for state, steps in CONNECTION_TRANSITIONS.items() if not steps]
    assert dead_ends == [ConnectionState.CLOSED]


def test_no_state_comes_twice() -> None:
    """Else a handler could be told twice of its end."""

    def walk(state: ConnectionState, before: tuple[ConnectionState, ...]) -> None:
        assert state not in before
        for after in CONNECTION_TRANSITIONS[state].values():
            walk(after, (*before, state))

    walk(ConnectionState.NEW, ())


@pytest.mark.parametrize("state", ConnectionState)
@pytest.mark.parametrize("step", ConnectionStep)
def test_a_step_that_is_not_in_the_table_raises(
    state: ConnectionState, step: ConnectionStep
) -> None:
    async def test() -> None:
        connection, _ = plug(Recorder())
        connection.state = state
        if step in CONNECTION_TRANSITIONS[state]:
            connection._move(step)
            assert connection.state is CONNECTION_TRANSITIONS[state][step]
        else:
            with pytest.raises(IllegalStep, match=state.value):
                connection._move(step)
            assert connection.state is state

    run(test())


# ---------------------------------------------------------------------- one life


def state_of(connection: Connection) -> ConnectionState:
    """A call, since a type checker believes that an attribute stays as it was."""
    return connection.state


class Slow(Recorder):
    """Has answers that come later."""

    def is_busy(self, connection: Connection) -> bool:
        return True


def server_connection(recorder: Recorder) -> tuple[Connection, Pipe]:
    """A connection that waits for a request."""

    def on_request(connection: Connection, request: Request) -> None:
        if request.path == "/no":
            connection.reject(HandshakeError("no", status=403))
        elif request.path == "/mistake":
            raise ZeroDivisionError
        elif request.path != "/later":
            connection.accept(recorder)

    connection = Connection(Engine(), Endpoint(Side.SERVER), Recorder(), on_request=on_request)
    assert state_of(connection) is ConnectionState.NEW
    pipe = Pipe()
    connection.connection_made(pipe)
    assert state_of(connection) is ConnectionState.CONNECTING
    return connection, pipe


def test_a_life_from_the_request_to_the_end() -> None:
    async def test() -> None:
        recorder = Recorder()
        connection, pipe = server_connection(recorder)
        feed(connection, upgrade(80, "/yes"))
        assert state_of(connection) is ConnectionState.OPEN
        connection.close(1001)
        assert state_of(connection) is ConnectionState.CLOSING
        feed(connection, masked("on its way when we said Close"))
        assert state_of(connection) is ConnectionState.CLOSING
        feed(connection, CLOSE)
        assert state_of(connection) is ConnectionState.FINISHING
        assert pipe.closed
        connection.connection_lost(None)
        assert state_of(connection) is ConnectionState.CLOSED
        assert recorder.calls == ["open", "end", "events", "events", "lost"]

    run(test())


@pytest.mark.parametrize(("target", "status"), [("/no", 403), ("/mistake", 500)])
def test_a_refusal_is_the_end(target: str, status: int) -> None:
    async def test() -> None:
        connection, pipe = server_connection(Recorder())
        feed(connection, upgrade(80, target))
        assert state_of(connection) is ConnectionState.FINISHING
        assert b"".join(pipe.written).startswith(
            b"HTTP/1.1 403 " if target == "/no" else b"HTTP/1.1 5"
        )
        assert pipe.closed

    run(test())


def test_a_broken_handshake_is_answered_before_the_end() -> None:
    async def test() -> None:
        connection, pipe = server_connection(Recorder())
        feed(connection, b"\x81\x00")
        assert state_of(connection) is ConnectionState.LINGERING
        assert b"".join(pipe.written).startswith(b"HTTP/1.1 400 ")
        assert pipe.eof

    run(test())


def test_what_came_before_a_close_may_be_answered() -> None:
    async def test() -> None:
        handler = Slow()
        connection, pipe = plug(handler)
        feed(connection, masked("?") + CLOSE)
        assert state_of(connection) is ConnectionState.ENDING
        connection.send("!")
        connection.close(1001)  # it is closing already: nothing happens
        assert state_of(connection) is ConnectionState.ENDING
        connection.finish_ending()
        assert state_of(connection) is ConnectionState.FINISHING
        answer = build_frame("!") + build_frame(b"\x03\xe8", Opcode.CLOSE)
        assert b"".join(pipe.written) == answer
        assert handler.calls == ["events", "end"]

    run(test())


def test_what_a_peer_did_wrong_is_not_forgotten_while_it_is_still_talking() -> None:
    async def test() -> None:
        connection, pipe = plug(Slow())
        feed(connection, masked("?") + BROKEN)
        feed(connection, masked("and on and on"))
        connection.finish_ending()
        assert state_of(connection) is ConnectionState.LINGERING
        assert pipe.eof
        assert connection.error is not None
        assert connection.engine.stats.failed == 1

    run(test())


def test_a_slow_reader_that_is_given_up_while_it_ends_still_gets_its_close() -> None:
    async def test() -> None:
        connection, pipe = congested(Slow(), queue_limit=1000)
        feed(connection, masked("?") + CLOSE)
        connection.write(b"x" * 1001)
        assert state_of(connection) is ConnectionState.FINISHING
        (frame,) = FrameDecoder().feed(b"".join(pipe.written))
        assert parse_close(frame.payload)[0] == 1000

    run(test())


# ---------------------------------------------------------------------- any life


class Moody(Recorder):
    """Does something else at each call."""

    def __init__(self, moods: list[str]) -> None:
        super().__init__()
        self.moods = moods

    def on_events(self, connection: Connection, events: list[Event]) -> None:
        super().on_events(connection, events)
        match self.moods.pop() if self.moods else "":
            case "fail":
                raise ZeroDivisionError
            case "close":
                connection.close(1001)
            case "finish":
                connection.finish_ending()
            case "abort":
                connection.abort()
            case "pause":
                connection.pause_reading()
            case "write":
                connection.write(b"y" * 700)

    def is_busy(self, connection: Connection) -> bool:
        return len(self.moods) % 2 == 1


HAPPENINGS: dict[str, Callable[[Connection], object]] = {
    "request": lambda connection: feed(connection, upgrade(80, "/yes")),
    "later": lambda connection: feed(connection, upgrade(80, "/later")),
    "message": lambda connection: feed(connection, masked("a")),
    "message and close": lambda connection: feed(connection, masked("a") + CLOSE),
    "broken": lambda connection: feed(connection, BROKEN),
    "end of TCP": lambda connection: connection.eof_received(),
    "write": lambda connection: connection.write(b"x" * 600, droppable=True),
    "at once": lambda connection: connection.write_at_once(b"x" * 600),
    "close": lambda connection: connection.close(),
    "finish": lambda connection: connection.finish_ending(),
    "slow": lambda connection: connection.pause_writing(),
    "read": lambda connection: connection.resume_writing(),
    "listen": lambda connection: connection.resume_reading(),
    "much later": lambda connection: connection.on_wake(float("1e12")),
}


@settings(max_examples=300, deadline=None)
@given(
    st.booleans(),
    st.lists(st.sampled_from(sorted(HAPPENINGS)), max_size=12),
    st.lists(st.sampled_from(["", "fail", "close", "finish", "abort", "pause", "write"])),
)
def test_whatever_happens_the_life_follows_the_table(
    already_open: bool, happenings: list[str], moods: list[str]
) -> None:
    async def test() -> None:
        handler = Moody(moods)
        if already_open:
            connection, pipe = plug(handler, engine=Engine(queue_limit=1000))
        else:
            connection, pipe = server_connection(handler)
        for happening in happenings:
            HAPPENINGS[happening](connection)
            connection.flush()
            if handler.calls.count("end"):
                written = len(pipe.written)
                connection.write(b"too late")
                connection.flush()
                assert pipe.written[written:] == []
        connection.connection_lost(None)
        assert state_of(connection) is ConnectionState.CLOSED
        assert connection.queued == pipe.buffered
        if already_open or "open" in handler.calls:
            assert handler.calls.count("end") == 1
            assert handler.calls[-1] == "lost"
            assert handler.calls.count("lost") == 1

    run(test())
