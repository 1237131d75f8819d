"""A dissector of pcap files in a few lines, beside the same by hand on dpkt and wsproto."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from goim_edu.capture import Capture, Direction, write_capture
from goim_edu.protocol import Endpoint, Side
from tests.examples.counting import EXAMPLES, PEERS

NAME = "dissect_pcap.py"


def conversation() -> Iterator[tuple[Direction, bytes]]:
    """Compressed and plain, whole and in fragments.

    No Ping stands between compressed fragments: wsproto 1.3 does not inflate what follows it.
    """
    client, server = (
        Endpoint(Side.CLIENT, compression=True),
        Endpoint(Side.SERVER, compression=True),
    )
    request = client.connect("127.0.0.1", "/chat")
    yield "in", request
    server.receive_data(request)
    answer = server.accept()
    yield "out", answer
    client.receive_data(answer)
    yield "in", client.send_text("hello, hello, hello")
    yield "out", server.send_text("hello, hello, hello")
    yield "in", client.send_text("in two ", fin=False)
    yield "in", client.continue_message("fragments", fin=True)
    yield "in", client.ping(b"still there?")
    yield "out", server.pong(b"still there?")
    yield "out", server.send_binary(bytes(range(256)) * 20, compress=False)
    yield "in", client.send_binary(bytes(70_000), compress=False)
    yield "out", server.close(1001, "lunch")
    yield "in", client.close(1001)


@pytest.mark.parametrize("folder", [EXAMPLES, PEERS], ids=["ours", "peer"])
def test_every_message_of_a_file_is_printed(tmp_path: Path, folder: Path) -> None:
    capture = Capture()
    for connection in (1, 2):
        tap = capture.tap(connection)
        for number, (direction, data) in enumerate(conversation()):
            tap(direction, connection + number / 100, data)
    file = tmp_path / "recorded.pcapng"
    write_capture(capture, file)
    done = subprocess.run(
        [sys.executable, str(folder / NAME), str(file)],
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
    )
    said = [frame for frame in capture.frames() if frame.message is not None]
    wanted = [f"{frame.connection} {frame.sender} {frame.message!r}" for frame in said]
    assert len(wanted) == 10
    assert sorted(done.stdout.splitlines()) == sorted(wanted)
