"""Messages in MongoDB: stored once, numbered by room, never lost once acknowledged.

    open, share, close                                          here
    submit, history, recent, read marks, counts, change stream  storage/message_store.py
    queue -> one bulk write -> answers                          storage/group_commit.py
    the numbers of a room                                       storage/heads.py
    a message as a document; which index serves which query     storage/documents.py, indexes.py
    two backends behind one interface                           storage/backend*.py

The backends differ:

======================= ============================ ===========================================
what                    mongomock (``memory``)       MongoDB (``local``, or a URI)
======================= ============================ ===========================================
after the process ends  all is forgotten             all is there
acknowledged means      in this process's memory     in the journal of a majority
sequence numbers        under a lock, by the insert  behind the head, the highest number that a
                                                     majority has; no gaps
one (user, message id)  ``_id``                      ``_id``; in a cluster sharded by ``room_id``
                                                     the ``_id`` is unique per shard, so a key used
                                                     again in another room may go unnoticed
(room_id, seq) unique   by that lock; a unique       by the index ``room_seq``: of two servers
                        index would make each        one gets the number, the other the next
                        insert walk all
history                 lists per room beside the    from the index ``room_seq``; what a majority
                        collection, which see only   has, whoever wrote it
                        what this store wrote
validation              ours alone                   ours, then ``$jsonSchema``
explain, watch          StoreError                   yes; ``watch`` on replica sets and clusters
failover                none                         writes go on with the new primary
several servers         no                           yes; they may write to the same room: 12 is
                                                     stored after 11, in the change stream too
======================= ============================ ===========================================

A database of version 0.1 is opened as it is. Its collection ``rooms``, which held counters, is not
used any more. A room goes on behind its highest number, and the gaps that it has stay; servers of
0.1 must not write beside newer ones.

The notes do this in Go with ``sync.Once``. Here the same names do it in Python, and what went wrong
there is done differently: a failure is an error for the caller and leaves nothing half open, an
index that cannot be created stops the start, closing before opening does nothing, and SIGTERM ends
the process after the store is flushed and closed.

>>> with open_store("memory") as store:
...     saved = store.submit("lobby", "lisa", "m1", "hello").result()
...     saved.seq, saved.duplicate, store.last_seq("lobby")
(1, False, 1)
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from goim_edu.errors import DuplicateMessage, StoreError, StoreUnavailable
from goim_edu.storage.backend import Change, Plan
from goim_edu.storage.backend_memory import MemoryBackend
from goim_edu.storage.backend_mongodb import MongoBackend
from goim_edu.storage.documents import MESSAGE_SCHEMA, Saved, StoredMessage, utc_now
from goim_edu.storage.group_commit import GroupCommit, WriterStats
from goim_edu.storage.indexes import create_indexes, message_indexes
from goim_edu.storage.message_store import MessageStore
from goim_edu.storage.mongodb_client import Client, connect

if TYPE_CHECKING:
    from pymongo.write_concern import WriteConcern

__all__ = [
    "DEFAULT_URI",
    "MESSAGE_SCHEMA",
    "Change",
    "DuplicateMessage",
    "GroupCommit",
    "MemoryBackend",
    "MessageStore",
    "MongoBackend",
    "Plan",
    "Saved",
    "StoreError",
    "StoreUnavailable",
    "StoredMessage",
    "WriterStats",
    "close_mongo",
    "connect_mongodb",
    "create_indexes",
    "get_mongo",
    "insert_one_message",
    "message_indexes",
    "open_store",
    "shared_store",
    "utc_now",
]

DEFAULT_URI = "mongodb://localhost:27017"
URI_VARIABLE = "GOIM_MONGO_URI"


def open_store(
    spec: str = "auto",
    data_dir: str | os.PathLike[str] | None = None,
    *,
    write_concern: WriteConcern | None = None,
    **settings: Any,
) -> MessageStore:
    """Open a message store in the backend that ``spec`` names.

    Args:
        spec: ``memory`` (mongomock, forgets), ``local`` (a real mongod of our own, which keeps its
            data in ``data_dir``), a URI ``mongodb://host/database`` (default: GOIM), ``@FILE`` for
            a file whose first line is the URI, or ``auto``: ``$GOIM_MONGO_URI``, else ``local`` if
            a mongod can run here, else ``memory``. Other users of the machine can read what stands
            in a command line; a URI with a password comes by the file or the variable.
        data_dir: where ``local`` keeps its data; default: the user's data folder.
        write_concern: other than majority with journal, to show what may be lost then.
        **settings: of :class:`MessageStore`.

    Raises:
        StoreUnavailable: one line that says what is wrong; nothing is left running.
        ValueError: ``spec`` is empty, or not a str.

    >>> with open_store("memory") as store:
    ...     store.durable
    False
    """
    if not isinstance(spec, str) or not spec:
        raise ValueError(
            f"spec is {spec!r}: name a store by auto, memory, local, mongodb://... or @FILE"
        )
    if spec == "auto":
        spec = os.environ.get(URI_VARIABLE, "")
    if not spec:
        why = _why_no_mongod()
        if why is not None:
            return MessageStore(MemoryBackend(f"for a real MongoDB: {why}"), **settings)
        spec = "local"
    if spec.startswith("@"):
        spec = _read_uri(Path(spec[1:]))
    if spec == "memory":
        return MessageStore(MemoryBackend(), **settings)
    if spec == "local":
        return _open_local(data_dir, write_concern, settings)
    if "://" not in spec:
        raise StoreUnavailable(
            f"{spec[:40]!r} names no store: use auto, memory, local, mongodb://... or @FILE"
        )
    client = connect(spec)
    try:
        return MessageStore(MongoBackend(client, write_concern=write_concern), **settings)
    except BaseException:
        client.close()
        raise


def _read_uri(file: Path) -> str:
    """The URI in the first line of a file."""
    try:
        uri = file.expanduser().read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise StoreUnavailable(f"the address of the database is not in {file}: {why}") from None
    if "://" not in uri:
        raise StoreUnavailable(f"the first line of {file} is not a MongoDB URI")
    return uri


def _why_no_mongod() -> str | None:
    from goim_edu.mongod import why_no_mongod

    return why_no_mongod()


def _open_local(
    data_dir: str | os.PathLike[str] | None,
    write_concern: WriteConcern | None,
    settings: dict[str, Any],
) -> MessageStore:
    """Start a mongod of our own as a replica set of one, which has change streams."""
    # Imported here: only a store on a mongod of our own needs it.
    from goim_edu.mongod import LocalMongod

    folder = None if data_dir is None else Path(data_dir)
    server = LocalMongod(folder, replica_set="goim", revive=True)
    server.start()
    try:
        client = connect(server.uri)
        try:
            backend = MongoBackend(
                client,
                write_concern=write_concern,
                on_close=server.stop,
                name=f"mongod (data in {server.data_dir})",
            )
            return MessageStore(backend, **settings)
        except BaseException:
            client.close()
            raise
    except BaseException:
        server.stop()
        raise


def connect_mongodb(uri: str | None = None, *, timeout: float = 10.0) -> Client:
    """Connect a client as in the notes: pool of 100 and 10, ten seconds, ping answered.

    Args:
        uri: default ``$GOIM_MONGO_URI``, else ``mongodb://localhost:27017``. Its database, if it
            names one, is what ``client.get_default_database()`` gives.
        timeout: seconds.

    Raises:
        StoreUnavailable: the URI is wrong, or nobody answers.
    """
    return connect(uri or os.environ.get(URI_VARIABLE) or DEFAULT_URI, timeout=timeout)


_lock = threading.RLock()
_store: MessageStore | None = None
_store_pid = 0


def shared_store(uri: str | None = None) -> MessageStore:
    """The one store of this process; the first call opens it, completely or not at all.

    A second call returns the same store, whatever its ``uri``. After a fork the child gets one of
    its own, since a client must not be shared across it.

    Raises:
        StoreUnavailable: it could not be opened; the next call tries again.
    """
    global _store, _store_pid
    with _lock:
        if _store is None or _store_pid != os.getpid():
            client = connect_mongodb(uri)
            try:
                opened = MessageStore(MongoBackend(client))
            except BaseException:
                client.close()
                raise
            _store, _store_pid = opened, os.getpid()
            _close_at_the_end()
        return _store


def get_mongo(uri: str | None = None) -> Any:
    """The database of this process: connected, pinged, with its indexes.

    It is the one that the URI names, else ``GOIM`` as in the notes. A server calls this when it
    starts and not when the first user comes: that user would have to wait, and a wrong URI would be
    found late.

    Raises:
        StoreUnavailable: as :func:`shared_store`.
    """
    return shared_store(uri).database


def insert_one_message(
    room_id: str, user_id: str, text: str, *, client_msg_id: str | None = None
) -> StoredMessage:
    """Store one message in the process's own store and wait until it is durable."""
    return shared_store().insert_one_message(room_id, user_id, text, client_msg_id=client_msg_id)


def close_mongo() -> None:
    """Flush and close the process's store; harmless when there is none, or twice."""
    global _store
    with _lock:
        store, _store = _store, None
        if store is not None and _store_pid == os.getpid():
            store.close()


_hooked = False


def _close_at_the_end() -> None:
    """Close at the interpreter's end, and let SIGTERM be such an end.

    The handler only raises SystemExit: the main thread unwinds, ``atexit`` closes the store, the
    process ends with 143. Flushing inside the handler could wait for a lock that the interrupted
    code holds. A handler that a server has set stays.
    """
    global _hooked
    if _hooked:
        return
    _hooked = True
    atexit.register(close_mongo)
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        signal.signal(signal.SIGTERM, _exit_on_signal)


def _exit_on_signal(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
