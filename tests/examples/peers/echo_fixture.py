"""The same with ``websockets``; it has no record of the frames to look at."""

import threading
from collections.abc import Iterator

import pytest
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve


def echo(ws: ServerConnection) -> None:
    """Send back what comes."""
    for message in ws:
        ws.send(message)


@pytest.fixture
def server() -> Iterator[str]:
    """A server of the test's own, on a free port."""
    with serve(echo, "127.0.0.1", 0) as live:
        thread = threading.Thread(target=live.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{live.socket.getsockname()[1]}"
        live.shutdown()
        thread.join()


def test_what_is_said_comes_back(server: str) -> None:
    """What is sent comes back."""
    with connect(server) as ws:
        ws.send("Hello")
        assert ws.recv(timeout=10) == "Hello"
