"""What a peer may make us keep and do: half messages, memory, control frames, and rests."""

from __future__ import annotations

from typing import Any

import pytest

from goim_edu.serving.echo import Echo
from goim_edu.transport import Connection, ConnectionState, Engine
from goim_edu.transport.budget import Memory
from goim_edu.transport.pace import LONGEST_REST, Allowance
from goim_edu.websocket.close import parse_close
from goim_edu.websocket.decoder import FrameDecoder
from goim_edu.websocket.frames import Frame, Opcode, build_frame
from tests.chatting import KEY, run, until
from tests.transport.test_transport import Pipe, Recorder, feed, masked, plug

TIMEOUT = 60.0
PING = build_frame(b"", Opcode.PING, mask_key=KEY)
PONG = build_frame(b"", Opcode.PONG, mask_key=KEY)
HALVES = {
    "one octet": b"\x81",
    "a header": masked("x" * 1000)[:4],
    "half a frame": masked("x" * 1000)[:600],
    "fragments": build_frame("x" * 600, fin=False, mask_key=KEY),
    "an empty fragment": build_frame("", fin=False, mask_key=KEY),
}


def engine(**settings: Any) -> Engine:
    return Engine(**{"message_timeout": TIMEOUT} | settings)


def close_code(pipe: Pipe) -> int | None:
    """The code of the Close that was written last; None if none was."""
    frames: list[Frame] = FrameDecoder().feed(b"".join(pipe.written))
    return parse_close(frames[-1].payload)[0] if frames[-1:] and frames[-1].opcode == 8 else None


class Clock:
    """The time of the transport, which moves only when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        for name in ("transport.connection", "transport.stream", "transport.watched_stream"):
            monkeypatch.setattr(f"goim_edu.{name}.monotonic", lambda: self.now)
        for name in ("serving.echo.monotonic", "transport.stream.thread_time"):
            monkeypatch.setattr(f"goim_edu.{name}", lambda: self.now)

    def pass_by(self, connection: Connection, seconds: float) -> None:
        self.now += seconds
        connection.on_wake(self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


# ---------------------------------------------------------------------- half messages


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
def test_half_a_message_has_a_deadline(half: bytes, clock: Clock) -> None:
    async def test() -> None:
        connection, pipe = plug(Recorder(), engine=engine())
        feed(connection, masked("whole") + half)
        clock.pass_by(connection, TIMEOUT - 1)
        assert connection.state is ConnectionState.OPEN
        clock.pass_by(connection, 2)
        assert close_code(pipe) == 1013
        assert connection.engine.stats.half_messages == 1
        assert connection.engine.memory.total == 0

    run(test())


def test_the_deadline_is_set_although_nothing_more_comes() -> None:
    async def test() -> None:
        shared = engine(granularity=0.001, message_timeout=0.001)
        connection, _ = plug(Recorder(), engine=shared)
        feed(connection, masked("half")[:-1])
        await until(lambda: shared.stats.half_messages == 1)  # the wheel has woken it

    run(test())


def test_octets_now_and_then_do_not_help(clock: Clock) -> None:
    """A second for each 8 KiB: one octet a second is not enough, however long it goes on."""

    async def test() -> None:
        connection, pipe = plug(Recorder(), engine=engine())
        message = masked("x" * 1000)
        for octet in message[: int(TIMEOUT)]:
            feed(connection, bytes([octet]))
            clock.pass_by(connection, 1.01)
        assert close_code(pipe) == 1013

    run(test())


def test_a_large_message_on_a_slow_line_arrives(clock: Clock) -> None:
    async def test() -> None:
        recorder = Recorder()
        connection, _ = plug(recorder, engine=engine())
        message = masked("x" * 1_000_000)
        for start in range(0, len(message), 10_000):  # 10 kB a second
            feed(connection, message[start : start + 10_000])
            clock.pass_by(connection, 1)
        assert len(recorder.events) == 1
        assert connection.kept == 0

    run(test())


def test_each_message_has_a_time_of_its_own(clock: Clock) -> None:
    """Reads that always end within a message are no half message that goes on for ever."""

    async def test() -> None:
        connection, _ = plug(Recorder(), engine=engine())
        message = masked("x" * 1000)
        feed(connection, message[:500])
        for _ in range(100):
            feed(connection, message[500:] + message[:500])
            clock.pass_by(connection, TIMEOUT / 2)
        assert connection.state is ConnectionState.OPEN

    run(test())


def test_what_we_do_not_read_is_not_late(clock: Clock) -> None:
    async def test() -> None:
        connection, _ = plug(Recorder(), engine=engine())
        feed(connection, masked("half")[:-1])
        connection.pause_reading()
        for _ in range(5):
            clock.pass_by(connection, TIMEOUT)
        assert connection.state is ConnectionState.OPEN

    run(test())


# ---------------------------------------------------------------------- memory


def test_past_the_limit_the_largest_half_message_goes_first() -> None:
    async def test() -> None:
        shared = engine(memory_limit=100_000)
        plugged = [plug(Recorder(), engine=shared) for _ in range(4)]
        for (connection, _), size in zip(plugged, (10_000, 50_000, 20_000, 30_000), strict=True):
            feed(connection, masked("x" * 60_000)[:size])
        assert [close_code(pipe) for _, pipe in plugged] == [None, 1013, None, None]
        assert shared.stats.gave_way == 1
        assert 60_000 <= shared.memory.total == sum(one.kept for one, _ in plugged) < 61_000
        for connection, _ in plugged:
            connection.connection_lost(None)
        assert shared.memory.total == 0

    run(test())


def test_slow_readers_are_in_the_same_budget() -> None:
    async def test() -> None:
        shared = engine(memory_limit=100_000)
        (half, half_pipe), (slow, slow_pipe) = (plug(Recorder(), engine=shared) for _ in range(2))
        slow_pipe.full = True
        slow.pause_writing()
        feed(half, masked("x" * 60_000)[:40_000])
        for _ in range(7):
            slow.write(build_frame("x" * 10_000))
        assert (close_code(half_pipe), close_code(slow_pipe)) == (None, 1013)
        assert shared.memory.total == half.kept < 41_000

    run(test())


def test_a_message_that_is_whole_or_read_is_not_counted() -> None:
    async def test() -> None:
        shared = engine(memory_limit=1_000_000)
        connection, pipe = plug(Recorder(), engine=shared)
        feed(connection, masked("x" * 60_000)[:-1])
        assert 59_000 < shared.memory.total < 70_000
        feed(connection, masked("x" * 60_000)[-1:])
        assert shared.memory.total == 0
        pipe.full = True
        connection.pause_writing()
        connection.write(b"x" * 1000)
        assert shared.memory.total == 1000
        pipe.full = False
        connection.resume_writing()
        assert shared.memory.total == 0

    run(test())


def test_what_inflates_is_counted_as_it_is_kept() -> None:
    from goim_edu.protocol import DeflateConfig, Endpoint, Side

    async def test() -> None:
        server = Endpoint(Side.SERVER, compression=DeflateConfig())
        client = Endpoint(Side.CLIENT, compression=DeflateConfig())
        server.receive_data(client.connect("example.com"))
        client.receive_data(server.accept())
        server.receive_data(client.send_text("x" * 100_000, fin=False))
        assert server.reader is not None
        assert 90_000 < server.reader.kept < 110_000

    run(test())


def test_giving_way_is_not_done_twice_for_one_excess() -> None:
    """A keeper that gives way has others looked at no more; the rest has to fill up again."""

    class Stubborn:
        kept = 0

        def __init__(self) -> None:
            self.asked = 0

        def give_way(self) -> None:
            self.asked += 1
            memory.account(self, self.kept - 1)  # it still has nearly all

    memory = Memory(10)
    keepers = [Stubborn() for _ in range(3)]
    for keeper in keepers:
        memory.account(keeper, 5)
    assert [one.asked for one in keepers] == [1, 1, 1]
    assert memory.total == 12


# ---------------------------------------------------------------------- allowances


def test_an_allowance_is_for_the_long_run_and_at_once() -> None:
    allowance = Allowance(rate=10, burst=50, now=100.0)
    assert allowance.spend(50, now=100.0) == 0
    assert allowance.spend(10, now=100.0) == pytest.approx(1)
    assert allowance.spend(0, now=101.0) == 0
    assert allowance.spend(50, now=1000.0) == 0
    assert allowance.spend(10**9, now=1000.0) == LONGEST_REST
    assert allowance.spend(0, now=1000.0 + LONGEST_REST) == 0


@pytest.mark.parametrize("frame", [PING, PONG], ids=["ping", "pong"])
def test_too_many_control_frames_are_read_later(frame: bytes, clock: Clock) -> None:
    async def test() -> None:
        recorder = Recorder()
        connection, pipe = plug(recorder, engine=engine(control_rate=100))
        feed(connection, frame * 500)
        assert pipe.is_reading()
        feed(connection, frame * 50)
        assert not pipe.is_reading()
        assert connection.engine.stats.rests == 1
        clock.pass_by(connection, 0.3)
        assert not pipe.is_reading()
        clock.pass_by(connection, 0.3)
        assert pipe.is_reading()
        assert connection.state is ConnectionState.OPEN

    run(test())


def test_a_rest_ends_when_we_close(clock: Clock) -> None:
    """Else the peer's Close would not be seen."""

    async def test() -> None:
        connection, pipe = plug(Recorder(), engine=engine(control_rate=100))
        feed(connection, PING * 700)
        assert not pipe.is_reading()
        connection.close()
        assert pipe.is_reading()
        feed(connection, build_frame(b"\x03\xe8", Opcode.CLOSE, mask_key=KEY))
        assert pipe.closed

    run(test())


def test_messages_are_no_control_frames(clock: Clock) -> None:
    async def test() -> None:
        connection, pipe = plug(Recorder(), engine=engine(control_rate=1))
        feed(connection, (masked("x") + build_frame("y", fin=False, mask_key=KEY)) * 1)
        feed(connection, build_frame("", Opcode.CONTINUATION, fin=False, mask_key=KEY) * 1000)
        feed(connection, build_frame("", Opcode.CONTINUATION, mask_key=KEY) + masked("x") * 1000)
        assert pipe.is_reading()

    run(test())


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_the_echo_counts_octets_and_messages(size: int, clock: Clock) -> None:
    async def test() -> None:
        rate = 1_000_000
        connection, pipe = plug(Echo(rate), engine=engine())
        enough = 4 * rate // (size + 1024)
        for _ in range(enough):
            feed(connection, masked("x" * size))
        assert pipe.is_reading()
        for _ in range(enough):
            if pipe.is_reading():
                feed(connection, masked("x" * size))
        assert not pipe.is_reading()
        clock.pass_by(connection, LONGEST_REST + 0.1)
        assert pipe.is_reading()
        assert len(b"".join(pipe.written)) >= enough * size

    run(test())
