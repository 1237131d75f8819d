"""What a session is told of the past: the messages it missed, and pages of the history.

All of it is told in portions. The next one is read from the store when the last has left for the
client's side. So a client that does not read holds one portion of our memory, whatever it asks
for, and one that reads slowly but steadily is never cut off for what it missed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from msgspec import Struct

from goim_edu.chat.errands import MOST_OPEN, Errand, Question, SharedQuestion, nothing, refusal
from goim_edu.chat.ports import Company, Store, StoredMessage
from goim_edu.chat.room import Backlog, Member, Room, chat_message
from goim_edu.chat.vocabulary import (
    MAX_HISTORY,
    MAX_MEMBERS,
    History,
    HistoryPage,
    Join,
    Joined,
    Members,
    MembersPage,
)
from goim_edu.errors import StoreError

__all__ = [
    "MOST_OCTETS",
    "Asker",
    "Past",
    "catch_up",
    "greet_again",
    "last_number",
    "page_of_history",
    "page_of_members",
    "portion_of",
]

MOST_OCTETS: Final = 128 * 1024
"""Of the texts and names in one answer. JSON writes an octet in six at most, so the answer stays
below the 1 MiB that clients take."""

_FIRST_PORTION: Final = 50  # messages
_ALL: Final = 1 << 63  # more messages than there are
_OVERHEAD: Final = 150  # octets of a message beside its texts and names

Tell = Callable[[Struct], None]


class Past(NamedTuple):
    """What a newcomer missed, as far as one question tells.

    Args:
        last_seq: the last number that the newcomer knows when it has been told all of it.
        told: the number that ``messages`` begin after.
        messages: the first of them.
        truncated: whether those up to ``told`` were missed, too.
        most: so many messages may be among them; if there are fewer, there are no more.
    """

    last_seq: int
    told: int
    messages: Sequence[StoredMessage]
    truncated: bool
    most: int


def portion_of(queue_limit: int) -> int:
    """How many octets of texts and names to tell at once, where so many may wait for a client."""
    return min(MOST_OCTETS, queue_limit // (2 * MOST_OPEN))


def look_up_past(store: Store, room_id: str, since: int | None, most: int) -> Past:
    """What a newcomer has missed; blocks.

    Args:
        store: where the messages are.
        room_id: the room.
        since: the last number that the newcomer knows, None if it wants nothing of the past.
        most: how many numbers it is told at most. If it missed more, these are the newest: what is
            said from now on follows them, and ``history`` brings the earlier ones.
    """
    last = store.last_seq(room_id)
    if since is None or since >= last:
        return Past(last, last, (), False, _ALL)
    told = max(since, last - most)
    messages = store.history(room_id, after_seq=told, limit=_FIRST_PORTION)
    return Past(last, told, messages, told > since, _FIRST_PORTION)


def fitting(messages: Sequence[StoredMessage], octets: int) -> Sequence[StoredMessage]:
    """The first of these messages, as many as have so many octets; one at least."""
    for number, message in enumerate(messages):
        texts = message.text, message.user_id, message.client_msg_id, message.room_id
        octets -= _OVERHEAD + sum(len(text.encode()) for text in texts)
        if octets < 0 and number:
            return messages[:number]
    return messages


class Asker(NamedTuple):
    """The session that asks.

    Args:
        store: where the messages are.
        tell: writes a reply to it.
        octets: of the texts and names in one portion.
    """

    store: Store
    tell: Tell
    octets: int


def catch_up(
    to: Asker, room: Room, member: Member, backlog: Backlog, request: Join, most: int
) -> Errand:
    """Answer a ``join``: who is here, what was missed, and from then on what is said.

    Raises:
        RequestRefused: the store cannot tell what was missed.
    """
    backlog.rest()
    yield nothing
    if room.gate.last is None:
        # The first one has the gate opened, and all that come meanwhile wait for that.
        opening = yield partial(_look_in, to.store, room, backlog)
        if isinstance(opening, StoreError):
            raise refusal(opening)
        open_room(room, opening)
    if not room.is_arriving(member, backlog):
        return  # it has left meanwhile
    past = _remembered(room, backlog, request)
    if past is None:

        def look_up() -> Question:
            backlog.listen()
            return partial(look_up_past, to.store, room.room_id, request.since, most)

        past = yield look_up
        if not room.is_arriving(member, backlog):
            return
        if isinstance(past, StoreError):
            raise refusal(past)
    _join(to, room, member, request, past.last_seq, past.truncated)
    yield from _tell_missed(to, room, member, backlog, past)


class Opening(NamedTuple):
    """What must be known of a room before it is open.

    Args:
        newest: its last messages, ascending.
        company: who is in it at other servers.
    """

    newest: Sequence[StoredMessage]
    company: Company


def _look_in(store: Store, room: Room, backlog: Backlog) -> Question:
    backlog.listen()
    return SharedQuestion(room, partial(_opening, store, room))


def _opening(store: Store, room: Room) -> Opening:
    """Ask the store and the other servers; blocks."""
    newest = store.history(room.room_id, limit=_FIRST_PORTION)
    return Opening(newest, room.company())


def open_room(room: Room, opening: Opening) -> None:
    """From now on messages pass into the room, and its members know who is elsewhere."""
    newest, company = opening
    if room.gate.last is None:
        last = newest[-1].seq if newest else 0
        room.meet(company)
        room.gate.open(last, newest)


def _remembered(room: Room, backlog: Backlog, request: Join) -> Past | None:
    """What the gate can tell of what was missed; None if the store must."""
    room.flush()
    last, since = room.gate.last or 0, request.since
    if since is None:
        known = backlog.known(last)
        return Past(known, known, (), False, _ALL)
    if not room.gate.covers(since):
        return None
    backlog.listen()
    return Past(last, since, room.gate.after(since), False, _ALL)


def greet_again(to: Asker, room: Room, member: Member, request: Join) -> Errand:
    """Answer the ``join`` of a member that wants nothing of the past: it goes on as before."""
    yield nothing
    if room.gate.last is not None:
        room.flush()
        _join(to, room, member, request, room.gate.last)


def _join(
    to: Asker,
    room: Room,
    member: Member,
    request: Join,
    last_seq: int,
    truncated: bool = False,
) -> None:
    names, _ = room.roster.page(None, MAX_MEMBERS)
    count = room.member_count
    to.tell(Joined(room.room_id, last_seq, names, count, truncated, request.ref))
    room.greet(member)


def _tell_missed(to: Asker, room: Room, member: Member, backlog: Backlog, past: Past) -> Errand:
    """Tell it portion by portion, until there is no more than was told."""
    told, messages, most = past.told, past.messages, past.most
    while True:
        portion = fitting(messages, to.octets)
        for message in portion:
            to.tell(chat_message(message))
            told = message.seq
        if len(portion) == len(messages) < most:
            room.settle(member, backlog, told)
            return
        backlog.rest()
        yield nothing
        if not room.is_arriving(member, backlog):
            return
        if room.gate.covers(told):
            messages, most = room.gate.after(told), _ALL
            backlog.listen()
            continue
        most = min(MAX_HISTORY, max(_FIRST_PORTION, 2 * len(portion)))
        messages = yield partial(_look_on, to.store, room.room_id, backlog, told, most)
        if not room.is_arriving(member, backlog):
            return
        if isinstance(messages, StoreError):
            # It is in the room, but must not miss anything: it comes back with ``since``.
            member.connection.close(1013, "the store does not answer")
            return


def _look_on(store: Store, room_id: str, backlog: Backlog, told: int, most: int) -> Question:
    backlog.listen()
    return partial(store.history, room_id, after_seq=told, limit=most)


def page_of_history(to: Asker, request: History) -> Errand:
    """Answer a ``history``.

    Raises:
        RequestRefused: the store cannot tell.
    """
    room_id, before, limit = request.room_id, request.before_seq, request.limit
    found = yield lambda: partial(to.store.history, room_id, before_seq=before, limit=limit + 1)
    if isinstance(found, StoreError):
        raise refusal(found)
    newest = fitting(found[: -limit - 1 : -1], to.octets)
    page = [chat_message(message) for message in reversed(newest)]
    to.tell(HistoryPage(room_id, page, len(page) < len(found), request.ref))


def last_number(to: Asker, room: Room, then: Callable[[int], None]) -> Errand:
    """Find the last number of a room that does not know it yet, and go on with it.

    Raises:
        RequestRefused: the store cannot tell.
    """
    last = yield lambda: partial(to.store.last_seq, room.room_id)
    if isinstance(last, StoreError):
        raise refusal(last)
    then(last)


def page_of_members(to: Asker, room: Room, request: Members) -> Errand:
    """Answer a ``members``."""
    yield nothing
    names, has_more = room.roster.page(request.after, request.limit)
    to.tell(MembersPage(room.room_id, names, room.member_count, has_more, request.ref))
