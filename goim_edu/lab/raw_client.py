"""A client that sends raw bytes to any server of this machine and hears what comes back."""

from __future__ import annotations

import socket
from time import monotonic
from typing import Final, Self

from goim_edu.capture import Record
from goim_edu.capture.recording import Direction
from goim_edu.transport.memory_socket import dial, is_readable
from goim_edu.websocket.decoder import FrameDecoder
from goim_edu.websocket.explain import explain_stream
from goim_edu.websocket.frames import Frame, Opcode, build_frame
from goim_edu.websocket.handshake import (
    Response,
    build_request,
    check_response,
    generate_key,
    parse_response,
)

__all__ = ["HOST", "Heard", "Wire", "ask", "ask_http", "count"]

HOST: Final = "127.0.0.1"

_PATIENCE: Final = 5.0  # seconds for an answer that must come
_LONG_PATIENCE: Final = 10.0  # seconds for what may take a while
_READ: Final = 65_536  # bytes at once
_QUIET: Final = 0.3  # seconds of silence where no answer needs to come
_PONG: Final = Frame(Opcode.PONG, b"asked by the lab")
_PING: Final = build_frame(_PONG.payload, Opcode.PING, mask_key=bytes(4))


class Heard:
    r"""What has come on a connection and was not taken yet; it knows no socket.

    >>> heard = Heard()
    >>> heard.feed(b"one\ntwo")
    >>> heard.until("\n"), heard.until("\n")
    ('one\n', None)
    """

    def __init__(self) -> None:
        self._waiting = b""
        self._decoder = FrameDecoder(masked=False)
        self._frames: list[Frame] = []

    def feed(self, data: bytes) -> None:
        """Something has come."""
        self._waiting += data

    def answer(self) -> Response | None:
        """The next answer of HTTP, if it is complete."""
        parsed = parse_response(self._waiting)
        if parsed is None:
            return None
        self._waiting = self._waiting[parsed[1] :]
        return parsed[0]

    def until(self, mark: str) -> str | None:
        """All up to the next mark and with it, if it has come."""
        at = self._waiting.find(mark.encode())
        if at < 0:
            return None
        end = at + len(mark.encode())
        text, self._waiting = self._waiting[:end].decode(), self._waiting[end:]
        return text

    def frame(self) -> Frame | None:
        """The next frame, if it is complete."""
        if not self._frames:
            self._frames += self._decoder.feed(self._waiting)
            self._waiting = b""
        return self._frames.pop(0) if self._frames else None

    def __bool__(self) -> bool:
        return bool(self._waiting or self._frames)


def count(records: list[Record], direction: Direction) -> int:
    """How many bytes of a recording went this way."""
    return sum(len(record.data) for record in records if record.direction == direction)


class Wire:
    """A connection to a server of this machine, for bytes written by hand.

    Args:
        port: where the server listens.

    Attributes:
        records: every write (``"in"``, to the server) and every read (``"out"``), with its time.
    """

    def __init__(self, port: int) -> None:
        self._socket = dial((HOST, port), _LONG_PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._heard = Heard()
        self.records: list[Record] = []

    @property
    def sent(self) -> int:
        """How many bytes went to the server."""
        return count(self.records, "in")

    @property
    def received(self) -> int:
        """How many bytes came from the server."""
        return count(self.records, "out")

    def send(self, data: str | bytes) -> None:
        """Write text or bytes as they are."""
        data = data.encode() if isinstance(data, str) else data
        self.records.append(Record(1, "in", monotonic(), data))
        self._socket.sendall(data)

    def answer(self) -> Response | None:
        """Return the next answer of HTTP; ``None``: the server has ended the connection.

        Raises:
            TimeoutError: nothing comes.
        """
        while (answer := self._heard.answer()) is None:
            if not self._read():
                return None
        return answer

    def until(self, mark: str) -> str:
        """Return all up to the next ``mark`` and with it, such as the empty line behind a head.

        Raises:
            TimeoutError: nothing comes.
            ConnectionError: the server has ended the connection.
        """
        while (text := self._heard.until(mark)) is None:
            self._must_read()
        return text

    def frame(self) -> Frame:
        """Return the next frame of a WebSocket.

        Raises:
            TimeoutError: nothing comes.
            ConnectionError: the server has ended the connection.
        """
        while (frame := self._heard.frame()) is None:
            self._must_read()
        return frame

    def is_silent(self, seconds: float = 0.2) -> bool:
        """Whether nothing has come that was not read yet, and nothing comes for a moment."""
        return not self._heard and not is_readable(self._socket, seconds)

    def _must_read(self) -> None:
        if not self._read():
            raise ConnectionError("the server has ended the connection")

    def _read(self) -> bytes:
        """Take in what has come; ``b""`` at the end."""
        try:
            data = self._socket.recv(_READ)
        except ConnectionError:  # the end, in a rough way
            return b""
        if data:
            self.records.append(Record(1, "out", monotonic(), data))
        self._heard.feed(data)
        return data

    def close(self) -> None:
        """Hang up; twice does no harm."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Wire: {self.sent:,} bytes sent, {self.received:,} received>"


def ask(port: int, data: bytes, path: str = "/echo", patience: float = _PATIENCE) -> list[Frame]:
    """Send raw bytes on a fresh connection and return the frames that come back.

    The handshake is correct; what follows it is ``data``, right or wrong. If an answer must come,
    it is awaited. An unfinished frame gets none: after a moment of silence the list is empty.

    Args:
        port: where the server listens, on 127.0.0.1.
        data: what a client would send, masked.
        path: which of its handlers to ask.
        patience: seconds for an answer that must come.

    Raises:
        OSError: the server is not there, or does not answer in time.
        ProtocolError: its handshake or its frames are wrong.
    """
    with dial((HOST, port), patience) as link:
        early = _shake_hands(link, port, path)
        explained = explain_stream(data, sender="client")
        if explained and explained[-1].cut:
            link.sendall(data)
            return _listen(link, early, _QUIET)
        # A Pong may overtake the answer to what came with its Ping, but not the answers to what
        # came before: so the second one says that all is there.
        return _listen(link, early, patience, data + _PING, _PING)


def ask_http(port: int, request: bytes) -> bytes:
    """Send a raw HTTP request on a fresh connection and return the answer as it came.

    Raises:
        OSError: the server is not there, or does not answer in time.
    """
    answer = b""
    with dial((HOST, port), _PATIENCE) as link:
        link.sendall(request)
        while parse_response(answer) is None:
            piece = link.recv(_READ)
            if not piece:
                break
            answer += piece
    return answer


def _shake_hands(link: socket.socket, port: int, path: str) -> bytes:
    """Do a client's opening handshake; return the bytes behind the answer."""
    key = generate_key()
    link.sendall(build_request(f"{HOST}:{port}", path, key))
    head = b""
    while (answer := parse_response(head)) is None:
        piece = link.recv(_READ)
        if not piece:
            raise ConnectionError("the server ended the connection during the handshake")
        head += piece
    check_response(answer[0], key, (), ())
    return head[answer[1] :]


def _listen(link: socket.socket, early: bytes, patience: float, *questions: bytes) -> list[Frame]:
    """Send each question once the Pong to the one before is there; return all other frames.

    Without questions, listen until it has been silent for a moment.
    """
    decoder = FrameDecoder(masked=False)
    frames = decoder.feed(early)
    link.settimeout(patience)
    try:
        for question in questions or (b"",):
            link.sendall(question)
            while not question or _PONG not in frames:
                piece = link.recv(_READ)
                if not piece:
                    return frames
                frames += decoder.feed(piece)
            frames.remove(_PONG)
    except ConnectionError:
        return frames  # the server has hung up: what it said before counts
    except TimeoutError:
        if questions:
            raise
    return frames
