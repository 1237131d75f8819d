"""The group commit: many senders, one writer thread, one bulk write for all messages that wait.

The path of a message: ``submit`` puts it in a bounded queue. The writer thread takes what has
gathered, has the backend number and insert the batch, and gives each sender the outcome of its own
message; when many messages wait, a second thread does that (``answers.py``). What one sender says
in a room is stored in the order in which it was submitted, and the answers of a room leave in the
order of ``seq``.

An insert goes in order and stops at the first document that is refused; what the writer does then:

    another server took the number    the rest is numbered anew behind the head, and goes at once
    the same message is stored        what is stored of the batch is answered, the rest goes at once
    this document cannot be stored    its sender is told, the rest goes at once
    nobody knows what was stored      the batch is looked up by its keys, the rest goes again

In the last case the writer does not guess. It answers nobody whose message may be stored, begins no
other batch, and refuses new messages once the queue is full. So *unavailable* always means "not
saved".
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from random import random
from typing import Any

from goim_edu.errors import StoreError, StoreUnavailable
from goim_edu.runtime import platform
from goim_edu.storage.answers import Answers
from goim_edu.storage.backend import Backend, DuplicateKey, Inserted, Refusal, Unsure
from goim_edu.storage.documents import (
    Saved,
    StoredMessage,
    check_message,
    message_key,
    to_document,
    utc_now,
)
from goim_edu.storage.pending import Outcome, Pending, Reply, deliver, in_room, repeated, settle

__all__ = ["GroupCommit", "WriterStats"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5
_BATCH_BYTES = 16 * 1024 * 1024  # of text; one more fits into a wire message of 48 MB
_MANY = 100  # this many waiting make it worth while to answer in another thread
_REMEMBERED, _REMEMBERED_BYTES = 4096, 16_384
_NEVER = utc_now().replace(year=1970)
_JITTER = 0.005  # seconds, for each race that was lost before
_CONTESTED = StoreUnavailable("other servers write into this room all the time")
_ROOM = attrgetter("message.room_id")


@dataclass(slots=True)
class WriterStats:
    """What a writer has done so far; figures only grow, except ``waiting``.

    ``conflicts`` counts how often another server had taken a number before.
    """

    batches: int = 0
    saved: int = 0
    duplicates: int = 0
    failed: int = 0
    attempts: int = 0
    largest_batch: int = 0
    waiting: int = 0
    conflicts: int = 0

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
            self.conflicts + other.conflicts,
        )


class GroupCommit:
    """The queue and the one thread that writes.

    Args:
        backend: where messages live.
        max_batch: most messages of one bulk write.
        linger: seconds to wait for company once a message is there. 0 suits most: while one batch
            is written, the next one gathers anyway.
        max_waiting: most messages in the queue; more are refused.
        max_waiting_bytes: most text in the queue.
        patience: seconds that a message may wait while the database fails, before it is given back
            unsaved.

    Its public methods may be called from any thread.
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
        self._queue: deque[Pending] = deque()
        self._queued_bytes = 0
        self._on_the_way: dict[str, Pending] = {}
        # The latest outcomes: a resend after a lost ack then costs no number and no query.
        self._recent: dict[str, Saved] = {}
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._settled = threading.Condition(self._lock)
        self._found = False  # whether the batch has messages that were stored already
        self._answers = Answers(self._answer)
        self._idle = False
        self._closing = False
        self._give_up = threading.Event()
        self.stats = WriterStats()
        self._thread: threading.Thread | None = None
        if platform().threads:
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
                settle(reply, repeated(known, room_id))
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
            self._on_the_way[key] = waiting = Pending(key, message, reply, size)
            self._queue.append(waiting)
            self._queued_bytes += size
            if self._idle:
                self._arrived.notify()
        if self._thread is None:
            self._write_what_waits()

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
        # A sender that is told may call this.
        told = threading.current_thread() in (self._thread, self._answers.thread)
        if self._thread is not None and not told:
            self._thread.join(timeout=30.0)

    def _write_what_waits(self) -> None:
        """Where no thread could do it, the caller that submits something writes it at once."""
        while self._queue:
            if batch := self._next_batch():
                self._write(batch)
                self._answer(batch)

    # The writer's thread.

    def _run(self) -> None:
        while batch := self._next_batch():
            self._write(batch)
            self._hand_over(batch)
        self._answers.close()

    def _write(self, batch: list[Pending]) -> None:
        """Write a batch, whatever happens: those who wait must hear of it."""
        try:
            self._commit(batch)
        except Exception as error:  # noqa: BLE001
            failure = StoreError(f"the writer failed: {type(error).__name__}: {error}")
            failure.__cause__ = error
            for waiting in batch:
                waiting.outcome = waiting.outcome or failure

    def _next_batch(self) -> list[Pending]:
        """Wait for messages; an empty list means that the store closes."""
        with self._lock:
            while True:
                self._wait_for_company()
                batch: list[Pending] = []
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

    def _still_wanted(self, waiting: Pending) -> bool:
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

    def _commit(self, batch: list[Pending]) -> None:
        """Write until the outcome of every message is known."""
        self.stats.batches += 1
        self.stats.largest_batch = max(self.stats.largest_batch, len(batch))
        # A sharded cluster runs an ordered insert shard by shard: so each room stands together.
        batch.sort(key=_ROOM)
        pause, losses, open_ = _FIRST_PAUSE, 0, batch
        while open_:
            wait = 0.0
            try:
                refusal = self._attempt(open_)
            except StoreError as problem:
                self._give_up_late_ones(open_, problem)
                wait, pause = pause, min(2 * pause, _LONGEST_PAUSE)
            else:
                if refusal is DuplicateKey.ROOM_SEQ:
                    self.stats.conflicts += 1
                    self._give_up_late_ones(open_, _CONTESTED)
                    # Random, so that two servers do not meet again and again.
                    wait = _JITTER * losses * random()
                    losses += 1
            open_ = [waiting for waiting in open_ if waiting.outcome is None]
            if open_ and wait:
                self._give_up.wait(wait)

    def _attempt(self, open_: list[Pending]) -> Refusal | None:
        """Insert once; set the outcomes that are known.

        Returns:
            What the insert stopped at; None if nothing.

        Raises:
            StoreError: why messages are left without an outcome for now.
        """
        self.stats.attempts += 1
        self._look_up([waiting for waiting in open_ if waiting.tried])
        open_ = [waiting for waiting in open_ if waiting.outcome is None]
        if not open_:
            return None
        now = utc_now()
        for waiting in open_:
            waiting.message.created_at = now
        documents = [to_document(waiting.key, waiting.message) for waiting in open_]
        try:
            done = self._backend.insert(documents)
        except (StoreUnavailable, Unsure) as error:
            for waiting, document in zip(open_, documents, strict=True):
                waiting.tried |= {document["seq"]}
                waiting.undecided |= isinstance(error, Unsure)
            raise
        except StoreError as error:
            return self._one_by_one(open_, error)
        self._sort_out(open_, documents, done)
        return done.refusal

    def _one_by_one(self, open_: list[Pending], error: StoreError) -> Refusal | None:
        """One document spoils the bulk write before it is sent: find out which."""
        if len(open_) == 1:
            open_[0].outcome = error
            return error
        for waiting in open_:
            refusal = self._attempt([waiting])
            if waiting.outcome is None:
                return refusal  # what comes after it must not overtake it
        return None

    def _sort_out(
        self, open_: list[Pending], documents: list[dict[str, Any]], done: Inserted
    ) -> None:
        """Set the outcomes that an answer tells."""
        for waiting, document in zip(open_[: done.stored], documents, strict=False):
            message = waiting.message
            message.seq = document["seq"]
            waiting.outcome = Saved(message, False)
        if isinstance(done.refusal, StoreError):
            open_[done.stored].outcome = done.refusal
        elif done.refusal is DuplicateKey.ID:
            self._look_up(open_[done.stored :])
            refused = open_[done.stored]
            if refused.outcome is None:
                refused.undecided = True
                raise StoreUnavailable("another write of the same message is not yet decided")

    def _look_up(self, messages: list[Pending]) -> None:
        """Set the outcomes of those that are stored already, by an earlier attempt or by others."""
        if not messages:
            return
        stored = self._backend.find_committed([waiting.key for waiting in messages])
        for waiting in messages:
            message = stored.get(waiting.key)
            if message is not None:
                waiting.outcome = Saved(message, message.seq not in waiting.tried)
                self._found = True

    def _give_up_late_ones(self, open_: list[Pending], problem: StoreError) -> None:
        """Give back as *unavailable* what waited too long and is certainly not stored."""
        stop = self._give_up.is_set()
        now = time.monotonic()
        for waiting in open_:
            if waiting.outcome is not None:
                continue
            if waiting.undecided:
                if stop:
                    waiting.outcome = StoreError(
                        "the store closed before it knew whether this was saved; "
                        "send it again with the same client_msg_id"
                    )
            elif stop or now - waiting.born > self._patience:
                waiting.outcome = StoreUnavailable(f"nothing was saved: {problem}")
        self._expire_queue(now, problem)

    def _expire_queue(self, now: float, problem: StoreError) -> None:
        """Give back what waits too long behind a batch that cannot be written."""
        expired = []
        with self._lock:
            while self._queue and now - self._queue[0].born > self._patience:
                waiting = self._queue.popleft()
                self._queued_bytes -= waiting.size
                if self._still_wanted(waiting):
                    waiting.outcome = StoreUnavailable(f"nothing was saved: {problem}")
                    expired.append(waiting)
        if expired:
            self._hand_over(expired)

    def _hand_over(self, batch: list[Pending]) -> None:
        """Have each sender told, in the order of seq whatever has happened to the batch.

        When many messages wait already, the next batch goes first, and a second thread tells them.
        """
        if self._found:  # their numbers are lower than those of the rest
            self._found = False
            batch.sort(key=lambda waiting: getattr(waiting.outcome, "seq", 0))
        if len(self._queue) < _MANY and self._answers.idle:
            self._answer(batch)
        else:  # also behind one that is not told yet
            self._answers.put(batch)

    def _answer(self, batch: list[Pending]) -> None:
        """Forget the batch, and set the futures."""
        answers: list[tuple[Reply, Outcome]] = []
        with self._lock:
            for waiting in batch:
                outcome = waiting.outcome
                if outcome is None:
                    continue
                del self._on_the_way[waiting.key]
                if outcome.__class__ is Saved and outcome.message is waiting.message:
                    self.stats.saved += 1
                    answers.append((waiting.reply, outcome))
                else:
                    self._count(outcome)
                    answers.append((waiting.reply, in_room(outcome, waiting.message.room_id)))
                for room_id, reply in waiting.repeats or ():
                    answers.append((reply, repeated(outcome, room_id)))
                if waiting.size <= _REMEMBERED_BYTES and outcome.__class__ is Saved:
                    self._recent[waiting.key] = outcome
            for key in list(islice(self._recent, max(0, len(self._recent) - _REMEMBERED))):
                del self._recent[key]
        deliver(answers)
        with self._lock:
            if not self._on_the_way:
                self._settled.notify_all()

    def _count(self, outcome: Outcome) -> None:
        if isinstance(outcome, StoreError):
            self.stats.failed += 1
        elif outcome.duplicate:
            self.stats.duplicates += 1
        else:
            self.stats.saved += 1
