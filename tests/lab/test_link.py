"""The faulty link: each fault is real, on real sockets, and what it does is seen from outside."""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import websockets.sync.client
from websockets.exceptions import ConnectionClosedError

from goim_edu.lab import Link, LiveServer

BOUND = 20.0  # seconds that anything here may take at most


@pytest.fixture(scope="module")
def live() -> Iterator[LiveServer]:
    with LiveServer(
        "memory", name="link tests", heartbeat_interval=0.1, heartbeat_timeout=0.5
    ) as server:
        yield server


def until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + BOUND
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen within {BOUND:g} s"
        time.sleep(0.005)


def through(link: Link, live: LiveServer) -> websockets.sync.client.ClientConnection:
    return websockets.sync.client.connect(
        link.through(live.echo_url), open_timeout=BOUND, close_timeout=0.5, ping_interval=None
    )


def echo(client: websockets.sync.client.ClientConnection, text: str) -> float:
    """Seconds of one round trip."""
    began = time.monotonic()
    client.send(text)
    assert client.recv(timeout=BOUND) == text
    return time.monotonic() - began


def test_a_link_without_faults_carries_everything(live: LiveServer) -> None:
    with Link(live) as link, through(link, live) as client:
        text = "x" * 300_000
        echo(client, text)
        assert link.passed["in"] > len(text)
        assert link.passed["out"] > len(text)
        assert link.connections == 1
        assert repr(link) == "<Link: no faults>"


def test_delay_is_paid_both_ways(live: LiveServer) -> None:
    with Link(live) as link, through(link, live) as client:
        assert echo(client, "quick") < 0.5
        link.delay = 0.25
        assert echo(client, "slow") >= 0.5


def test_jitter_never_changes_the_order(live: LiveServer) -> None:
    with Link(live, jitter=0.02, seed=1) as link, through(link, live) as client:
        for number in range(30):
            client.send(str(number))
        assert [client.recv(timeout=BOUND) for _ in range(30)] == [str(n) for n in range(30)]


def test_the_rate_bounds_what_passes_in_a_time(live: LiveServer) -> None:
    with Link(live, rate=200_000, chunk=4096) as link, through(link, live) as client:
        assert echo(client, "x" * 50_000) >= 2 * 50_000 / 200_000 * 0.9


def test_byte_by_byte(live: LiveServer) -> None:
    with Link(live, chunk=1) as link, through(link, live) as client:
        echo(client, "each of these letters comes alone, 你好")


def test_silence_tells_nobody_until_the_heartbeat_does(live: LiveServer) -> None:
    """Half-open: the client believes in the connection, the server gives it up by itself."""
    with Link(live) as link, through(link, live) as client:
        echo(client, "alive")
        before = live.server.engine.stats.silent_closed
        link.silence()
        assert link.silent
        client.send("into the void")
        with pytest.raises(TimeoutError):
            client.recv(timeout=0.05)
        assert client.protocol.state.name == "OPEN"
        stats = live.server.engine.stats
        until(lambda: stats.silent_closed > before, "the server's verdict")
        assert not live.capture.find("into the void")
        assert client.protocol.state.name == "OPEN"


def test_what_was_sent_in_silence_arrives_late(live: LiveServer) -> None:
    with Link(live) as link, through(link, live) as client:
        link.silence()
        client.send("late")
        link.restore()
        assert client.recv(timeout=BOUND) == "late"


def test_one_direction_may_be_silent(live: LiveServer) -> None:
    """The request arrives, its answer does not."""
    with Link(live) as link, through(link, live) as client:
        link.silence("out")
        assert not link.silent
        client.send("heard, not answered")
        until(lambda: bool(live.capture.find("heard, not", sender="client")), "its arrival")
        with pytest.raises(TimeoutError):
            client.recv(timeout=0.05)
        link.restore()
        assert client.recv(timeout=BOUND) == "heard, not answered"


def test_a_cut_ends_both_sides_at_once(live: LiveServer) -> None:
    with Link(live) as link, through(link, live) as client:
        echo(client, "alive")
        assert link.cut() == 1
        with pytest.raises(ConnectionClosedError):
            client.recv(timeout=BOUND)
        until(lambda: link.connections == 0, "the end of the connection")
        assert link.cut() == 0


def test_swapped_pieces_arrive_swapped() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        Link(server.getsockname()[1], chunk=2, reorder=True) as link,
        socket.create_connection(("127.0.0.1", link.port), timeout=BOUND) as client,
    ):
        there, _ = server.accept()
        with there:
            client.sendall(b"abcdefg")
            client.shutdown(socket.SHUT_WR)
            assert there.makefile("rb").read() == b"cdabgef"


def test_the_end_of_one_side_reaches_the_other(live: LiveServer) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        Link(server.getsockname()[1]) as link,
        socket.create_connection(("127.0.0.1", link.port), timeout=BOUND) as client,
    ):
        there, _ = server.accept()
        with there:
            there.settimeout(BOUND)
            client.sendall(b"last words")
            client.shutdown(socket.SHUT_WR)
            assert there.makefile("rb").read() == b"last words"
            there.sendall(b"heard")
        assert client.makefile("rb").read() == b"heard"


def test_nobody_at_the_other_end_is_a_reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with Link(port) as link, socket.create_connection(("127.0.0.1", link.port)) as client:
        client.settimeout(BOUND)
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_its_repr_names_its_faults_and_closing_twice_does_no_harm(live: LiveServer) -> None:
    link = Link(live, delay=0.1, jitter=0.2, rate=1e4, chunk=3, reorder=True)
    link.silence()
    assert repr(link) == "<Link: delay=0.1, jitter=0.2, rate=10000, chunk=3, reorder, silent>"
    link.close()
    link.close()
    assert "Link" not in {thread.name for thread in threading.enumerate()}


def quiet_server() -> LiveServer:
    return LiveServer("memory", name="no pings", heartbeat_interval=0)


def test_a_connection_on_which_nothing_passes_is_forgotten() -> None:
    with quiet_server() as quiet, Link(quiet) as link, through(link, quiet) as client:
        echo(client, "a NAT remembers what was said just now")
        link.forgets = 0.2
        time.sleep(0.3)
        client.send("too late")
        with pytest.raises(TimeoutError):
            client.recv(timeout=0.3)
        assert link.connections == 1
        assert repr(link) == "<Link: forgets=0.2>"


def test_pings_keep_a_connection_in_memory(live: LiveServer) -> None:
    with Link(live, forgets=1.5) as link, through(link, live) as client:
        time.sleep(2.0)
        echo(client, "the server pinged ten times a second")


def test_nobody_learns_of_the_end_of_a_forgotten_connection() -> None:
    with quiet_server() as quiet, Link(quiet) as link, through(link, quiet) as client:
        link.forgets = 0.1
        time.sleep(0.2)
        client.socket.close()
        time.sleep(0.2)
        assert link.connections == 1


def test_a_link_closed_while_somebody_connects_leaves_no_socket(live: LiveServer) -> None:
    """Else a socket is found without an owner later, and the warning fails some other test."""
    for _ in range(20):
        with Link(live) as link:
            client = socket.create_connection(("127.0.0.1", link.port), timeout=BOUND)
        client.close()
    gc.collect()
