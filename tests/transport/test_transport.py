"""Transport: one write per read, backpressure, deadlines, heartbeat, fairness, the end."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import time
from collections.abc import Callable
from time import monotonic
from typing import Any, cast

import pytest

from goim_edu.client import connect
from goim_edu.errors import LocalProtocolError
from goim_edu.protocol import Endpoint, Side
from goim_edu.serving.echo import Echo
from goim_edu.transport import (
    Connection,
    ConnectionClosed,
    ConnectionState,
    Engine,
    Handler,
    TimerWheel,
    WebSocket,
)
from goim_edu.transport.slow_reader import PORTION
from goim_edu.websocket.close import parse_close
from goim_edu.websocket.decoder import FrameDecoder
from goim_edu.websocket.events import Event
from goim_edu.websocket.frames import Opcode, build_frame
from goim_edu.websocket.heartbeat import Heartbeat
from tests.chatting import KEY, Link, RawClient, run, running_server, until, upgrade


def masked(text: str) -> bytes:
    return build_frame(text, mask_key=KEY)


class Pipe(asyncio.Transport):
    """A transport whose other end is this test: it takes everything, or nothing."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 4711)})
        self.written: list[bytes] = []
        self.full = False
        self.buffered = 0
        self.listening = True
        self.closed = self.aborted = self.eof = False

    def write(self, data: bytes | bytearray | memoryview) -> None:  # type: ignore[override,unused-ignore]
        self.written.append(bytes(data))
        if self.full:
            self.buffered += len(data)

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        self.listening = False

    def resume_reading(self) -> None:
        self.listening = True

    def is_reading(self) -> bool:
        return self.listening

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.eof = True


class Recorder(Handler):
    """Remembers how it was called back."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.events: list[Event] = []

    def on_open(self, connection: Connection) -> None:
        self.calls.append("open")

    def on_events(self, connection: Connection, events: list[Event]) -> None:
        self.calls.append("events")
        self.events += events

    def on_deadline(self, connection: Connection) -> None:
        self.calls.append("deadline")

    def on_end(self, connection: Connection) -> None:
        self.calls.append("end")

    def on_lost(self, connection: Connection) -> None:
        self.calls.append("lost")

    def on_drained(self, connection: Connection) -> None:
        self.calls.append("drained")


def plug(
    handler: Handler, *, engine: Engine | None = None, heartbeat: Heartbeat | None = None
) -> tuple[Connection, Pipe]:
    """An open connection on a pipe."""
    endpoint = Endpoint(Side.SERVER, already_open=True)
    connection = Connection(engine or Engine(), endpoint, handler, heartbeat=heartbeat)
    pipe = Pipe()
    connection.connection_made(pipe)
    connection.set_deadline(float("inf"))
    return connection, pipe


def feed(connection: Connection, data: bytes) -> None:
    """Octets come in, as asyncio hands them over."""
    while data:
        buffer = connection.get_buffer(-1)
        size = min(len(buffer), len(data))
        buffer[:size] = data[:size]
        connection.buffer_updated(size)
        data = data[size:]


# ---------------------------------------------------------------------- writing


def test_all_answers_to_one_read_go_out_in_one_write() -> None:
    async def test() -> None:
        connection, pipe = plug(Echo())
        ping = build_frame(b"?", Opcode.PING, mask_key=KEY)
        feed(connection, masked("a") + ping + masked("b") + masked("c"))
        (written,) = pipe.written
        frames = FrameDecoder(masked=False).feed(written)
        assert sorted(frame.payload for frame in frames) == [b"?", b"a", b"b", b"c"]
        assert frames[-1].opcode is Opcode.TEXT or frames[-1].opcode is Opcode.PONG

    run(test())


def test_an_echo_says_nothing_after_our_close(caplog: pytest.LogCaptureFixture) -> None:
    """What a peer still sends, before it has read our Close, must not cost us more than before."""

    async def test() -> None:
        connection, pipe = plug(Echo())
        connection.close(1013)
        feed(connection, masked("a") * 3)
        feed(connection, masked("b") + build_frame(b"\x03\xf5", Opcode.CLOSE, mask_key=KEY))
        await asyncio.sleep(0)
        assert pipe.written == [build_frame(b"\x03\xf5", Opcode.CLOSE)]
        assert pipe.closed

    run(test())
    assert not caplog.records  # no handler failed


def test_all_that_is_written_in_one_turn_goes_out_in_one_write() -> None:
    async def test() -> None:
        connection, pipe = plug(Recorder())
        for number in range(5):
            connection.send(str(number))
        assert pipe.written == []
        await asyncio.sleep(0)
        assert pipe.written == [b"".join(build_frame(str(n)) for n in range(5))]
        connection.send("next")
        await asyncio.sleep(0)
        assert len(pipe.written) == 2

    run(test())


def test_what_is_due_at_the_end_of_a_turn_is_in_its_write() -> None:
    async def test() -> None:
        engine = Engine()
        connection, pipe = plug(Recorder(), engine=engine)
        engine.at_end_of_turn(lambda: connection.send("late"))
        connection.send("early")
        await asyncio.sleep(0)
        assert pipe.written == [build_frame("early") + build_frame("late")]

    run(test())


def test_what_becomes_due_at_the_end_of_a_turn_is_not_forgotten() -> None:
    async def test() -> None:
        engine = Engine()
        connection, pipe = plug(Recorder(), engine=engine)
        engine.at_end_of_turn(lambda: engine.at_end_of_turn(lambda: connection.send("second")))
        await asyncio.sleep(0)
        assert pipe.written == [build_frame("second")]

    run(test())


def test_nothing_is_written_after_the_end() -> None:
    async def test() -> None:
        connection, pipe = plug(Recorder())
        connection.close(1000)
        connection.write(build_frame("too late"))
        await asyncio.sleep(0)
        assert pipe.written == [build_frame(b"\x03\xe8", Opcode.CLOSE)]
        with pytest.raises(LocalProtocolError):
            connection.send("too late")

    run(test())


def test_a_mistake_of_the_handler_costs_one_connection_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Clumsy(Handler):
        def on_events(self, connection: Connection, events: list[Event]) -> None:
            raise ZeroDivisionError("oops")

    async def test() -> None:
        connection, pipe = plug(Clumsy())
        feed(connection, masked("a"))
        (frame,) = FrameDecoder().feed(b"".join(pipe.written))
        assert parse_close(frame.payload) == (1011, "internal error")

    with caplog.at_level(logging.ERROR):
        run(test())
    assert "oops" in caplog.text


# ---------------------------------------------------------------------- slow readers


def congested(handler: Handler, queue_limit: int = 1000) -> tuple[Connection, Pipe]:
    """A connection whose peer has stopped to read."""
    connection, pipe = plug(handler, engine=Engine(queue_limit=queue_limit))
    pipe.full = True
    connection.pause_writing()
    return connection, pipe


def test_who_does_not_read_is_not_read_from_either() -> None:
    async def test() -> None:
        recorder = Recorder()
        connection, pipe = congested(recorder)
        assert is_held_back(connection)
        assert not pipe.is_reading()
        connection.write(b"a" * 10)
        connection.write(b"b" * 10)
        assert pipe.written == []
        assert connection.queued == 20
        pipe.full = False
        connection.resume_writing()
        assert pipe.written == [b"a" * 10 + b"b" * 10]
        assert pipe.is_reading()
        assert connection.queued == 0
        assert recorder.calls == ["drained"]

    run(test())


def test_past_its_bound_a_slow_reader_is_closed_with_1013() -> None:
    async def test() -> None:
        recorder = Recorder()
        connection, pipe = congested(recorder, queue_limit=1000)
        for _ in range(10):
            connection.write(b"x" * 100)
        assert connection.queued == 1000
        assert recorder.calls == []
        connection.write(b"x")
        (frame,) = FrameDecoder().feed(b"".join(pipe.written))
        assert parse_close(frame.payload)[0] == 1013
        assert recorder.calls == ["end"]
        assert connection.engine.stats.slow_closed == 1
        assert connection.queued == len(pipe.written[0])

    run(test())


def test_what_may_be_dropped_is_dropped_first_and_the_oldest_of_it() -> None:
    async def test() -> None:
        recorder = Recorder()
        connection, pipe = congested(recorder, queue_limit=1000)
        connection.write(b"1" * 400, droppable=True)
        connection.write(b"2" * 400)
        connection.write(b"3" * 200, droppable=True)
        connection.write(b"4" * 300)
        assert connection.engine.stats.dropped == 1
        assert recorder.calls == []
        pipe.full = False
        connection.resume_writing()
        assert b"".join(pipe.written) == b"2" * 400 + b"3" * 200 + b"4" * 300

    run(test())


def is_held_back(connection: Connection) -> bool:
    return connection.congested


def test_what_waits_goes_out_in_portions() -> None:
    async def test() -> None:
        connection, pipe = congested(Recorder(), queue_limit=1 << 20)
        for _ in range(10):
            connection.write(b"x" * 30_000)
        connection.resume_writing()  # the socket is still full: one portion, no more
        assert [len(piece) for piece in pipe.written] == [90_000]
        assert is_held_back(connection)
        pipe.buffered, pipe.full = 0, False
        connection.resume_writing()
        assert sum(map(len, pipe.written)) == 300_000
        assert not is_held_back(connection)

    run(test())


def test_a_close_waits_behind_what_the_peer_has_not_read() -> None:
    async def test() -> None:
        connection, pipe = congested(Recorder())
        connection.write(b"message")
        close = build_frame(b"\x03\xe8", Opcode.CLOSE, mask_key=KEY)
        feed(connection, close)
        assert pipe.written == []
        assert not pipe.closed
        pipe.full = False
        connection.resume_writing()
        assert b"".join(pipe.written) == b"message" + build_frame(b"\x03\xe8", Opcode.CLOSE)
        assert pipe.closed

    run(test())


def test_a_real_slow_reader_harms_nobody() -> None:
    """It stops to read while messages of 32 KiB are echoed to it; its memory here is bounded."""

    async def test() -> None:
        async with running_server(queue_limit=200_000) as server:
            slow = await RawClient.come(server.port)
            cast("asyncio.Transport", slow.writer.transport).pause_reading()
            (handler,) = server._connections
            big = masked("x" * 32_768)
            for _ in range(2000):
                slow.send(big)
                if handler.congested:
                    break
                await asyncio.sleep(0)
            await until(lambda: handler.congested)
            assert handler.queued < 500_000
            quick = await RawClient.come(server.port)
            quick.send_text("hi")
            assert await quick.read(4) == build_frame("hi")
            slow.reset()
            quick.go()

    run(test())


def test_a_write_error_ends_the_connection_once_and_without_a_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """asyncio has a line for each write after the fifth: "socket.send() raised exception."."""

    async def test() -> None:
        recorder = Recorder()
        ours, theirs = socket.socketpair()
        endpoint = Endpoint(Side.SERVER, already_open=True)
        connection = Connection(Engine(), endpoint, recorder)
        await asyncio.get_running_loop().create_connection(lambda: connection, sock=ours)
        theirs.close()
        for _ in range(20):
            assert connection.write_at_once(b"x")
        assert recorder.calls == []
        assert connection.transport.is_closing()
        await until(lambda: "lost" in recorder.calls)
        assert recorder.calls == ["events", "end", "lost"]

    run(test())
    assert caplog.records == []


def test_there_is_room_while_the_peer_keeps_up() -> None:
    async def test() -> None:
        connection, pipe = plug(Recorder())
        has_room = [connection.has_room]
        connection.write(b"x" * PORTION)
        has_room.append(connection.has_room)
        connection.flush()
        has_room.append(connection.has_room)
        pipe.full = True
        connection.pause_writing()
        has_room.append(connection.has_room)
        assert has_room == [True, False, True, False]

    run(test())


# ---------------------------------------------------------------------- deadlines


@pytest.mark.parametrize("drip", [False, True], ids=["silent", "slow drip"])
def test_an_opening_that_takes_too_long_is_cut_off(drip: bool) -> None:
    async def test() -> None:
        async with running_server(open_timeout=0.3) as server:
            begin = monotonic()
            client = await RawClient.come(server.port, None)
            request = upgrade(server.port, "/echo")

            async def talk() -> None:
                for octet in request:
                    client.send(bytes([octet]))
                    await asyncio.sleep(0.02)

            task = asyncio.create_task(talk()) if drip else None
            assert await client.read_all() == b""
            assert 0.25 < monotonic() - begin < 2
            if task is not None:
                task.cancel()
            client.go()
            assert server.engine.stats.timed_out == 1
            await until(lambda: not server._connections)

    run(test())


@pytest.mark.parametrize("keep_talking", [False, True])
def test_a_close_that_is_not_answered_ends_at_its_deadline(keep_talking: bool) -> None:
    async def close_soon(ws: WebSocket) -> None:
        await ws.recv()
        await ws.close(1000, "bye")

    async def test() -> None:
        async with running_server(close_timeout=0.3) as server:
            server.routes["/bye"] = close_soon
            client = await RawClient.come(server.port, "/bye")
            client.send_text("go")
            begin = monotonic()

            async def talk() -> None:
                while True:
                    client.send_text("still here")
                    await asyncio.sleep(0.02)

            task = asyncio.create_task(talk()) if keep_talking else None
            data = await client.read_all()
            assert data == build_frame(b"\x03\xe8bye", Opcode.CLOSE)
            assert 0.25 < monotonic() - begin < 2
            if task is not None:
                task.cancel()
            client.go()

    run(test())


def test_the_peer_learns_what_it_did_wrong_though_it_is_still_talking() -> None:
    """Closing a socket with unread octets sends a reset, which can eat our Close."""

    async def test() -> None:
        async with running_server(max_message_size=1000) as server:
            client = await RawClient.come(server.port)
            client.send(masked("x" * 200_000))
            for _ in range(20):
                client.send(b"x" * 65_536)
            data = await client.read_all()
            (frame,) = FrameDecoder().feed(data)
            assert parse_close(frame.payload)[0] == 1009
            client.go()
            await until(lambda: not server._connections)

    run(test())


def test_a_handler_may_have_a_deadline() -> None:
    async def test() -> None:
        recorder = Recorder()
        connection, _ = plug(recorder, engine=Engine(granularity=0.01))
        connection.set_deadline(monotonic() + 0.05)
        await until(lambda: recorder.calls)
        assert recorder.calls == ["deadline"]
        connection.set_deadline(monotonic() + 0.02)
        connection.set_deadline(float("inf"))
        await asyncio.sleep(0.1)
        assert recorder.calls == ["deadline"]

    run(test())


# ---------------------------------------------------------------------- heartbeat


def test_round_trips_are_measured() -> None:
    async def test() -> None:
        async with running_server(heartbeat_interval=0.05, heartbeat_timeout=1) as server:
            ws = await connect(f"{server.base_url}/echo", heartbeat_interval=0)
            await until(lambda: server.connections()[0].latency is not None)
            assert 0 < (server.connections()[0].latency or 0) < 1
            assert ws.latency is None

    run(test())


def test_a_half_open_connection_is_gone_within_interval_and_timeout() -> None:
    async def test() -> None:
        async with (
            running_server(heartbeat_interval=0.3, heartbeat_timeout=0.3) as server,
            Link(server.port) as link,
        ):
            ws = await connect(f"ws://127.0.0.1:{link.port}/echo", heartbeat_interval=0)
            await ws.send("hello")
            assert await ws.recv() == "hello"
            link.silent = True
            begin = monotonic()
            await until(lambda: not server._connections)
            assert monotonic() - begin < 10  # interval and timeout; TCP alone would take minutes
            assert server.engine.stats.silent_closed == 1
            ws.connection.abort()

    run(test())


def test_any_octet_is_a_sign_of_life() -> None:
    """This peer answers no ping, but it talks."""

    async def test() -> None:
        async with running_server(heartbeat_interval=0.1, heartbeat_timeout=0.15) as server:
            client = await RawClient.come(server.port)
            begin = monotonic()
            while monotonic() - begin < 0.8:
                client.send_text("x")
                await asyncio.sleep(0.03)
            assert len(server._connections) == 1
            await until(lambda: not server._connections)  # and now it does not
            client.go()

    run(test())


def test_the_peer_is_not_blamed_for_our_own_loop_being_late() -> None:
    async def test() -> None:
        async with running_server(heartbeat_interval=0.1, heartbeat_timeout=0.2) as server:
            ws = await connect(f"{server.base_url}/echo", heartbeat_interval=0)
            await until(lambda: server.connections()[0].latency is not None)
            # Wait for a ping to be on its way, then block the loop that would read the pong.
            (connection,) = server._connections
            heartbeat = cast("Heartbeat", connection.heartbeat)
            await until(lambda: heartbeat.outstanding)
            time.sleep(0.6)  # noqa: ASYNC251 - blocking the loop is the point
            await asyncio.sleep(0.3)
            assert len(server._connections) == 1
            assert await ws.ping() < 1

    run(test())


def test_a_slow_reader_that_reads_on_is_no_dead_one() -> None:
    async def test() -> None:
        engine = Engine(granularity=0.01, queue_limit=1 << 30)
        heartbeat = Heartbeat(0.1, 0.1)
        connection, pipe = plug(Recorder(), engine=engine, heartbeat=heartbeat)
        engine.wheel.wake(connection, heartbeat.next_event_at(monotonic()))
        pipe.full, pipe.buffered = True, 100_000
        connection.pause_writing()
        for _ in range(30):
            await asyncio.sleep(0.02)
            pipe.buffered -= 1000
        assert not pipe.aborted
        await until(lambda: pipe.aborted)  # it has stopped

    run(test())


def test_who_is_not_listened_to_is_not_called_silent() -> None:
    """A handler that takes its time keeps us from reading: the peer's pongs wait in the socket."""

    async def slow(ws: WebSocket) -> None:
        await asyncio.sleep(0.6)
        async for message in ws:
            await ws.send(message)

    async def test() -> None:
        async with running_server(heartbeat_interval=0.1, heartbeat_timeout=0.1) as server:
            server.routes["/slow"] = slow
            ws = await connect(f"{server.base_url}/slow", heartbeat_interval=0)
            for number in range(200):
                await ws.send(str(number))
            assert [await ws.recv() for _ in range(200)] == [str(n) for n in range(200)]

    run(test())


# ---------------------------------------------------------------------- fairness


def test_reads_grow_while_they_are_cheap_and_shrink_when_they_cost() -> None:
    async def test() -> None:
        connection, pipe = plug(Recorder())
        sizes = []
        for _ in range(5):
            sizes.append(len(connection.get_buffer(-1)))
            connection._pace(sizes[-1], 0.00001)
        assert sizes == [4096, 16384, 65536, 262144, 262144]
        assert pipe.is_reading()
        sizes.clear()
        for _ in range(5):
            sizes.append(len(connection.get_buffer(-1)))
            connection._pace(sizes[-1], 0.01)
            assert not pipe.is_reading()  # until its turn comes
            await asyncio.sleep(0)
            assert pipe.is_reading()
        assert sizes == [262144, 4096, 1024, 256, 256]
        connection._pace(100, 0.00001)  # cheap, but not full: no reason to read more at once
        assert len(connection.get_buffer(-1)) == 256
        assert connection.engine.stats.costly_reads == 5

    run(test())


def test_a_read_that_only_waited_for_others_makes_no_read_smaller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wall, cpu = itertools.count(), itertools.count(step=1e-6)  # seconds go by, we hardly run
    monkeypatch.setattr("goim_edu.transport.stream.monotonic", lambda: next(wall))
    monkeypatch.setattr("goim_edu.transport.stream.thread_time", lambda: next(cpu))

    async def test() -> None:
        connection, _ = plug(Recorder())
        for _ in range(5):
            feed(connection, masked("x" * 2000))
            assert len(connection.get_buffer(-1)) == 4096
            await asyncio.sleep(0)  # its turn
        assert connection.engine.stats.costly_reads == 3  # each other one was measured better

    run(test())


def test_of_those_that_cost_much_one_is_read_per_turn() -> None:
    async def test() -> None:
        engine = Engine()
        pipes = []
        for _ in range(3):
            connection, pipe = plug(Recorder(), engine=engine)
            connection._pace(100, 1.0)
            pipes.append(pipe)
        assert [pipe.is_reading() for pipe in pipes] == [False, False, False]
        seen = []
        for _ in range(3):
            await asyncio.sleep(0)
            seen.append(sum(pipe.is_reading() for pipe in pipes))
        assert seen == [1, 2, 3]

    run(test())


# ---------------------------------------------------------------------- the wheel


class Sleeper:
    """All that the wheel asks of a connection."""

    def __init__(self) -> None:
        self.slot = 0
        self.woken: list[float] = []

    def on_wake(self, now: float) -> None:
        self.woken.append(now)


def on_wheel(test: Callable[[TimerWheel], Any]) -> None:
    async def inside() -> None:
        await test(TimerWheel(asyncio.get_running_loop(), 0.01))

    run(inside())


def test_the_wheel_wakes_in_time_and_never_early() -> None:
    async def test(wheel: TimerWheel) -> None:
        begin = monotonic()
        sleepers = [Sleeper() for _ in range(20)]
        for number, sleeper in enumerate(sleepers):
            wheel.wake(sleeper, begin + 0.01 * number)
        await until(lambda: all(sleeper.woken for sleeper in sleepers))
        for number, sleeper in enumerate(sleepers):
            (woken,) = sleeper.woken
            assert woken >= begin + 0.01 * number
        assert sleepers[-1].woken[0] < begin + 1

    on_wheel(test)


def test_the_wheel_keeps_the_earliest_time_only() -> None:
    async def test(wheel: TimerWheel) -> None:
        begin = monotonic()
        sleeper = Sleeper()
        one = sleeper
        wheel.wake(one, begin + 5)
        wheel.wake(one, begin + 0.02)
        wheel.wake(one, begin + 9)
        await until(lambda: sleeper.woken)
        await asyncio.sleep(0.05)
        assert len(sleeper.woken) == 1

    on_wheel(test)


def test_the_wheel_forgets() -> None:
    async def test(wheel: TimerWheel) -> None:
        sleeper = Sleeper()
        wheel.wake(sleeper, monotonic() + 0.02)
        wheel.forget(sleeper)
        await asyncio.sleep(0.1)
        assert sleeper.woken == []
        wheel.wake(sleeper, monotonic() + 0.02)
        wheel.stop()
        await asyncio.sleep(0.1)
        assert sleeper.woken == []

    on_wheel(test)


# ---------------------------------------------------------------------- tap, end, friendly face


def test_the_tap_sees_every_octet_once() -> None:
    async def test() -> None:
        records: list[tuple[str, float, bytes]] = []
        async with running_server() as server:
            server.tap = lambda connection: lambda *record: records.append(record)
            client = await RawClient.come(server.port)
            client.send_text("Hello")
            assert await client.read(7) == build_frame("Hello")
            client.go()
            await until(lambda: not server._connections)
            port = server.port
        incoming = b"".join(data for direction, _, data in records if direction == "in")
        outgoing = b"".join(data for direction, _, data in records if direction == "out")
        assert incoming == upgrade(port, "/echo") + masked("Hello")
        assert outgoing.endswith(b"\r\n\r\n" + build_frame("Hello"))
        times = [time for _, time, _ in records]
        assert times == sorted(times)

    run(test())


def test_handlers_hear_of_the_end_once() -> None:
    async def test() -> None:
        recorder = Recorder()
        connection, pipe = plug(recorder)
        feed(connection, masked("a") + build_frame(b"\x03\xe8", Opcode.CLOSE, mask_key=KEY))
        assert recorder.calls == ["events", "end"]
        assert pipe.closed
        connection.connection_lost(None)
        assert recorder.calls == ["events", "end", "lost"]
        assert connection.state is ConnectionState.CLOSED

    run(test())


def test_a_connection_that_just_ends() -> None:
    async def test() -> None:
        recorder = Recorder()
        connection, _ = plug(recorder)
        connection.connection_lost(ConnectionResetError())
        assert recorder.calls[-2:] == ["end", "lost"]
        assert connection.close_code == 1006

    run(test())


def test_a_task_may_answer_what_came_before_the_close() -> None:
    """Messages and Close in one segment: the handler, slow as it is, answers all of them first."""

    async def shout(ws: WebSocket) -> None:
        async for message in ws:
            await asyncio.sleep(0.01)
            await ws.send(str(message).upper())

    async def test() -> None:
        async with running_server() as server:
            server.routes["/shout"] = shout
            client = await RawClient.come(server.port, "/shout")
            close = build_frame(b"\x03\xe8", Opcode.CLOSE, mask_key=KEY)
            client.send(masked("a") + masked("b") + close)
            data = await client.read_all()
            client.go()
            assert data == build_frame("A") + build_frame("B") + build_frame(
                b"\x03\xe8", Opcode.CLOSE
            )

    run(test())


def test_a_task_that_never_answers_does_not_hold_up_the_close() -> None:
    async def sleep(ws: WebSocket) -> None:
        await ws.recv()
        await asyncio.sleep(60)

    async def test() -> None:
        async with running_server(close_timeout=0.2, drain_timeout=1) as server:
            server.routes["/sleep"] = sleep
            client = await RawClient.come(server.port, "/sleep")
            begin = monotonic()
            client.send(masked("a") + build_frame(b"\x03\xe8", Opcode.CLOSE, mask_key=KEY))
            data = await client.read_all()
            client.go()
            assert data == build_frame(b"\x03\xe8", Opcode.CLOSE)
            assert monotonic() - begin < 2

    run(test())


def test_the_friendly_face_reads_no_more_when_nobody_receives() -> None:
    async def test() -> None:
        ws = WebSocket(max_waiting=3)
        connection, pipe = plug(ws)
        ws.on_open(connection)
        feed(connection, masked("a") * 4)
        assert not pipe.is_reading()
        assert [await ws.recv() for _ in range(2)] == ["a", "a"]
        assert not pipe.is_reading()
        await ws.recv()
        assert pipe.is_reading()

    run(test())


def test_the_friendly_face_says_how_it_ended() -> None:
    async def test() -> None:
        ws = WebSocket()
        connection, pipe = plug(ws)
        ws.on_open(connection)
        feed(connection, masked("last") + build_frame(b"\x03\xf3oops", Opcode.CLOSE, mask_key=KEY))
        assert await ws.recv() == "last"
        with pytest.raises(ConnectionClosed) as closed:
            await ws.recv()
        assert (closed.value.code, closed.value.reason) == (1011, "oops")
        with pytest.raises(ConnectionClosed):
            await ws.send("too late")
        with pytest.raises(ConnectionClosed):
            await ws.ping()
        assert pipe.closed

    run(test())
