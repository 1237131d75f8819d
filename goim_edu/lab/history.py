"""Judge a history: what the clients of a chat sent and heard, against what the chat has promised.

The words are those of Jepsen. A *history* is what happened at the clients, with times. An
*operation* is a message, from the moment it is sent until it is answered. A *nemesis* does harm
meanwhile, and a *checker* judges afterwards.

A checker for any data type must search for an order that explains the history. In a chat each
message has a number, so the order is known, and n records are checked in O(n log n) steps.

An operation without an answer may have been done or not: that breaks no promise. If it was done, it
was done once, and at one place.

Sources: jepsen.io, "Consistency Models"; Herlihy and Wing, "Linearizability" (1990);
fly.io, "Gossip Glomers", for trying it with systems of one's own.
"""

import math
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from operator import attrgetter
from typing import Final, Literal, NamedTuple

from goim_edu.lab.records import Acked, Heard, Joined, Left, Record, Refused, Sent
from goim_edu.storage.documents import StoredMessage

__all__ = [
    "Acked",
    "Heard",
    "Joined",
    "Kind",
    "Left",
    "Record",
    "Refused",
    "Sent",
    "Violation",
    "check_history",
]

Key = tuple[str, str]
"""What makes two messages one: the sender and the ``client_msg_id``."""

Kind = Literal[
    "lost",
    "doubled",
    "hole",
    "out of order",
    "repeated",
    "missed",
    "renumbered",
    "altered",
    "invented",
    "stored though refused",
]
"""What may be wrong with a history."""

UNDECIDED: Final = frozenset({"internal"})
"""The refusals that leave it open whether the message was stored."""


class Violation(NamedTuple):
    """A promise that was broken.

    Args:
        kind: which promise.
        what: what happened, in words.

    >>> print(Violation("lost", "m1 of lisa was acknowledged and is not stored"))
    lost: m1 of lisa was acknowledged and is not stored
    """

    kind: Kind
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


# ---------------------------------------------------------------------- the checker


def check_history(
    history: Iterable[Record],
    stored: Iterable[StoredMessage],
    *,
    strict: bool = True,
) -> list[Violation]:
    """Compare a history with what is stored at its end.

    It checks that

    - each acknowledged message is stored, once, and under that number;
    - the numbers of a room are 1, 2, 3 ... without holes;
    - what was refused each time it was sent is not stored;
    - a message that was sent after another one was known has the higher number (real-time order);
    - what one session sent in a room has numbers in that order, except for what was refused;
    - each reader heard numbers that ascend, all of them from its ``since`` on, each message as it
      is stored, and nothing that nobody sent.

    Args:
        history: the records of all clients, in any order.
        stored: all messages of their rooms, read with ``majority`` after the last answer.
        strict: whether a session is held to its order also in what it got no answer to. That is
            right if clients send again in the old order, and if no refusal was lost with its
            connection.

    Returns:
        What is wrong, in words; [] if every promise was kept.

    >>> from datetime import UTC, datetime
    >>> history = [
    ...     Sent("session 1", "lobby", "lisa", "m1", "hello", at=0.0),
    ...     Acked("session 1", "lisa", "m1", 1, at=0.1),
    ...     Joined("bo", "lobby", 0, at=0.2),
    ... ]
    >>> stored = [StoredMessage("lobby", 1, "lisa", "m1", "hello", datetime.now(UTC))]
    >>> print(*check_history(history, stored))
    missed: bo was not told number 1 of lobby, m1 of lisa
    >>> print(*check_history(history[:2], []))
    lost: m1 of lisa was acknowledged as number 1, and is not stored
    """
    run = _Run(history, stored)
    return [
        *run.check_numbers(),
        *run.check_stored(),
        *run.check_answers(),
        *run.check_real_time(),
        *run.check_sessions(strict),
        *run.check_readers(),
    ]


@dataclass(slots=True)
class _Stream:
    """What a reader heard in a room after one ``Joined``, and the number that it must reach.

    A reader that was there to the end must have heard all, one that joined again what it says that
    it knows.
    """

    reader: str
    room_id: str
    since: int | None
    heard: list[Heard] = field(default_factory=list)
    until: float = math.inf


class _Run:
    """A history and what is stored, looked at from all the sides that the checks need."""

    def __init__(self, history: Iterable[Record], stored: Iterable[StoredMessage]) -> None:
        # What happened at the same time is concurrent: sending comes first, which binds nobody.
        self.records = sorted(history, key=lambda one: (one.at, not isinstance(one, Sent)))
        self.rooms: dict[str, list[StoredMessage]] = defaultdict(list)
        self.stored: dict[Key, StoredMessage] = {}
        self.copies: Counter[Key] = Counter()
        for message in sorted(stored, key=attrgetter("seq")):
            self.rooms[message.room_id].append(message)
            self.stored.setdefault(_key(message), message)
            self.copies[_key(message)] += 1
        self.first: dict[Key, Sent] = {}
        self.sends: list[Sent] = [one for one in self.records if isinstance(one, Sent)]
        for sent in self.sends:
            self.first.setdefault(_key(sent), sent)

    # What is stored.

    def check_numbers(self) -> Iterator[Violation]:
        """The numbers of a room are 1, 2, 3 ..., each of one message."""
        for room_id, messages in self.rooms.items():
            for before, after in pairwise([0, *(message.seq for message in messages)]):
                if after == before:
                    yield Violation("doubled", f"two messages of {room_id} have number {after}")
                elif after > before + 1:
                    missing = _numbers(before + 1, after - 1)
                    yield Violation("hole", f"{room_id} has number {after}, but not {missing}")

    def check_stored(self) -> Iterator[Violation]:
        """What is stored was sent, and is there once, as it was sent."""
        for key, message in self.stored.items():
            if self.copies[key] > 1:
                yield Violation("doubled", f"{_name(key)} is stored {self.copies[key]} times")
            yield from self._compare(message, "stored")

    def _compare(self, found: StoredMessage | Heard, how: str) -> Iterator[Violation]:
        """What was found is what was sent."""
        key, sent = _key(found), self.first.get(_key(found))
        if sent is None:
            yield Violation("invented", f"{_name(key)} was {how}, and nobody sent it")
        elif (sent.room_id, sent.text) != (found.room_id, found.text):
            yield Violation(
                "altered",
                f"{_name(key)} was sent to {sent.room_id} as {sent.text!r}, "
                f"and {how} in {found.room_id} as {found.text!r}",
            )

    # What was answered.

    def check_answers(self) -> Iterator[Violation]:
        """What was acknowledged is stored under that number; what was only refused is not."""
        open_ = Counter(map(_key, self.sends))
        for one in self.records:
            if isinstance(one, Acked):
                yield from self._check_number(one, "acknowledged")
            elif isinstance(one, Refused) and one.code not in UNDECIDED:
                open_[_key(one)] -= 1
        for key, left in open_.items():
            if left <= 0 and key in self.stored:
                what = f"{_name(key)} was refused each time, and is stored"
                yield Violation("stored though refused", what)

    def _check_number(self, told: Acked | Heard, how: str) -> Iterator[Violation]:
        """A message that somebody knows of is stored under the number that was told."""
        key, message = _key(told), self.stored.get(_key(told))
        if message is None:
            what = f"{_name(key)} was {how} as number {told.seq}, and is not stored"
            yield Violation("lost", what)
        elif message.seq != told.seq:
            what = f"{_name(key)} was {how} as number {told.seq}, and is stored as {message.seq}"
            yield Violation("renumbered", what)

    # The order.

    def check_real_time(self) -> Iterator[Violation]:
        """If a was acknowledged or heard before b was sent, then a has the lower number."""
        known: dict[str, StoredMessage] = {}  # of each room the highest number known so far
        for one in self.records:
            if not isinstance(one, Sent | Acked | Heard):
                continue
            message = self.stored.get(_key(one))
            if message is None:
                continue
            highest = known.get(message.room_id)
            if not isinstance(one, Sent):
                known[message.room_id] = _later(highest, message)
            elif one is self.first[_key(one)]:
                yield from _before(highest, message, "which was known before that was sent")

    def check_sessions(self, strict: bool) -> Iterator[Violation]:
        """What a session sent in a room has numbers in that order; what was refused is put aside.

        A message that comes again may have its number from an earlier session. So it sets a bound
        to those that are new after it, and has none itself.
        """
        refused = {(r.session, *_key(r)) for r in self.records if isinstance(r, Refused)}
        acked = {(a.session, *_key(a)) for a in self.records if isinstance(a, Acked)}
        put_off = {(user, key) for _, user, key in refused}
        highest: dict[tuple[str, str], StoredMessage] = {}
        for sent in self.sends:
            message, operation = self.stored.get(_key(sent)), (sent.session, *_key(sent))
            if message is None or operation in refused:
                continue
            place = (sent.session, sent.room_id)
            if sent is self.first[_key(sent)]:
                why = f"which {sent.session} sent before"
                yield from _before(highest.get(place), message, why)
            if operation in acked or (strict and _key(sent) not in put_off):
                highest[place] = _later(highest.get(place), message)

    # The readers.

    def check_readers(self) -> Iterator[Violation]:
        """Each stream ascends, has no holes, and tells what was sent and is stored."""
        for stream in self._streams():
            for heard in stream.heard:
                how = f"told to {stream.reader}"
                yield from self._compare(heard, how)
                yield from self._check_number(heard, how)
            yield from _check_ascent(stream)
            yield from self._check_complete(stream)

    def _streams(self) -> list[_Stream]:
        streams: list[_Stream] = []
        current: dict[tuple[str, str], _Stream] = {}
        for one in self.records:
            if isinstance(one, Joined | Left):
                before = current.get((one.reader, one.room_id))
                if before is not None:
                    before.until = (one.since or 0) if isinstance(one, Joined) else 0
            if isinstance(one, Joined):
                streams.append(_Stream(one.reader, one.room_id, one.since))
                current[one.reader, one.room_id] = streams[-1]
            elif isinstance(one, Heard):
                place = (one.reader, one.room_id)
                if place not in current:  # it heard something before it joined
                    streams.append(_Stream(one.reader, one.room_id, None, until=0))
                    current[place] = streams[-1]
                current[place].heard.append(one)
        return streams

    def _check_complete(self, stream: _Stream) -> Iterator[Violation]:
        """A stream has every number after ``since``, as far as it must reach and has reached."""
        told = {heard.seq for heard in stream.heard}
        if stream.since is None and not told:
            return
        messages = self.rooms.get(stream.room_id, [])
        since = min(told) - 1 if stream.since is None else stream.since
        begin = bisect_right(messages, since, key=attrgetter("seq"))
        end = bisect_right(messages, max(stream.until, *told, 0), key=attrgetter("seq"))
        for message in messages[begin:end]:
            if message.seq not in told:
                yield Violation(
                    "missed",
                    f"{stream.reader} was not told number {message.seq} of {stream.room_id}, "
                    f"{_name(_key(message))}",
                )


def _check_ascent(stream: _Stream) -> Iterator[Violation]:
    """Each number is higher than the one before."""
    last, told = stream.since or 0, set[int]()
    for heard in stream.heard:
        if heard.seq <= last:
            again = heard.seq in told or heard.seq <= (stream.since or 0)
            what = f"{stream.reader} was told number {heard.seq} of {stream.room_id} after {last}"
            yield Violation("repeated" if again else "out of order", what)
        told.add(heard.seq)
        last = max(last, heard.seq)


# ---------------------------------------------------------------------- small things


def _key(one: Sent | Acked | Refused | Heard | StoredMessage) -> Key:
    return one.user_id, one.client_msg_id


def _name(key: Key) -> str:
    return f"{key[1]} of {key[0]}"


def _numbers(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first} to {last}"


def _later(one: StoredMessage | None, other: StoredMessage) -> StoredMessage:
    return other if one is None or other.seq > one.seq else one


def _before(earlier: StoredMessage | None, message: StoredMessage, why: str) -> Iterator[Violation]:
    """A violation if ``message`` should have the higher number and has not."""
    if earlier is not None and message.seq < earlier.seq:
        yield Violation(
            "out of order",
            f"{_name(_key(message))} has number {message.seq} in {message.room_id}, below "
            f"{earlier.seq} of {_name(_key(earlier))}, {why}",
        )
