"""The group commit: many senders, one writer thread for a room, one bulk write for all who wait.

The way of a message: ``submit`` puts it in the bounded queue of its room's writer; that takes what
has gathered, asks for sequence numbers (one step per room), writes the batch, and answers each
sender by its own result.

When a write's outcome is unknown (the primary died), the writer does not guess. It writes the same
documents again: a key that is taken tells that the first attempt arrived. Until then it answers no
one, takes no other batch, and turns away new messages once the queue is full. So *unavailable*
always means "not saved".
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from typing import Any

from goim_edu.errors import DuplicateMessage, StoreError, StoreUnavailable
from goim_edu.storage.backend import Backend, Refusal, Taken, Unsure
from goim_edu.storage.documents import (
    Saved,
    StoredMessage,
    check_message,
    message_key,
    to_document,
    utc_now,
)

__all__ = ["GroupCommit", "WriterStats", "Writers"]

Answer = Saved | StoreError
Reply = Future[Saved] | asyncio.Future[Saved]
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5
_BATCH_BYTES = 16 * 1024 * 1024  # of text; one more fits into a wire message of 48 MB
_MANY = 100  # this many waiting make it worth while to hold answers for a moment
_REMEMBERED, _REMEMBERED_BYTES = 4096, 16_384
_NEVER = utc_now().replace(year=1970)


@dataclass(slots=True)
class WriterStats:
    """What a writer has done so far; figures only grow, except ``waiting``."""

    batches: int = 0
    saved: int = 0
    duplicates: int = 0
    failed: int = 0
    attempts: int = 0
    largest_batch: int = 0
    waiting: int = 0

    def __add__(self, other: WriterStats) -> WriterStats:
        """What both have done together.

        >>> both = WriterStats(saved=2, largest_batch=2) + WriterStats(saved=1, largest_batch=1)
        >>> both.saved, both.largest_batch
        (3, 2)
        """
        return WriterStats(
            self.batches + other.batches,
            self.saved + other.saved,
            self.duplicates + other.duplicates,
            self.failed + other.failed,
            self.attempts + other.attempts,
            max(self.largest_batch, other.largest_batch),
            self.waiting + other.waiting,
        )


class _Waiting:
    """One message on its way, and who waits for it."""

    __slots__ = ("answer", "born", "key", "message", "repeats", "reply", "size", "tried")

    def __init__(self, key: str, message: StoredMessage, reply: Reply, size: int) -> None:
        self.key = key
        self.message = message
        self.reply = reply
        self.size = size
        self.born = time.monotonic()
        self.tried: tuple[int, ...] = ()  # numbers under which it may have been stored already
        self.repeats: list[tuple[str, Reply]] | None = None
        self.answer: Answer | None = None


class GroupCommit:
    """The queue and the one thread that writes.

    Args:
        backend: where messages live.
        max_batch: most messages of one bulk write.
        linger: seconds to wait for company once a message is there. 0 is right for most: while one
            batch is written the next one gathers by itself.
        max_waiting: most messages in the queue; more are turned away.
        max_waiting_bytes: most text in the queue.
        patience: seconds that a message may wait in the queue before it is given back unsaved.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        max_batch: int = 1000,
        linger: float = 0.0,
        max_waiting: int = 10_000,
        max_waiting_bytes: int = 64 * 1024 * 1024,
        patience: float = 15.0,
    ) -> None:
        self._backend = backend
        self._max_batch = max_batch
        self._linger = linger
        self._max_waiting = max_waiting
        self._max_waiting_bytes = max_waiting_bytes
        self._patience = patience
        self._queue: deque[_Waiting] = deque()
        self._queued_bytes = 0
        self._on_the_way: dict[str, _Waiting] = {}
        # The last answers: a resend after a lost ack then costs no number and no query.
        self._recent: dict[str, Saved] = {}
        self._held: list[tuple[Reply, Answer]] = []
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._settled = threading.Condition(self._lock)
        self._idle = False
        self._closing = False
        self._give_up = threading.Event()
        self.stats = WriterStats()
        self._thread = threading.Thread(target=self._run, name="goim store writer", daemon=True)
        self._thread.start()

    def submit(
        self, room_id: str, user_id: str, client_msg_id: str, text: str, reply: Reply
    ) -> None:
        """Queue a message; ``reply`` will be set from the writer's thread.

        Raises:
            TypeError, ValueError: it cannot be stored faithfully.
            StoreUnavailable: closed, or too many wait; nothing was saved.
        """
        size = check_message(room_id, user_id, client_msg_id, text)
        key = message_key(user_id, client_msg_id)
        with self._lock:
            if self._closing:
                raise StoreUnavailable("the store is closed")
            known = self._recent.get(key)
            if known is not None:
                _settle(reply, _repeated(known, room_id))
                return
            earlier = self._on_the_way.get(key)
            if earlier is not None:
                earlier.repeats = [*(earlier.repeats or ()), (room_id, reply)]
                return
            if (
                len(self._queue) >= self._max_waiting
                or self._queued_bytes + size > self._max_waiting_bytes
            ):
                raise StoreUnavailable(
                    f"{len(self._queue):,} messages wait for the store already; try again later"
                )
            message = StoredMessage(room_id, 0, user_id, client_msg_id, text, _NEVER)
            self._on_the_way[key] = waiting = _Waiting(key, message, reply, size)
            self._queue.append(waiting)
            self._queued_bytes += size
            if self._idle:
                self._arrived.notify()

    @property
    def waiting(self) -> int:
        """Messages that are queued or being written."""
        return len(self._on_the_way)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all that was submitted is answered; False if that took too long."""
        with self._lock:
            return self._settled.wait_for(lambda: not self._on_the_way, timeout)

    def take_no_more(self) -> None:
        """Refuse what is submitted from now on; what waits is still written."""
        with self._lock:
            self._closing = True
            self._arrived.notify()

    def close(self, timeout: float) -> None:
        """Take no more, write what waits within ``timeout`` seconds, answer the rest, stop."""
        self.take_no_more()
        self.flush(timeout)
        self._give_up.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=30.0)

    # The writer's thread.

    def _run(self) -> None:
        while batch := self._next_batch():
            try:
                self._commit(batch)
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
                failure = StoreError(f"the writer failed: {type(error).__name__}: {error}")
                failure.__cause__ = error
                for waiting in batch:
                    waiting.answer = waiting.answer or failure
            self._answer(batch)
        self._release()

    def _next_batch(self) -> list[_Waiting]:
        """Wait for messages; an empty list means that the store closes."""
        with self._lock:
            while True:
                self._wait_for_company()
                batch: list[_Waiting] = []
                size = 0
                while self._queue and len(batch) < self._max_batch and size < _BATCH_BYTES:
                    waiting = self._queue.popleft()
                    size += waiting.size
                    batch.append(waiting)
                self._queued_bytes -= size
                wanted = [waiting for waiting in batch if self._still_wanted(waiting)]
                if wanted or (self._closing and not self._queue):
                    return wanted

    def _wait_for_company(self) -> None:
        """Wait for a message, and then ``linger`` for more."""
        if not self._queue:
            self._idle = True
            self._arrived.wait_for(lambda: self._queue or self._closing)
            self._idle = False
        if self._linger and self._queue and not self._closing:
            self._idle = True
            left = self._queue[0].born + self._linger - time.monotonic()
            self._arrived.wait_for(
                lambda: len(self._queue) >= self._max_batch or self._closing, max(0.0, left)
            )
            self._idle = False

    def _still_wanted(self, waiting: _Waiting) -> bool:
        """Drop a message whose sender has cancelled the future, unless others wait for it too."""
        reply = waiting.reply
        cancelled = (
            not reply.set_running_or_notify_cancel()
            if isinstance(reply, Future)
            else reply.cancelled()
        )
        if cancelled and not waiting.repeats:
            del self._on_the_way[waiting.key]
            if not self._on_the_way:
                self._settled.notify_all()
            return False
        return True

    def _commit(self, batch: list[_Waiting]) -> None:
        """Write until the fate of every message is known."""
        self.stats.batches += 1
        self.stats.largest_batch = max(self.stats.largest_batch, len(batch))
        pause, open_ = _FIRST_PAUSE, batch
        while True:
            failure = self._attempt(open_)
            open_ = [waiting for waiting in open_ if waiting.answer is None]
            self._give_back(open_, failure)
            open_ = [waiting for waiting in open_ if waiting.answer is None]
            if not open_:
                return
            self._give_up.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _attempt(self, open_: list[_Waiting]) -> StoreError:
        """Number and insert once; set the answers that are known, return why others are not."""
        self.stats.attempts += 1
        try:
            self._number(open_)
            documents = [to_document(waiting.key, waiting.message) for waiting in open_]
        except StoreError as error:
            return error
        finally:
            self._release()
        try:
            refused = self._backend.insert(documents)
        except Unsure as error:
            for waiting in open_:
                waiting.tried += (waiting.message.seq,)
            return error
        except StoreUnavailable as error:
            return error
        except StoreError as error:
            self._one_by_one(open_, error)
            return error
        for waiting in open_ if not refused else ():
            waiting.answer = Saved(waiting.message, False)
        return self._sort_out(open_, refused) if refused else StoreUnavailable("answered")

    def _one_by_one(self, open_: list[_Waiting], error: StoreError) -> None:
        """One document spoils the bulk write before it is sent: find out which."""
        if len(open_) == 1:
            open_[0].answer = error
            return
        for waiting in open_:
            waiting.tried += (waiting.message.seq,)
            self._attempt([waiting])

    def _number(self, open_: list[_Waiting]) -> None:
        """Give each message the next number of its room and the time."""
        wanted = Counter(waiting.message.room_id for waiting in open_)
        following = self._backend.grant(wanted)
        now = utc_now()
        for waiting in open_:
            message = waiting.message
            message.seq = following[message.room_id]
            following[message.room_id] += 1
            message.created_at = now

    def _sort_out(self, open_: list[_Waiting], refused: dict[int, Refusal]) -> StoreError:
        """Answer who can be answered after a bulk write that was refused in part."""
        taken = [open_[index].key for index, why in refused.items() if why is Taken.KEY]
        for index, waiting in enumerate(open_):
            why = refused.get(index)
            if why is None:
                waiting.answer = Saved(waiting.message, False)
            elif isinstance(why, StoreError):
                waiting.answer = why
        try:
            stored = self._backend.find_committed(taken) if taken else {}
            for room_id in {
                open_[index].message.room_id for index, why in refused.items() if why is Taken.SEQ
            }:
                self._backend.lift_counter(room_id)
        except StoreError as error:
            return error
        for key, waiting in ((open_[index].key, open_[index]) for index in refused):
            if waiting.answer is None and key in stored:
                message = stored[key]
                waiting.answer = Saved(message, message.seq not in waiting.tried)
        return StoreUnavailable("another write of the same message is not yet decided")

    def _give_back(self, open_: list[_Waiting], failure: StoreError) -> None:
        """Answer *unavailable* to those who waited too long and are surely not stored."""
        stop = self._give_up.is_set()
        now = time.monotonic()
        for waiting in open_:
            if waiting.tried:
                if stop:
                    waiting.answer = StoreUnavailable(
                        "the store closed before it knew whether this was saved; "
                        "send it again with the same client_msg_id"
                    )
            elif stop or now - waiting.born > self._patience:
                waiting.answer = StoreUnavailable(f"nothing was saved: {failure}")
        self._expire_queue(now, failure)

    def _expire_queue(self, now: float, failure: StoreError) -> None:
        """Give back what waits behind a batch that cannot be written."""
        expired = []
        with self._lock:
            while self._queue and now - self._queue[0].born > self._patience:
                waiting = self._queue.popleft()
                self._queued_bytes -= waiting.size
                if self._still_wanted(waiting):
                    waiting.answer = StoreUnavailable(f"nothing was saved: {failure}")
                    expired.append(waiting)
        if expired:
            self._answer(expired)

    def _answer(self, batch: list[_Waiting]) -> None:
        """Forget the batch, and tell each sender, in the order of seq.

        When many wait already, the answers are held until the next batch has its numbers: the
        senders, whose work needs the interpreter, then run while the database writes, and not
        while it waits to be told what.
        """
        if any(waiting.tried for waiting in batch):
            batch.sort(key=lambda waiting: getattr(waiting.answer, "seq", 0))
        answers: list[tuple[Reply, Answer]] = []
        with self._lock:
            for waiting in batch:
                answer = waiting.answer
                if answer is None:
                    continue
                del self._on_the_way[waiting.key]
                if answer.__class__ is Saved and answer.message is waiting.message:
                    self.stats.saved += 1
                    answers.append((waiting.reply, answer))
                else:
                    self._count(answer)
                    answers.append((waiting.reply, _in_room(answer, waiting.message.room_id)))
                for room_id, reply in waiting.repeats or ():
                    answers.append((reply, _repeated(answer, room_id)))
                if waiting.size <= _REMEMBERED_BYTES and answer.__class__ is Saved:
                    self._recent[waiting.key] = answer
            for key in list(islice(self._recent, max(0, len(self._recent) - _REMEMBERED))):
                del self._recent[key]
        self._release()
        self._held = answers
        if len(self._queue) < _MANY:
            self._release()
        with self._lock:
            if not self._on_the_way:
                self._settled.notify_all()

    def _release(self) -> None:
        """Deliver the answers that are held."""
        held, self._held = self._held, []
        if held:
            _deliver(held)

    def _count(self, answer: Answer) -> None:
        if isinstance(answer, StoreError):
            self.stats.failed += 1
        elif answer.duplicate:
            self.stats.duplicates += 1
        else:
            self.stats.saved += 1


class Writers:
    """Group commits side by side, of which each room has one: as many as its backend has writers.

    Within a room one batch follows the other, so its numbers are answered in order and none is seen
    before a lower one. Between rooms there is no order to keep: while one writer waits for the
    disk, another prepares the batch of other rooms or has it written.

    Args:
        backend: where messages live.
        **settings: of each :class:`GroupCommit`, whose bounds hold for each by itself.
    """

    def __init__(self, backend: Backend, **settings: Any) -> None:
        self._all = [GroupCommit(backend, **settings) for _ in range(backend.writers)]

    def of(self, room_id: str) -> GroupCommit:
        """Return the writer of a room; one of them, too, for what is no room's name."""
        return self._all[hash(room_id) % len(self._all) if isinstance(room_id, str) else 0]

    @property
    def stats(self) -> WriterStats:
        """What all of them have done, and how many messages wait for them now."""
        waiting = sum(writer.waiting for writer in self._all)
        return sum((writer.stats for writer in self._all), WriterStats(waiting=waiting))

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all that was submitted is answered; False if that took too long."""
        end = None if timeout is None else time.monotonic() + timeout
        for writer in self._all:
            if not writer.flush(None if end is None else max(0.0, end - time.monotonic())):
                return False
        return True

    def close(self, timeout: float) -> None:
        """Take no more, write what waits within ``timeout`` seconds, answer the rest, stop."""
        for writer in self._all:
            writer.take_no_more()
        end = time.monotonic() + timeout
        for writer in self._all:
            writer.close(max(0.0, end - time.monotonic()))


def _in_room(answer: Answer, room_id: str) -> Answer:
    """Refuse a key that was used in another room: the seq of that room says nothing here."""
    if isinstance(answer, Saved) and answer.message.room_id != room_id:
        message = answer.message
        return DuplicateMessage(message.user_id, message.client_msg_id, seq=message.seq)
    return answer


def _repeated(answer: Answer, room_id: str) -> Answer:
    """The answer to a message that came again while the first was on its way."""
    if isinstance(answer, Saved):
        answer = Saved(answer.message, True)
    return _in_room(answer, room_id)


def _deliver(answers: Iterable[tuple[Reply, Answer]]) -> None:
    """Set the futures; those of an event loop all in one call into that loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Reply, Answer]]] = {}
    for reply, answer in answers:
        if isinstance(reply, Future):
            _settle(reply, answer)
        else:
            by_loop.setdefault(reply.get_loop(), []).append((reply, answer))
    for loop, pairs in by_loop.items():
        # A loop that is closed has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle_all, pairs)


def _settle_all(pairs: list[tuple[Reply, Answer]]) -> None:
    for reply, answer in pairs:
        _settle(reply, answer)


def _settle(reply: Reply, answer: Answer) -> None:
    """Set one future, unless its owner has cancelled it."""
    if reply.done():
        return
    if isinstance(answer, StoreError):
        reply.set_exception(answer)
    else:
        reply.set_result(answer)
