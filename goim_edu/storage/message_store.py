"""The message store: write and read messages, whatever backend keeps them."""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack
from uuid import uuid4

from goim_edu.errors import StoreError, StoreUnavailable
from goim_edu.storage.backend import Backend, Change, Plan
from goim_edu.storage.documents import MAX_SEQ, Saved, StoredMessage, check_name
from goim_edu.storage.group_commit import WriterStats
from goim_edu.storage.queries import check_number, checked_page, checked_span
from goim_edu.storage.readers import Readers
from goim_edu.storage.twins import awaitable
from goim_edu.storage.writers import WriterOptions, Writers

if TYPE_CHECKING:
    from pymongo.database import Database

__all__ = ["MessageStore", "StoreOptions"]

T = TypeVar("T")


class StoreOptions(WriterOptions, total=False):
    """The settings of a :class:`MessageStore`."""

    flush_timeout: float
    """Seconds that :meth:`MessageStore.close` may spend on writing what still waits; 10."""


class MessageStore:
    """Messages of rooms: kept once each, numbered by room, read back in pages.

    Args:
        backend: where they live, a :class:`MemoryBackend` or a :class:`MongoBackend`;
            :func:`open_store` chooses one.
        flush_timeout: seconds that :meth:`close` may spend on writing what still waits.
        **writer: settings of :class:`GroupCommit`: max_batch, linger, max_waiting, patience.

    All methods may be called from any thread, and from coroutines of any event loop. Those that
    read block; where a thread must not wait, await their twins (:meth:`ahistory` and so on), or
    call them through :meth:`run`.

    A future of :meth:`submit` that is cancelled takes its message back only as long as that is not
    being written; send it again under the same ``client_msg_id`` to learn what became of it.

    What a script or notebook has submitted is written even if it just ends: the store is closed by
    ``atexit`` then. Nothing else is changed in the process, and :meth:`close` takes it back.

    >>> from goim_edu.store import open_store
    >>> with open_store("memory") as store:
    ...     store.insert_one_message("lobby", "lisa", "hello", client_msg_id="m1").seq
    ...     store.submit("lobby", "lisa", "hello", client_msg_id="m1").result().duplicate
    ...     [message.text for message in store.history("lobby")]
    1
    True
    ['hello']
    """

    def __init__(
        self,
        backend: Backend,
        *,
        flush_timeout: float = 10.0,
        **writer: Unpack[WriterOptions],
    ) -> None:
        self.backend = backend
        self.flush_timeout = flush_timeout
        self._writers = Writers(backend, **writer)
        self._readers = Readers()
        self._lock = threading.Lock()
        self._closed = False
        atexit.register(self.close)

    # About the store.

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        mode = ", read only" if self.read_only else ""
        return f"<MessageStore {state}{mode}: {self.description}>"

    @property
    def description(self) -> str:
        """Where messages live, in words for a learner."""
        return self.backend.description

    @property
    def durable(self) -> bool:
        """Whether messages outlive this process."""
        return self.backend.durable

    @property
    def read_only(self) -> bool:
        """Whether it was opened to read only."""
        return self.backend.read_only

    @property
    def database(self) -> Database[dict[str, Any]]:
        """The database itself: one of pymongo, or of mongomock, which looks like it."""
        return self.backend.database

    @property
    def is_shared(self) -> bool:
        """Whether several servers can serve one chat from it: MongoDB must be a replica set."""
        return self.backend.is_shared

    @property
    def is_exclusive(self) -> bool:
        """Whether one server only can serve a chat from it: MongoDB is no replica set."""
        return self.backend.is_exclusive

    @property
    def messages(self) -> str:
        """The name of the collection of the messages."""
        return self.backend.collections.messages

    @property
    def moment(self) -> Any:
        """The latest moment that this store knows of, in the time of the replica set.

        :meth:`history` and :meth:`last_seq` read nothing older (manual: "Causal Consistency").
        It is None on a standalone MongoDB and in memory.
        """
        return self.backend.moment

    def reach(self, moment: Any) -> None:
        """Somebody else has told us of this moment: read nothing older from now on.

        Args:
            moment: the ``moment`` of another store, or the cluster time of a change event.
        """
        self.backend.reach(moment)

    @property
    def stats(self) -> WriterStats:
        """What the writers have done, and how many messages wait for them now."""
        return self._writers.stats

    def ping(self) -> float:
        """Seconds that the database took to answer.

        Raises:
            StoreUnavailable: it did not answer, or the store is closed.
        """
        self._check_open()
        return self.backend.ping()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")

    def _check_writable(self) -> None:
        self._check_open()
        if self.backend.read_only:
            raise StoreError("the store was opened with read_only=True, so it writes nothing")

    # Writing.

    def submit(self, room_id: str, user_id: str, text: str, *, client_msg_id: str) -> Future[Saved]:
        """Have a message stored; the future is done when it is durable.

        Args:
            room_id: the room, 1 to 256 characters of any kind.
            user_id: the sender, as long.
            text: 0 to about 16 MiB of UTF-8.
            client_msg_id: the sender's own name for this message, as long as the room.

        Returns:
            A future of :class:`Saved`. The same (user_id, client_msg_id) again gives the first
            message with ``duplicate`` true. The future raises StoreUnavailable (nothing was saved,
            send it again), or DuplicateMessage if the key was used in another room.

        Raises:
            TypeError, ValueError: it cannot be stored faithfully.
            StoreUnavailable: the queue is full or the store closed; nothing was saved.
            StoreError: the store was opened to read only.
        """
        self._check_writable()
        future: Future[Saved] = Future()
        self._writers.of(room_id).submit(room_id, user_id, client_msg_id, text, future)
        return future

    def submit_async(
        self, room_id: str, user_id: str, text: str, *, client_msg_id: str
    ) -> asyncio.Future[Saved]:
        """Like :meth:`submit`, for a coroutine: the future belongs to the running event loop.

        All futures of one batch are set in one call into the loop, which costs far less than
        ``asyncio.wrap_future`` for each.
        """
        self._check_writable()
        future: asyncio.Future[Saved] = asyncio.get_running_loop().create_future()
        self._writers.of(room_id).submit(room_id, user_id, client_msg_id, text, future)
        return future

    def insert_one_message(
        self, room_id: str, user_id: str, text: str, *, client_msg_id: str | None = None
    ) -> StoredMessage:
        """Store one message and wait until it is durable.

        Without a ``client_msg_id`` the message gets one that nobody else has.
        """
        key = uuid4().hex if client_msg_id is None else client_msg_id
        return self.submit(room_id, user_id, text, client_msg_id=key).result().message

    async def ainsert_one_message(
        self, room_id: str, user_id: str, text: str, *, client_msg_id: str | None = None
    ) -> StoredMessage:
        """Like :meth:`insert_one_message`, to be awaited."""
        key = uuid4().hex if client_msg_id is None else client_msg_id
        return (await self.submit_async(room_id, user_id, text, client_msg_id=key)).message

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything submitted so far is answered; False after ``timeout`` seconds."""
        return self._writers.flush(timeout)

    # Reading.

    def history(
        self,
        room_id: str,
        *,
        before_seq: int | None = None,
        after_seq: int | None = None,
        limit: int = 50,
    ) -> list[StoredMessage]:
        """A page of a room, ascending by seq.

        Args:
            room_id: the room; an empty one gives an empty list.
            before_seq: only lower numbers; the page then is the last one below it.
            after_seq: only higher numbers; the page then is the first one above it.
            limit: 1 to 10,000 messages.

        With neither bound the page is the newest. Nothing is skipped by counting, so a page costs
        the same wherever it is, and messages that arrive meanwhile shift nothing.

        Raises:
            StoreUnavailable: the database did not answer.

        >>> from goim_edu.store import open_store
        >>> store = open_store("memory")
        >>> for number in range(1, 6):
        ...     _ = store.insert_one_message("lobby", "lisa", str(number))
        >>> [m.seq for m in store.history("lobby", limit=2)]
        [4, 5]
        >>> [m.seq for m in store.history("lobby", before_seq=4, limit=2)]
        [2, 3]
        >>> [m.seq for m in store.history("lobby", after_seq=1, limit=2)]
        [2, 3]
        >>> store.close()
        """
        self._check_open()
        page = checked_page(room_id, before_seq, after_seq, limit)
        found = self.backend.page(page)
        return found[::-1] if page.newest_first else found

    def recent(
        self,
        *,
        room_id: str | None = None,
        user_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
    ) -> list[StoredMessage]:
        """Messages by time, newest first: of a room, of a user, or of all.

        Times are aware datetimes; ``since`` is inclusive, ``until`` is not. Many messages share a
        millisecond, and their order within it is left open; so do not page with it:
        :meth:`history` pages by seq.
        """
        self._check_open()
        return self.backend.span(checked_span(room_id, user_id, since, until, limit))

    def explain_history(
        self,
        room_id: str,
        *,
        before_seq: int | None = None,
        after_seq: int | None = None,
        limit: int = 50,
    ) -> Plan:
        """How MongoDB answers that :meth:`history`: which index, how many documents looked at.

        Raises:
            StoreError: on mongomock, which plans nothing.
        """
        self._check_open()
        return self.backend.explain(checked_page(room_id, before_seq, after_seq, limit))

    def explain_recent(
        self,
        *,
        room_id: str | None = None,
        user_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
    ) -> Plan:
        """How MongoDB answers that :meth:`recent`."""
        self._check_open()
        return self.backend.explain(checked_span(room_id, user_id, since, until, limit))

    def last_seq(self, room_id: str) -> int:
        """The highest stored number of a room, 0 if it is empty."""
        self._check_open()
        check_name(room_id, "room_id")
        return self.backend.last_seq(room_id)

    def count(self, room_id: str) -> int:
        """How many messages a room has (fewer than ``last_seq`` if the room has gaps of 0.1)."""
        self._check_open()
        check_name(room_id, "room_id")
        return self.backend.count(room_id)

    def mark_read(self, room_id: str, user_id: str, seq: int) -> None:
        """Remember that a user has read up to ``seq``; a mark never moves back."""
        self._check_writable()
        check_name(room_id, "room_id")
        check_name(user_id, "user_id")
        check_number(seq, "seq", 0, MAX_SEQ)
        self.backend.mark_read(room_id, user_id, seq)

    def read_marks(self, room_id: str) -> dict[str, int]:
        """How far each user has read in a room."""
        self._check_open()
        check_name(room_id, "room_id")
        return self.backend.read_marks(room_id)

    aping = awaitable(ping)
    ahistory = awaitable(history)
    arecent = awaitable(recent)
    alast_seq = awaitable(last_seq)
    acount = awaitable(count)
    amark_read = awaitable(mark_read)
    aread_marks = awaitable(read_marks)

    def watch(
        self,
        room_id: str | None = None,
        *,
        resume_after: Mapping[str, object] | None = None,
        wait: float = 0.5,
    ) -> Iterator[Change | None]:
        """Follow what any server stores, in the order in which a majority has it.

        Args:
            room_id: only this room, or all.
            resume_after: the ``resume_token`` of the last change that you have dealt with.
            wait: seconds after which an idle stream yields None, so that the caller can stop. The
                first None says that the stream is open.

        Raises:
            StoreError: on mongomock or a standalone server; a token that is too old.
        """
        self._check_open()
        if room_id is not None:
            check_name(room_id, "room_id")
        return self.backend.watch(room_id, resume_after, wait)

    def run(
        self, function: Callable[..., T], *args: object, asker: object = None, **kwargs: object
    ) -> Future[T]:
        """Call a reading method in a thread of the store's own, when it is this asker's turn.

        Args:
            function: blocks until it knows the answer.
            *args: its arguments.
            **kwargs: those that are named.
            asker: where the question comes from, such as a session; askers are served in turn.

        Returns:
            A future of the answer, or of StoreUnavailable if there is none after 10 s.

        Raises:
            StoreUnavailable: too many questions wait; or the store is closed.
        """
        return self._readers.ask(asker, partial(function, *args, **kwargs))

    def forget(self, asker: object) -> None:
        """Ask nothing more for an asker that has left: its waiting questions are cancelled."""
        self._readers.forget(asker)

    @property
    def questions(self) -> int:
        """How many questions wait for a thread."""
        return self._readers.waiting

    # The end.

    def close(self) -> None:
        """Take no more, write what waits, close the backend; safe to repeat.

        From then on every verb raises StoreUnavailable ("the store is closed").
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
        atexit.unregister(self.close)
        self._writers.close(self.flush_timeout)
        self._readers.close()
        self.backend.close()

    async def aclose(self) -> None:
        """Like :meth:`close`, to be awaited."""
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        self._check_open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()
