"""How a client speaks to each server: what it sends, and by what it knows the answers.

The load generator parses nothing. It sends ready frames, and looks for marks in what comes back:
one that is in each acknowledgement and names the message, and one that is in each message told to
a member of the room, once.
"""

from __future__ import annotations

import itertools
import json
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from benchmarks.load import KEY
from goim_edu.websocket.frames import Opcode, build_frame

TEXT: Final = "The quick brown fox jumps over the lazy dog. " * 2

Step = tuple[bytes, bytes]
"""What a client sends, and a mark of the answer that it waits for."""


def text_frame(payload: object) -> bytes:
    return build_frame(json.dumps(payload), mask_key=KEY)


def binary_frame(payload: bytes) -> bytes:
    return build_frame(payload, Opcode.BINARY, mask_key=KEY)


@dataclass
class Wire(ABC):
    """One room of one server.

    Attributes:
        room: its name.
    """

    room: str
    path = "/"
    subprotocol = ""

    def __post_init__(self) -> None:
        self.numbers = itertools.count(1_000_000)

    @property
    @abstractmethod
    def heard(self) -> bytes:
        """A mark that is once in each message told to a member, and nowhere else."""

    @abstractmethod
    def entering(self, name: str) -> Iterator[Step]:
        """What a client does once its connection is open, to be in the room."""

    @abstractmethod
    def say(self, key: str) -> Step:
        """Say something; the text is told with its ``key``."""


class Goim(Wire):
    """Our own subprotocol (docs/chat-protocol.md)."""

    path = "/chat"
    subprotocol = "goim.v1.json"
    heard = b'{"type":"message"'

    def entering(self, name: str) -> Iterator[Step]:
        yield text_frame({"type": "hello", "user_id": name}), b'"welcome"'
        yield text_frame({"type": "join", "room_id": self.room}), b'"joined"'

    def say(self, key: str) -> Step:
        sent = {"type": "send", "room_id": self.room, "client_msg_id": key, "text": TEXT}
        mark = f'{{"type":"ack","room_id":"{self.room}","client_msg_id":"{key}"'
        return text_frame(sent), mark.encode()


class SocketIO(Wire):
    """Socket.IO 5 on Engine.IO 4; an event with a number is answered under it."""

    path = "/socket.io/?EIO=4&transport=websocket"
    heard = b'42["chat message"'

    def entering(self, name: str) -> Iterator[Step]:
        yield b"", b'0{"sid"'
        yield build_frame("40", mask_key=KEY), b'40{"sid"'
        yield self._event("join", self.room)

    def say(self, key: str) -> Step:
        return self._event("chat message", self.room, TEXT, key)

    def _event(self, *words: str) -> Step:
        number = next(self.numbers)
        return build_frame(f"42{number}{json.dumps(words)}", mask_key=KEY), b"43%d[" % number


class Starlette(Wire):
    """JSON that the server of ``starlette_chat.py`` reads."""

    path = "/chat"
    heard = b'{"type": "message"'

    def entering(self, name: str) -> Iterator[Step]:
        yield text_frame({"type": "join", "room": self.room}), b'"joined"'

    def say(self, key: str) -> Step:
        sent = {"type": "send", "room": self.room, "client_offset": key, "content": TEXT}
        return text_frame(sent), f'{{"type": "ack", "client_offset": "{key}"'.encode()


class Nats(Wire):
    """The client protocol of NATS; with ``verbose`` the server says +OK to each message."""

    @property
    def heard(self) -> bytes:
        return b"MSG chat.%s 1 " % self.room.encode()

    def entering(self, name: str) -> Iterator[Step]:
        options = {"verbose": True, "pedantic": False, "lang": "python", "version": "1"}
        yield b"", b"INFO "
        yield binary_frame(b"CONNECT %s\r\n" % json.dumps(options).encode()), b"+OK\r\n"
        yield binary_frame(b"SUB chat.%s 1\r\n" % self.room.encode()), b"+OK\r\n"

    def say(self, key: str) -> Step:
        payload = _payload(key)
        head = f"PUB chat.{self.room} {len(payload)}\r\n".encode()
        return binary_frame(head + payload + b"\r\n"), b"+OK\r\n"


class Mqtt(Wire):
    """MQTT 3.1.1: publishing with QoS 1, which the broker acknowledges, listening with QoS 0."""

    path = "/mqtt"
    subprotocol = "mqtt"

    @property
    def heard(self) -> bytes:
        return self._topic

    @property
    def _topic(self) -> bytes:
        return mqtt_text(f"chat/{self.room}")

    def entering(self, name: str) -> Iterator[Step]:
        clean, no_keep_alive = 2, 0
        hello = mqtt_text("MQTT") + struct.pack(">BBH", 4, clean, no_keep_alive)
        yield mqtt_packet(0x10, hello + mqtt_text(name)), b"\x20\x02\x00\x00"
        yield mqtt_packet(0x82, b"\x00\x01" + self._topic + b"\x00"), b"\x90\x03\x00\x01"

    def say(self, key: str) -> Step:
        number = struct.pack(">H", next(self.numbers) % 0xFFFF + 1)
        return mqtt_packet(0x32, self._topic + number + _payload(key)), b"\x40\x02" + number


def _payload(key: str) -> bytes:
    return json.dumps({"key": key, "text": TEXT}).encode()


def mqtt_text(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def mqtt_packet(first: int, rest: bytes) -> bytes:
    """A packet in a frame; its length is written in groups of seven bits, the lowest first."""
    length, octets = len(rest), bytearray([first])
    while length > 127:
        octets.append(length & 127 | 128)
        length >>= 7
    octets.append(length)
    return binary_frame(bytes(octets) + rest)
