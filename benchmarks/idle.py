"""Memory of idle connections: what a server keeps for each, after one message."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence

from benchmarks.load import KEY, handshake, receive_frames
from benchmarks.rows import Progress, Row
from benchmarks.servers import BARE, EVERYBODY, LOOPS, running, starts
from goim_edu.websocket.frames import build_frame

UNIT = "KiB for each connection"
NO_COMPRESSION = (BARE, "uwebsockets")


def rows(quick: bool, progress: Progress) -> list[Row]:
    """One round of all servers; ``bare`` keeps nothing that is worth a figure."""
    return measure(EVERYBODY, LOOPS, progress, number=300)


def measure(
    names: Sequence[str], loops: Sequence[str], progress: Progress, number: int = 1000
) -> list[Row]:
    """One round, plain and with compression."""
    found = []
    names = [name for name in names if name != BARE]
    for what, compression in (("plain", False), ("with compression", True)):
        for name, loop in starts(names, loops):
            if compression and name in NO_COMPRESSION:
                continue
            for chat in (False, True) if name == "goim" else (False,):
                progress(f"idle memory, {what}, {name}")
                label, grown = _grown(name, loop, compression, chat, number)
                found.append(Row("server: idle memory", what, label, UNIT, (grown,), "lower"))
    return found


def _grown(name: str, loop: str, compression: bool, chat: bool, number: int) -> tuple[str, float]:
    """What so many connections take, in KiB for each, and whose they are."""
    with running(name, loop, compression) as server:
        server.chat = chat
        connect = _connector(server.port, compression, chat)
        links = [connect() for _ in range(100)]
        before = server.memory()
        links += [connect() for _ in range(number)]
        time.sleep(0.2)
        grown = (server.memory() - before) / number / 1024
        for link in links:
            link.close()
        return server.label, grown


def _connector(port: int, compression: bool, chat: bool) -> Callable[[], socket.socket]:
    """What opens a connection that has had one answer."""
    path, protocol, ask = ("/echo", "", b"x" * 32)
    if chat:
        path, protocol, ask = ("/chat", "goim.v1.json", b'{"type":"hello","user_id":"u"}')

    def connect() -> socket.socket:
        link = handshake(port, path, subprotocol=protocol, compression=compression)
        link.sendall(build_frame(ask, mask_key=KEY))
        receive_frames(link, 1)
        return link

    return connect
