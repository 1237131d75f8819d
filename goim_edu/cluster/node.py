"""A server as one of several: it follows the others, and tells them what is new with it.

Everything happens in the event loop of the server, but for what blocks: the follower has a thread,
and so has what is written. The rooms know the node as their ``Peers``; the node knows the hub.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from time import monotonic
from typing import Any, Final
from uuid import uuid4

from goim_edu.chat.hub import Hub
from goim_edu.chat.ports import Company, StoredMessage, Whereabouts
from goim_edu.cluster.bulletins import Bulletin, Outbox, from_document
from goim_edu.cluster.follower import Event, Follower
from goim_edu.cluster.hearing import hear_news
from goim_edu.cluster.inbox import Inbox
from goim_edu.cluster.peers import BEAT_EVERY, DEAD_AFTER, Clock, Peer, PeerTable
from goim_edu.cluster.ports import SharedStore
from goim_edu.cluster.registry import BULLETINS, PEERS, Registry
from goim_edu.errors import StoreError
from goim_edu.storage.documents import to_message

__all__ = ["Node"]

log = logging.getLogger("goim_edu.cluster")

_TICK: Final = 0.25  # seconds; also between two bulletins
_UNSEEN: Final = 2.0  # seconds after which the stream should have told what we stored ourselves
_STALLED: Final = 30.0  # seconds without a beat of our own until we are not well
_JOINS: Final = 1000.0  # joins a second that a server should take after another has closed
_SHORTEST: Final = 1.0  # seconds over which clients come back


class Node:
    """One server of a chat that has several.

    Args:
        store: where the messages are: in a replica set, or a sharded cluster.

    Attributes:
        server: its name, a new one in each life.
        peers: the other servers.
        follower: reads what they store and tell.
        alone: False: there may be others.

    All methods but ``company`` are called in the event loop.
    """

    alone = False

    def __init__(self, store: SharedStore) -> None:
        self.server = uuid4().hex
        self.peers = PeerTable()
        self.url = ""
        self._store = store
        self._registry = Registry(store.database, store.messages)
        self.follower = Follower(
            store.database, [store.messages, PEERS, BULLETINS], self._wake, self._stream_opened
        )
        self._pool = ThreadPoolExecutor(2, "goim cluster")
        self._hub: Hub
        self._loop: asyncio.AbstractEventLoop
        self._outbox: Outbox
        self._inbox: Inbox | None = None
        self._clock = Clock(monotonic())
        self._beats = self._bulletins = 0
        self._next_beat = 0.0
        self._beat_seen = self._mended = 0.0
        self._beating = self._telling = self._draining = self._ended = False
        self._unseen: dict[str, tuple[int, float]] = {}  # our last number of a room, and since when
        self._timer: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------------ life

    def start(self, hub: Hub, url: str) -> None:
        """Follow the others, and tell them that we are there.

        Args:
            hub: of the server.
            url: where others can reach it; it is for people who look.
        """
        self._hub, self.url, self._loop = hub, url, asyncio.get_running_loop()
        self._outbox = Outbox(self._names_in, hub.limits.presence_limit)
        self._inbox = Inbox(
            *(self.follower, self._loop, self._hear, self._store.reach, self._is_awaited)
        )
        self.follower.start(self._store.moment)
        self._enter()
        self._tick()

    def drain(self) -> None:
        """Tell the others that this server is about to close."""
        self._draining = True
        self._next_beat = 0.0

    async def stop(self) -> None:
        """Follow no more, and tell the others that we are gone."""
        if self._timer is not None:
            self._timer.cancel()
        leaving = self._write(lambda: self._registry.leave(self.server, self.url, self._beats + 1))
        await asyncio.wait({asyncio.wrap_future(leaving)}, timeout=2.0)
        self.abort()

    def abort(self) -> None:
        """End at once."""
        self._ended = True
        if self._inbox is not None:
            self._inbox.stop()
        if self._timer is not None:
            self._timer.cancel()
        self.follower.stop(timeout=0.0)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _write(
        self, write: Callable[[], Any], then: Callable[[Any], None] | None = None
    ) -> Future[Any]:
        """Do what blocks in a thread; ``then`` gets the result, or the StoreError, in the loop."""
        if self._ended:  # something that was to be done later comes too late
            future: Future[Any] = Future()
            future.cancel()
            return future
        future = self._pool.submit(_or_error, write)
        if then is not None:
            future.add_done_callback(partial(self._is_written, then))
        return future

    def _is_written(self, then: Callable[[Any], None], future: Future[Any]) -> None:
        if not future.cancelled() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(then, future.result())

    # ------------------------------------------------------------------ a few times a second

    def _tick(self) -> None:
        now = self._clock.tick(monotonic())
        self._timer = self._loop.call_later(_TICK, self._tick)
        if self._clock.stood_still:
            self._next_beat = 0.0  # at once: the others may have given us up
        if now >= self._next_beat and not self._beating:
            self._beat(now)
        if self._outbox and not self._telling:
            self._tell()
        self._follow_up(now)
        if now - max(self._beat_seen, self._mended) > DEAD_AFTER:
            self._mended = now
            log.info("we hear nothing, not even of ourselves: look into the store")
            self._mend()
            self._hub.check("stalled")
        elif now - self._beat_seen < 2 * BEAT_EVERY:  # else it is us who hear nothing
            for peer in self.peers.silent(now):
                self._bury(peer, now)

    def _mend(self) -> None:
        """Open another stream: the one that is open says nothing."""
        self.follower.reopen()

    def _enter(self) -> None:
        """Be one of the servers, under a new name."""
        self._beats, self._beating = 1, True
        self._next_beat = self._clock.time + BEAT_EVERY
        self._write(lambda: self._registry.enter(self.server, self.url), self._entered)

    def _entered(self, others: Any) -> None:
        self._beating = False
        if isinstance(others, StoreError):
            log.info("not among the servers yet why=%r", str(others))
            self._loop.call_later(1.0, self._enter)
            return
        for document in others:
            self.peers.beat(document, self._clock.time)
        for room in self._hub.rooms.values():
            if not room.roster.empty:
                self._outbox.tell_whole(room.room_id)

    def _beat(self, now: float) -> None:
        self._beats += 1
        self._beating = True
        self._next_beat = now + BEAT_EVERY
        server, number, draining = self.server, self._beats, self._draining
        self._write(
            lambda: self._registry.beat(server, self.url, number, draining=draining), self._beaten
        )

    def _beaten(self, is_known: Any) -> None:
        self._beating = False
        if is_known is True and self._tells_by_bus:
            beat = {"_id": self.server, "url": self.url, "beat": self._beats}
            self._tell_by_bus("beat", beat | {"draining": self._draining})
        if is_known is False:
            log.warning("the other servers had given this one up: it goes on under a new name")
            self.server, self._bulletins = uuid4().hex, 0
            self._enter()

    def _bury(self, peer: Peer, now: float) -> None:
        """It has been silent for too long, unless the database knows better."""
        peer.seen = now  # one look at a time

        def buried(is_gone: Any) -> None:
            if is_gone is True:
                log.warning("a server is gone server=%s url=%s", peer.server, peer.url)
                self._lose(peer.server)

        self._write(partial(self._registry.bury, peer.server, peer.beat), buried)

    def _lose(self, server: str) -> None:
        """A server is gone: its users have a while to come back to another."""
        if self.peers.forget(server):
            self._loop.call_later(self._hub.limits.presence_grace, self._forget, server)

    def _forget(self, server: str) -> None:
        for room in self._hub.rooms.values():
            room.forget_server(server)

    # ------------------------------------------------------------------ what the rooms tell

    def opened(self, room_id: str) -> None:
        """There is a room of this name here now."""

    def closed(self, room_id: str) -> None:
        """The room is empty here, and forgotten."""
        self._unseen.pop(room_id, None)

    def company(self, room_id: str) -> Company:
        """The users of the room at the other servers; it blocks."""
        return self._registry.company(room_id, self.server)

    def stored(self, message: StoredMessage) -> None:
        """We have stored a message, so the stream will tell it."""
        room_id, seq = message.room_id, message.seq
        known = self._unseen.get(room_id)
        if known is None:
            self._unseen[room_id] = seq, self._clock.time
        elif seq > known[0]:
            self._unseen[room_id] = seq, known[1]

    def came(self, room_id: str, user_id: str) -> None:
        """A user is in the room at this server now."""
        self._outbox.move(room_id, user_id, here=True)

    def went(self, room_id: str, user_id: str) -> None:
        """A user is no longer in the room at this server."""
        self._outbox.move(room_id, user_id, here=False)

    def typing(self, room_id: str, user_id: str) -> None:
        """A user is typing here."""
        self._outbox.typing(room_id, user_id)

    def read(self, room_id: str, user_id: str, seq: int) -> None:
        """A user has read up to this number here."""
        self._outbox.read(room_id, user_id, seq)

    @property
    def fill_delay(self) -> float:
        """None: the change stream brings all in order."""
        return 0.0

    def _names_in(self, room_id: str) -> Sequence[str]:
        room = self._hub.rooms.get(room_id)
        return [] if room is None else room.roster.local_names()

    def _tell(self) -> None:
        """Tell the others what is new."""
        self._bulletins += 1
        bulletin = self._outbox.take(self.server, self._bulletins)
        lists = {
            room_id: self._names_in(room_id)
            for room_id, news in bulletin.rooms.items()
            if news.tells_presence
        }
        most = self._hub.limits.presence_limit
        self._telling = True
        by_bus = self._tells_by_bus
        self._write(
            lambda: self._registry.tell(bulletin, lists, most, only_lists=by_bus),
            partial(self._told, bulletin, by_bus),
        )

    def _told(self, bulletin: Bulletin, by_bus: bool, answer: Any) -> None:
        self._telling = False
        if isinstance(answer, StoreError):
            log.info("news was not told why=%r", str(answer))
            self._outbox.put_back(bulletin)
        elif by_bus:
            self._tell_by_bus("bulletin", bulletin.to_document())

    @property
    def _tells_by_bus(self) -> bool:
        """Whether there is a bus now."""
        return False

    def _tell_by_bus(self, kind: str, document: dict[str, Any]) -> None:
        """Tell all servers something; there is no bus here."""

    def _follow_up(self, now: float) -> None:
        """What we have stored should have come back by the stream; else more may be missing."""
        for room_id, (seq, since) in tuple(self._unseen.items()):
            if now - since > _UNSEEN:
                self._unseen[room_id] = seq, now
                self._hub.check("unseen", room_id)

    # ------------------------------------------------------------------ what the others tell

    def _wake(self) -> None:
        """Events wait; called in the follower's thread."""
        if self._inbox is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._inbox.take)

    def _is_awaited(self, event: Event) -> bool:
        """Whether it tells a message that a client of ours has sent, and has no ack for yet."""
        if event.collection != self._store.messages:
            return False
        key = event.document.get("user_id"), event.document.get("client_msg_id")
        return key in self._hub.in_flight

    def _hear(self, event: Event) -> None:
        if event.collection == PEERS:
            self.hear_beat(event.document)
        elif event.collection == BULLETINS:
            self.hear_bulletin(event.document)
        else:
            self._hear_message(event.document)

    def _hear_message(self, document: dict[str, Any]) -> None:
        room_id, seq = document["room_id"], document["seq"]
        unseen = self._unseen.get(room_id)
        if unseen is not None:
            if seq >= unseen[0]:
                del self._unseen[room_id]
            else:
                self._unseen[room_id] = unseen[0], self._clock.time
        room = self._hub.rooms.get(room_id)
        if room is not None and seq > (room.gate.last or 0):
            room.gate.arrived(to_message(document))

    def hear_beat(self, document: dict[str, Any]) -> None:
        """The heart of a server has beaten, maybe our own."""
        server = document["_id"]
        if server == self.server:
            self._beat_seen = self._clock.time
        elif document.get("gone"):
            self._lose(server)
        else:
            self.peers.beat(document, self._clock.time)

    def hear_bulletin(self, document: dict[str, Any]) -> None:
        """A server has told what is new with it."""
        try:
            bulletin = from_document(document)
        except ValueError as error:
            log.warning("not understood why=%r", str(error))
            return
        if bulletin.server == self.server:
            return
        peer = self.peers.hear(bulletin.server, self._clock.time)
        if bulletin.number <= peer.told:
            return
        is_next = bulletin.number == peer.told + 1
        peer.told = bulletin.number
        for room_id, news in bulletin.rooms.items():
            room = self._hub.rooms.get(room_id)
            if room is not None:
                hear_news(room, bulletin, news)
        if not is_next:
            self._ask_for_lists(peer.server)

    def _ask_for_lists(self, server: str) -> None:
        """A bulletin of a server was missed: ask for all that it would have told."""
        rooms = [room_id for room_id, room in self._hub.rooms.items() if room.gate.last is not None]
        number = self.peers.hear(server, self._clock.time).told

        def found(lists: Any) -> None:
            if isinstance(lists, StoreError):
                self._loop.call_later(1.0, self._ask_for_lists, server)
                return
            for room_id in rooms:
                room = self._hub.rooms.get(room_id)
                if room is not None and room.gate.last is not None:
                    room.meet([lists.get(room_id, Whereabouts(server, number, ()))])

        if rooms and server in self.peers:
            self._write(partial(self._registry.lists_of, server, rooms), found)

    def _stream_opened(self, may_have_missed: bool) -> None:
        """Called in the follower's thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._begin_anew, may_have_missed)

    def _begin_anew(self, may_have_missed: bool) -> None:
        if may_have_missed:
            self._hub.check("reopened")
            for server in self.peers.servers():
                self._ask_for_lists(server)

    # ------------------------------------------------------------------ to be asked

    def reconnect_after(self, joins: int) -> Callable[[], int]:
        """When the clients of a server that closes should come back, in milliseconds.

        For each it is another time, so that the other servers can take them.

        Args:
            joins: how many they will ask for, in all.
        """
        window = max(_SHORTEST, joins / (max(1, self.peers.serving) * _JOINS))
        least = 0.0 if self.peers.serving else _SHORTEST  # alone it must start again first
        return lambda: int(1000 * random.uniform(least, least + window))

    @property
    def lag(self) -> float:
        """Seconds by which we may be behind: a beat of ours should have come back by now."""
        silent = self._clock.time - self._beat_seen - 2 * BEAT_EVERY
        return max(self.follower.stats.lag, silent)

    @property
    def trouble(self) -> str:
        """Why clients should go to another server; empty if all is well."""
        silent = self._clock.time - self._beat_seen
        return "" if silent < _STALLED else "stream stalled"


def _or_error(write: Callable[[], Any]) -> Any:
    try:
        return write()
    except StoreError as error:
        return error
    except Exception as error:  # a mistake of ours must not end the beats
        log.exception("the other servers were not told")
        return StoreError(f"{type(error).__name__}: {error}")
