"""A load generator on bare sockets and epoll: it knows how many octets must come back, and counts.

It is as lean as Python allows, since every microsecond that it needs is one in which the server
waits. It never sleeps: a server is not to pay for waking its clients, which elsewhere have a
machine of their own. It checks the handshake and the first answer of each connection, then only
counts octets.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable, Sequence

from goim_edu.websocket.decoder import FrameDecoder
from goim_edu.websocket.frames import Opcode, build_frame

KEY = b"\x37\xfa\x21\x3d"
PATIENCE = 60.0

_BUFFER = bytearray(1 << 18)  # what comes is counted, not kept: new memory each time would cost


def handshake(
    port: int, path: str, *, subprotocol: str = "", compression: bool = False
) -> socket.socket:
    """An open WebSocket as a bare blocking socket."""
    link = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.sendall(request_bytes(port, path, subprotocol, compression))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = link.recv(1)
        if not piece:
            raise ConnectionError(f"no handshake: {head!r}")
        head += piece
    if b" 101 " not in head.split(b"\r\n", 1)[0]:
        raise ConnectionError(f"no handshake: {head!r}")
    return link


def request_bytes(port: int, path: str, subprotocol: str = "", compression: bool = False) -> bytes:
    """The request of a client; with the header fields that a browser would send."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "User-Agent: benchmark",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ]
    if subprotocol:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    if compression:
        lines.append("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def receive_frames(link: socket.socket, number: int) -> list[bytes]:
    """The payloads of the next so many data frames; for the parts that are not measured."""
    decoder = FrameDecoder(masked=False, allow_rsv1=True)
    payloads: list[bytes] = []
    while len(payloads) < number:
        data = link.recv(1 << 16)
        if not data:
            raise ConnectionError("the server has closed")
        payloads += [one.payload for one in decoder.feed(data) if one.opcode < Opcode.CLOSE]
    return payloads


def receive_until(link: socket.socket, wanted: bytes) -> None:
    """Take all frames up to the one that has this in it."""
    decoder = FrameDecoder(masked=False, allow_rsv1=True)
    while data := link.recv(1 << 16):
        if any(wanted in one.payload for one in decoder.feed(data)):
            return
    raise ConnectionError("the server has closed")


class EchoLoad:
    """Some connections, each with so many messages on the way at once.

    Args:
        port: of the server.
        connections: how many.
        depth: messages on the way per connection.
        size: octets of a message.
    """

    def __init__(self, port: int, connections: int, depth: int, size: int) -> None:
        text = ("0123456789abcdef" * (size // 16 + 1))[:size]
        self.request = build_frame(text, mask_key=KEY) * depth
        self.wanted = len(build_frame(text)) * depth
        self.depth = depth
        self.links = [handshake(port, "/echo") for _ in range(connections)]
        for link in self.links:
            link.sendall(build_frame(text, mask_key=KEY))
            if receive_frames(link, 1) != [text.encode()]:
                raise ConnectionError("the echo is wrong")
            link.setblocking(False)

    def run(self, rounds: int) -> int:
        """Send and receive so many rounds on every connection; the messages that came back."""
        poll = select.epoll()
        links = {link.fileno(): link for link in self.links}
        for number in links:
            poll.register(number, select.EPOLLIN)
        left = dict.fromkeys(links, rounds)
        missing = dict.fromkeys(links, self.wanted)
        unsent: dict[int, memoryview] = {}
        for number in links:
            self._send(poll, links, unsent, number, memoryview(self.request))
        end = time.monotonic() + PATIENCE
        while left:
            for number, event in poll.poll(0):
                if event & select.EPOLLOUT:
                    self._send(poll, links, unsent, number, unsent.pop(number))
                if event & select.EPOLLIN:
                    missing[number] -= links[number].recv_into(_BUFFER)
                    if not missing[number]:
                        missing[number] = self.wanted
                        left[number] -= 1
                        if left[number]:
                            self._send(poll, links, unsent, number, memoryview(self.request))
                        else:
                            del left[number]
            if time.monotonic() > end:
                raise TimeoutError("the echo stalls")
        poll.close()
        return rounds * len(links) * self.depth

    def _send(
        self,
        poll: select.epoll,
        links: dict[int, socket.socket],
        unsent: dict[int, memoryview],
        number: int,
        data: memoryview,
    ) -> None:
        try:
            sent = links[number].send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            unsent[number] = data[sent:]
            poll.modify(number, select.EPOLLIN | select.EPOLLOUT)
        elif len(data) < len(self.request):
            poll.modify(number, select.EPOLLIN)

    def close(self) -> None:
        """Hang up."""
        for link in self.links:
            link.close()


class FanoutLoad:
    """One who talks to many, and is told its own words too.

    Args:
        talker: an open connection; what it sends comes to itself and to all receivers.
        receivers: the others, open.
        own_octets: how many octets of an answer to the talker all receivers get too.
    """

    def __init__(
        self,
        talker: socket.socket,
        receivers: Sequence[socket.socket],
        own_octets: Callable[[bytes], tuple[int, int]],
    ) -> None:
        self.talker = talker
        self.receivers = receivers
        self.own_octets = own_octets
        self._poll = select.epoll()
        self._links = {link.fileno(): link for link in receivers}
        for number, link in self._links.items():
            link.setblocking(False)
            self._poll.register(number, select.EPOLLIN)

    def round(self, request: bytes, messages: int) -> None:
        """Send so many messages, wait until all have all of them."""
        self.talker.sendall(request)
        data, seen, octets = b"", 0, 0
        while seen < messages:
            piece = self.talker.recv(1 << 16)
            if not piece:
                raise ConnectionError("the server has closed")
            data += piece
            seen, octets = self.own_octets(data)
        missing = octets * len(self._links)
        end = time.monotonic() + PATIENCE
        while missing:
            for number, _ in self._poll.poll(0):
                missing -= self._links[number].recv_into(_BUFFER)
            if time.monotonic() > end:
                raise TimeoutError(f"{missing} octets are missing")

    def close(self) -> None:
        """Hang up."""
        self._poll.close()
        for link in (self.talker, *self.receivers):
            link.close()


def count_frames(data: bytes, wanted: bytes = b"") -> tuple[int, int]:
    """How many whole data frames have ``wanted`` in them, and how many octets these are."""
    seen = octets = position = 0
    while position + 2 <= len(data):
        length = data[position + 1]
        start = position + 2
        if length == 126:
            length = int.from_bytes(data[position + 2 : position + 4])
            start += 2
        end = start + length
        if end > len(data):
            break
        if data[position] in (0x81, 0x82) and wanted in data[start:end]:
            seen += 1
            octets += end - position
        position = end
    return seen, octets


def handshakes(port: int, number: int, at_once: int = 50) -> None:
    """So many handshakes, each on a connection of its own, some at a time."""
    request = request_bytes(port, "/echo")
    poll = select.epoll()
    links: dict[int, socket.socket] = {}
    started = done = 0
    end = time.monotonic() + PATIENCE
    while done < number:
        while started < number and len(links) < at_once:
            link = socket.socket()
            link.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                link.connect(("127.0.0.1", port))
            links[link.fileno()] = link
            poll.register(link.fileno(), select.EPOLLOUT)
            started += 1
        for descriptor, event in poll.poll(0):
            link = links[descriptor]
            if event & select.EPOLLOUT:
                link.send(request)
                poll.modify(descriptor, select.EPOLLIN)
            elif event & select.EPOLLIN:
                if b" 101 " not in link.recv(4096):
                    raise ConnectionError("no handshake")
                poll.unregister(descriptor)
                # A reset, so that a hundred thousand of them do not fill the table of ports.
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                link.close()
                del links[descriptor]
                done += 1
        if time.monotonic() > end:
            raise TimeoutError("handshakes stall")
    poll.close()
