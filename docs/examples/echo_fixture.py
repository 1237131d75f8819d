"""A server for a test: it lives as long as the test, and the test may look at every frame."""

from collections.abc import Iterator

import pytest

from goim_edu.client.sync import connect
from goim_edu.lab import LiveServer


@pytest.fixture
def server() -> Iterator[LiveServer]:
    """A server of the test's own, on a free port, with messages in memory."""
    with LiveServer("memory") as live:
        yield live


def test_what_is_said_comes_back(server: LiveServer) -> None:
    """Two frames went over the wire: the client's and its echo."""
    with connect(server.echo_url) as ws:
        ws.send("Hello")
        assert ws.recv(timeout=10) == "Hello"
    assert [frame.sender for frame in server.capture.find("Hello")] == ["client", "server"]
