"""The follower: one thread that reads the change stream of the database, for all rooms of a server.

Its events come in the order in which a majority has them, so the numbers of a room ascend. They
wait in a bounded queue for the event loop. If that is full, the thread stops to read: the oplog is
the larger queue, nothing is dropped, and the lag shows.

A stream that broke goes on after the last event (its resume token). If the oplog no longer reaches
back so far, a new stream begins now, and the rooms are told to look into the store: what lies
between is never passed over in silence.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import pymongo
from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_preferences import ReadPreference

from goim_edu.storage.mongodb_answers import UNSURE_CODES
from goim_edu.storage.mongodb_client import Database, unavailable

__all__ = ["Event", "Follower", "FollowerStats"]

log = logging.getLogger("goim_edu.cluster")

_MOST_WAITING: Final = 10_000  # events that wait for the event loop
_BATCH: Final = 1000  # events that are asked for at once
_IDLE: Final = 0.5  # seconds that mongod waits for an event before it answers
_ANSWER: Final = 10.0  # seconds until a member that does not answer is given up
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0


class Event(NamedTuple):
    """One document that was inserted or replaced.

    Args:
        collection: its name.
        document: the document.
        moment: when a majority had it, in the set's own time.
    """

    collection: str
    document: dict[str, Any]
    moment: Timestamp


@dataclass(slots=True)
class FollowerStats:
    """What a follower has done so far.

    ``lag`` is the age of the last event when it was read, by the clocks of mongod and of this
    machine.
    """

    events: int = 0
    reopened: int = 0
    lost: int = 0
    lag: float = 0.0


class Follower:
    """Follows some collections of a database.

    Args:
        database: of a replica set or a sharded cluster.
        collections: the names of those to follow.
        deliver: is called in the follower's thread when events wait and none waited before:
            ``take`` gives them, in any thread.
        opened: is called in that thread when a stream is open. It is told whether events may have
            been missed before: so at the start, and where the oplog did not reach back.
    """

    def __init__(
        self,
        database: Database,
        collections: Sequence[str],
        deliver: Callable[[], None],
        opened: Callable[[bool], None],
    ) -> None:
        self._database = database.with_options(read_preference=ReadPreference.SECONDARY_PREFERRED)
        self._pipeline: list[dict[str, Any]] = [
            {
                "$match": {
                    "operationType": {"$in": ["insert", "replace"]},
                    "ns.coll": {"$in": list(collections)},
                }
            },
            {"$project": dict.fromkeys(("fullDocument", "ns.coll", "clusterTime", "wallTime"), 1)},
        ]
        self._deliver = deliver
        self._opened = opened
        self._events: deque[Event] = deque()
        self._has_room = threading.Condition()
        self._stop = threading.Event()
        self._reopen = False
        self._token: Mapping[str, Any] | None = None
        self._begin: Timestamp | None = None
        self._thread: threading.Thread | None = None
        self.stats = FollowerStats()

    # ------------------------------------------------------------------ from other threads

    def start(self, begin: Timestamp | None = None) -> None:
        """Follow from now on.

        Args:
            begin: a moment from which on everything is told; None to go on after the last event,
                or to begin now if there was none.
        """
        if begin is not None:
            self._token = None  # it may be days old
        self._begin = begin
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(self._stop,), name="goim follower", daemon=True
        )
        self._thread.start()

    def reopen(self) -> None:
        """The stream says nothing, though it should: open a new one, which goes on after it."""
        self._reopen = True

    def stop(self, timeout: float = 2.0) -> None:
        """Follow no more; a thread that waits for mongod ends a moment later."""
        self._stop.set()
        with self._has_room:
            self._has_room.notify_all()
        if self._thread is not None:
            self._thread.join(timeout)
            self._thread = None

    @property
    def running(self) -> bool:
        """Whether it follows."""
        return self._thread is not None

    def take(self, most: int) -> list[Event]:
        """The events that wait longest; as long as it gives some, ask again."""
        with self._has_room:
            events = [self._events.popleft() for _ in range(min(most, len(self._events)))]
            self._has_room.notify_all()
        return events

    # ------------------------------------------------------------------ in the follower's thread

    def _run(self, stop: threading.Event) -> None:
        pause = _FIRST_PAUSE
        while not stop.is_set():
            try:
                self._follow(stop)
                pause = _FIRST_PAUSE
            except OperationFailure as error:
                if error.code in UNSURE_CODES:  # such as a member that is no longer primary
                    log.info("change stream broke why=%r", _words(error))
                else:  # such as 286, ChangeStreamHistoryLost: the oplog does not reach back so far
                    self._forget(_words(error))
            except PyMongoError as error:
                log.info("change stream broke why=%r", _words(error))
            if not stop.is_set():
                self.stats.reopened += 1
                stop.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _forget(self, why: str) -> None:
        """The next stream begins now."""
        log.warning("change stream lost why=%r", why)
        self._token = self._begin = None
        self.stats.lost += 1

    def _follow(self, stop: threading.Event) -> None:
        """Open a stream and read it until it ends."""
        self._reopen = False
        is_new = self._token is None and self._begin is None
        with pymongo.timeout(_ANSWER):
            stream = self._database.watch(
                self._pipeline,
                resume_after=self._token,
                start_at_operation_time=self._begin if self._token is None else None,
                batch_size=_BATCH,
                max_await_time_ms=int(1000 * _IDLE),
            )
        with stream:
            self._opened(is_new)
            while stream.alive and not stop.is_set() and not self._reopen:
                with pymongo.timeout(_ANSWER):
                    change = stream.try_next()
                if change is not None:
                    self._put(change, stop)
                self._token = stream.resume_token
            if not stream.alive:
                self._forget("the database or a collection was dropped")

    def _put(self, change: Mapping[str, Any], stop: threading.Event) -> None:
        """Add an event to those that wait, when there is room."""
        moment: Timestamp = change["clusterTime"]
        event = Event(change["ns"]["coll"], change["fullDocument"], moment)
        self.stats.events += 1
        when = change.get("wallTime")  # since MongoDB 6.0
        self.stats.lag = max(0.0, time.time() - (when.timestamp() if when else moment.time))
        with self._has_room:
            self._has_room.wait_for(lambda: len(self._events) < _MOST_WAITING or stop.is_set())
            self._events.append(event)
            is_first = len(self._events) == 1
        if is_first:
            self._deliver()


def _words(error: PyMongoError) -> str:
    return str(unavailable(error, "it cannot go on"))
