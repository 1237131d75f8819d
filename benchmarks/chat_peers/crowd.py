"""A room full of clients on bare sockets: who says what when, who is told when, who has an ack.

A sender says its next message when the last one is acknowledged: at once, or when its turn comes
if there is a pace. Where nobody is free at a turn, the message goes later, but its time counts
from the turn.
"""

from __future__ import annotations

import re
import select
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from secrets import token_hex
from typing import Final, Self

from benchmarks.chat_peers.wires import Step, Wire
from benchmarks.load import PATIENCE, request_bytes

AT_ONCE: Final = 100  # clients that come at the same time
LINGER: Final = 5.0  # seconds for what was said to be acknowledged and told
SHORTEST_TAIL: Final = 32  # octets; longer than a key
RESET: Final = b"\1\0\0\0\0\0\0\0"  # struct linger: no port stays taken after its connection


@dataclass
class Talk:
    """What happened, by the clock of ``time.perf_counter``.

    Attributes:
        begin: when it began.
        said: when each message should have been sent.
        acked: when its ack came.
        told: the messages in the order in which the first member was told them.
        last: when each of those had come to the last member; shorter than ``told`` where some did
            not come to all.
        broken: the server has closed a connection.
    """

    begin: float = 0.0
    said: dict[str, float] = field(default_factory=dict)
    acked: dict[str, float] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    last: list[float] = field(default_factory=list)
    broken: bool = False

    def ack_times(self, skip: float = 0.0) -> list[float]:
        """Seconds to the ack of those said after the first ``skip`` seconds."""
        return [
            at - self.said[key]
            for key, at in self.acked.items()
            if self.said[key] >= self.begin + skip
        ]

    def last_times(self, skip: float = 0.0) -> list[float]:
        """Seconds until the last member had those said after the first ``skip`` seconds."""
        return [
            at - self.said[key]
            for key, at in zip(self.told, self.last, strict=False)
            if self.said[key] >= self.begin + skip
        ]

    def rate(self, skip: float, end: float) -> float:
        """Messages a second acknowledged between these seconds."""
        low, high = self.begin + skip, self.begin + end
        return sum(low <= at < high for at in self.acked.values()) / (end - skip)


class Member:
    """One connection: what it waits for, and how many messages it was told."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.key = ""
        self.mark = b""
        self.tail = b""
        self.tail_heard = 0
        self.heard = 0

    def take(self, data: bytes, heard: bytes) -> tuple[bool, int]:
        """Whether the ack is in what has come, and how many messages are.

        A mark may be cut in two by a read, so the end of what came before is looked at again.
        """
        data, before = self.tail + data, len(self.tail)
        found = data.count(heard) - self.tail_heard
        # An older ack may look the same: what was whole before is none.
        start = max(0, before - len(self.mark) + 1)
        acked = bool(self.mark) and data.find(self.mark, start) >= 0
        if acked:
            self.mark = b""
        self.tail = data[-max(SHORTEST_TAIL, len(heard), len(self.mark)) :]
        self.tail_heard = self.tail.count(heard)
        self.heard += found
        return acked, found

    def hang_up(self) -> None:
        self.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.link.close()


def come(port: int, wire: Wire, names: Sequence[str]) -> Iterator[socket.socket]:
    """Open connections that are in the room; some at a time."""
    request = request_bytes(port, wire.path, wire.subprotocol)
    for begin in range(0, len(names), AT_ONCE):
        some = names[begin : begin + AT_ONCE]
        links = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) for _ in some]
        data = [b""] * len(some)
        steps: list[Iterator[Step]] = [
            iter([(request, b" 101 "), *wire.entering(name)]) for name in some
        ]
        for step in zip(*steps, strict=True):
            for link, (words, _) in zip(links, step, strict=True):
                link.sendall(words)
            for number, (link, (words, mark)) in enumerate(zip(links, step, strict=True)):
                data[number] = _wait(link, mark, b"" if words else data[number])
        for link in links:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield link


def _wait(link: socket.socket, mark: bytes, data: bytes) -> bytes:
    """Read until the mark is there; what came. The first words may come along with the 101."""
    while mark not in data:
        piece = link.recv(1 << 16)
        if not piece:
            raise ConnectionError(f"no {mark!r}, but {data!r}")
        data += piece
    return data


class Crowd:
    """The members of one room; the last ones of them speak.

    Args:
        port: of the server.
        wire: its language, and the room.
        members: how many are told.
        senders: how many of them speak.
    """

    def __init__(self, port: int, wire: Wire, members: int, senders: int) -> None:
        self.wire = wire
        self.poll = select.epoll()
        names = [f"member{number}" for number in range(members)]
        self.members = {link.fileno(): Member(link) for link in come(port, wire, names)}
        everyone = list(self.members.values())
        self.first, self.senders = everyone[0], everyone[members - senders :]
        for descriptor, member in self.members.items():
            member.link.setblocking(False)
            self.poll.register(descriptor, select.EPOLLIN)

    def talk(
        self, seconds: float, pace: float = 0.0, *, linger: float = LINGER, into: Talk | None = None
    ) -> Talk:
        """Let them talk for a time; then wait for what is on its way.

        Args:
            seconds: how long.
            pace: messages a second; 0 for as many as they can.
            linger: seconds to wait at most.
            into: where to write it, for one that looks on.
        """
        talk = into or Talk()
        _Conversation(self, talk, pace).run(seconds, linger)
        return talk

    def close(self) -> None:
        """Hang up."""
        self.poll.close()
        for member in self.members.values():
            member.hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Conversation:
    """One ``Crowd.talk`` while it goes on."""

    def __init__(self, crowd: Crowd, talk: Talk, pace: float) -> None:
        self.crowd, self.talk, self.pace = crowd, talk, pace
        self.missing: list[int] = []  # how many members were not yet told the n-th message
        self.free = deque(crowd.senders)
        self.turns = 0
        self.all_members = len(crowd.members)
        prefix = token_hex(4)
        self.keys = (f"{prefix}-{number:07}" for number in count())
        self.pattern = re.compile(f"{prefix}-[0-9]{{7}}".encode())
        self.seen: set[str] = set()
        for member in crowd.members.values():
            member.heard = 0

    def run(self, seconds: float, linger: float) -> None:
        crowd, talk = self.crowd, self.talk
        talk.begin = now = time.perf_counter()
        end = talk.begin + seconds
        while now < end and crowd.members:
            wait = self._take_turns(now)
            self._hear(min(wait, end - now))
            now = time.perf_counter()
        limit = now + linger
        while now < limit and crowd.members and not self._quiet():
            self._hear(0.05)
            now = time.perf_counter()

    def _take_turns(self, now: float) -> float:
        """Let those speak whose turn it is; the seconds until the next turn."""
        if not self.pace:
            while self.free:
                self._say(self.free.popleft(), now)
            return 0.05
        while True:
            turn = self.talk.begin + self.turns / self.pace
            if turn > now or not self.free:
                return max(0.0, turn - now) or 0.05
            self._say(self.free.popleft(), turn)
            self.turns += 1

    def _quiet(self) -> bool:
        """Whether all that was said is acknowledged and told."""
        talk = self.talk
        return len(talk.acked) == len(talk.said) and len(talk.last) == len(talk.said)

    def _say(self, member: Member, at: float) -> None:
        member.key = next(self.keys)
        words, member.mark = self.crowd.wire.say(member.key)
        self.talk.said[member.key] = at
        try:
            member.link.send(words)  # one small message outstanding: the buffer has room
        except OSError:
            self._lose(member)

    def _hear(self, wait: float) -> None:
        members, heard = self.crowd.members, self.crowd.wire.heard
        for descriptor, _ in self.crowd.poll.poll(wait):
            member = members[descriptor]
            try:
                data = member.link.recv(1 << 15)
            except OSError:
                data = b""
            if not data:
                self._lose(member)
                continue
            if member is self.crowd.first:
                self._note(member.tail + data)
            acked, told = member.take(data, heard)
            now = time.perf_counter()
            if acked:
                self.talk.acked[member.key] = now
                self.free.append(member)
            if told:
                self._count(member, told, now)

    def _note(self, data: bytes) -> None:
        """The order in which the first member is told; it never speaks, so has no acks."""
        for word in self.pattern.findall(data):
            key = word.decode()
            if key not in self.seen:
                self.seen.add(key)
                self.talk.told.append(key)

    def _count(self, member: Member, told: int, now: float) -> None:
        self.missing += [self.all_members] * (member.heard - len(self.missing))
        for number in range(member.heard - told, member.heard):
            self.missing[number] -= 1
            if not self.missing[number]:
                self.talk.last.append(now)

    def _lose(self, member: Member) -> None:
        self.talk.broken = True
        self.crowd.poll.unregister(member.link)
        del self.crowd.members[member.link.fileno()]
        member.hang_up()
