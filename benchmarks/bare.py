"""A server that does no work but the system calls: what it costs, no server can go below.

It looks at the first message of each connection, keeps the right answer to it, and from then on
only counts octets: whenever as many have come as that message had, it writes the answer once more.
No event loop but epoll, no protocol, no checks, no memory to be got: one ``recv`` and one
``write`` for what one read brings, and one ``write`` for each receiver of a fan-out. Its handshake
is ours, so of handshakes it shows no floor.
"""

from __future__ import annotations

import os
import select
import socket
import sys
from dataclasses import dataclass

from goim_edu.protocol import Endpoint, Side
from goim_edu.websocket.events import RequestReceived, TextMessage
from goim_edu.websocket.frames import build_frame

__all__ = ["serve"]

_BUFFER = bytearray(1 << 18)


@dataclass(slots=True)
class _Link:
    """One connection.

    Attributes:
        descriptor: of the socket.
        endpoint: answers the handshake and finds the first message; None from then on.
        head: what came before that message was whole.
        size: octets of a message, each of which is answered with ``answer``.
        counted: octets that came of the next one.
        unsent: what the socket did not take.
    """

    socket: socket.socket
    descriptor: int
    endpoint: Endpoint | None
    fanout: bool = False
    head: int = 0
    size: int = 0
    counted: int = 0
    answer: bytes = b""
    unsent: bytes = b""


def serve() -> None:
    """Serve ``/echo`` and ``/fanout`` until standard input ends; print the port first."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        listener.setblocking(False)
        poll = select.epoll()
        poll.register(listener, select.EPOLLIN)
        poll.register(sys.stdin, select.EPOLLIN)
        print(listener.getsockname()[1], flush=True)
        links: dict[int, _Link] = {}
        members: dict[int, _Link] = {}
        while True:
            for descriptor, event in poll.poll():
                link = links.get(descriptor)
                if link is None:
                    if descriptor != listener.fileno():
                        return
                    _accept(listener, poll, links)
                elif event & select.EPOLLOUT:
                    _write(poll, link, b"")
                elif size := _read(link):
                    _answer(poll, link, size, members)
                else:
                    members.pop(descriptor, None)
                    links.pop(descriptor).socket.close()


def _accept(listener: socket.socket, poll: select.epoll, links: dict[int, _Link]) -> None:
    accepted, _ = listener.accept()
    accepted.setblocking(False)
    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    descriptor = accepted.fileno()
    links[descriptor] = _Link(accepted, descriptor, Endpoint(Side.SERVER))
    poll.register(accepted, select.EPOLLIN)


def _read(link: _Link) -> int:
    try:
        return link.socket.recv_into(_BUFFER)
    except OSError:
        return 0


def _answer(poll: select.epoll, link: _Link, size: int, members: dict[int, _Link]) -> None:
    if link.endpoint is not None:
        _begin(poll, link, link.endpoint, size, members)
        return
    counted = link.counted + size
    messages, link.counted = divmod(counted, link.size)
    if messages:
        answer = link.answer if messages == 1 else link.answer * messages
        for receiver in members.values() if link.fanout else (link,):
            _write(poll, receiver, answer)


def _begin(
    poll: select.epoll, link: _Link, endpoint: Endpoint, size: int, members: dict[int, _Link]
) -> None:
    """The handshake, and the first message: only these are really looked at."""
    link.head += size
    for event in endpoint.receive_data(bytes(_BUFFER[:size])):
        if isinstance(event, RequestReceived):
            _write(poll, link, endpoint.accept())
            link.head = 0
            link.fanout = event.request.path == "/fanout"
            if link.fanout:
                members[link.descriptor] = link
        elif isinstance(event, TextMessage) and not link.size:
            link.answer = build_frame(event.data)
            link.size = len(build_frame(event.data, mask_key=bytes(4)))
    if link.size:
        link.endpoint = None
        _answer(poll, link, link.head, members)


def _write(poll: select.epoll, link: _Link, data: bytes) -> None:
    waited = link.unsent
    if waited:
        data = waited + data
    try:
        sent = os.write(link.descriptor, data)
    except OSError:
        sent = 0
    if sent < len(data) or waited:
        link.unsent = data[sent:]
        wanted = select.EPOLLIN | select.EPOLLOUT if link.unsent else select.EPOLLIN
        poll.modify(link.descriptor, wanted)
