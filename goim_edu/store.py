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
...     saved = store.submit("lobby", "lisa", "hello", client_msg_id="m1").result()
...     saved.seq, saved.duplicate, store.last_seq("lobby")
(1, False, 1)
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Unpack

from goim_edu.address_file import read_address
from goim_edu.errors import DuplicateMessage, StoreConfigError, StoreError, StoreUnavailable
from goim_edu.lazy import lazy_names
from goim_edu.storage.backend import Change, Plan
from goim_edu.storage.documents import (
    COLLECTIONS,
    MESSAGE_SCHEMA,
    Collections,
    Saved,
    StoredMessage,
    utc_now,
)
from goim_edu.storage.group_commit import GroupCommit, WriterStats
from goim_edu.storage.message_store import MessageStore, StoreOptions

if TYPE_CHECKING:
    from pymongo.write_concern import WriteConcern

    from goim_edu.storage.backend_memory import MemoryBackend
    from goim_edu.storage.backend_mongodb import MongoBackend
    from goim_edu.storage.indexes import create_indexes, message_indexes
    from goim_edu.storage.mongodb_client import Client, Database

__all__ = [
    "DEFAULT_URI",
    "MESSAGE_SCHEMA",
    "Change",
    "Collections",
    "DuplicateMessage",
    "GroupCommit",
    "MemoryBackend",
    "MessageStore",
    "MongoBackend",
    "Plan",
    "Saved",
    "StoreConfigError",
    "StoreError",
    "StoreOptions",
    "StoreUnavailable",
    "StoredMessage",
    "WriterStats",
    "close_mongo",
    "connect_mongodb",
    "create_indexes",
    "database_of",
    "get_mongo",
    "insert_one_message",
    "message_indexes",
    "open_store",
    "shared_store",
    "utc_now",
]

DEFAULT_URI = "mongodb://localhost:27017"
"""Where a MongoDB listens unless it is told otherwise."""
URI_VARIABLE = "GOIM_MONGO_URI"
_LATER = {
    "MemoryBackend": "goim_edu.storage.backend_memory",
    "MongoBackend": "goim_edu.storage.backend_mongodb",
    "create_indexes": "goim_edu.storage.indexes",
    "message_indexes": "goim_edu.storage.indexes",
}
"""Loaded when they are asked for: pymongo takes longer to import than all of ours."""
_WANTED = "name a store by auto, memory, local, mongodb://... or @FILE"


if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(globals(), _LATER)


def open_store(
    spec: str = "auto",
    data_dir: str | os.PathLike[str] | None = None,
    *,
    database: str | None = None,
    collections: Collections = COLLECTIONS,
    client: Client | None = None,
    read_only: bool = False,
    create_indexes: bool = True,
    write_concern: WriteConcern | None = None,
    timeout: float = 10.0,
    **settings: Unpack[StoreOptions],
) -> MessageStore:
    """Open a message store in the backend that ``spec`` names.

    Args:
        spec: ``memory`` (mongomock, forgets), ``local`` (a real mongod of our own, which keeps its
            data in ``data_dir``), a URI ``mongodb://host/database``, ``@FILE`` for a file whose
            first line is the URI, or ``auto``: ``$GOIM_MONGO_URI``, else ``local`` if a mongod can
            run here, else ``memory``. Other users of the machine can read what stands in a command
            line; a URI with a password comes by the file or the variable.
        data_dir: where ``local`` keeps its data; default: the user's data folder.
        database: its name; default: the one that the URI names, else GOIM.
        collections: how the two collections are called.
        client: of a MongoDB, instead of a ``spec``. It stays open when the store is closed, and its
            codec options do not matter.
        read_only: whether nothing is made or written; the role ``read`` is enough then.
        create_indexes: whether collections, validation and indexes are made where they are missing.
        write_concern: other than majority with journal, to show what may be lost then.
        timeout: seconds that each operation may take, for a URI; see :func:`connect_mongodb`.
            Those of an own ``client`` are its own.
        **settings: of :class:`MessageStore`.

    While a store that opened its own client is open, pymongo's logger ``pymongo.client`` writes one
    line for what happens in the background, without a traceback.

    Raises:
        StoreConfigError: what was asked for is wrong; it is a ValueError, too.
        StoreUnavailable: nobody answers. In both cases nothing is left running.

    >>> with open_store("memory") as store:
    ...     store.durable
    False
    """
    spec, remark = _chosen(spec) if client is None else (_none_beside_a_client(spec), "")
    if spec == "memory":
        from goim_edu.storage.backend_memory import MemoryBackend

        memory = MemoryBackend(
            remark, database=database, collections=collections, read_only=read_only
        )
        return MessageStore(memory, **settings)
    from goim_edu.storage.backend_mongodb import MongoBackend
    from goim_edu.storage.mongodb_client import connect, one_line_each

    with ExitStack() as opened:
        name = None
        if client is None:
            if spec == "local":
                spec, name = _start_local(data_dir, opened)
            opened.enter_context(one_line_each())
            client = connect(spec, timeout=timeout)
            opened.callback(client.close)
        backend = MongoBackend(
            client,
            database=database,
            collections=collections,
            write_concern=write_concern,
            create_indexes=create_indexes,
            read_only=read_only,
            name=name,
        )
        store = MessageStore(backend, **settings)
        backend.on_close = opened.pop_all().close
    return store


@contextmanager
def database_of(
    spec: str = "auto", data_dir: str | os.PathLike[str] | None = None
) -> Iterator[str]:
    """The URI of the database that ``spec`` names, for processes that each open a store of it.

    Args:
        spec: as for :func:`open_store`; a mongod of our own runs while the block does.
        data_dir: where ``local`` keeps its data.

    Raises:
        StoreConfigError: it is no database that other processes can reach.

    >>> with database_of("memory"):
    ...     pass
    Traceback (most recent call last):
    ...
    goim_edu.errors.StoreConfigError: messages in memory are seen by one process only: ...
    """
    spec, remark = _chosen(spec)
    if spec == "memory":
        way_out = remark or "use a MongoDB (--mongo local, or the address of one)"
        raise StoreConfigError(f"messages in memory are seen by one process only: {way_out}")
    with ExitStack() as opened:
        yield _start_local(data_dir, opened)[0] if spec == "local" else spec


def _none_beside_a_client(spec: str) -> str:
    if spec != "auto":
        raise StoreConfigError("give either a spec or a client: each says where messages live")
    return spec


def _chosen(spec: str) -> tuple[str, str]:
    """What ``spec`` means here: memory, local or a URI, and how to get a real MongoDB."""
    if not isinstance(spec, str) or not spec:
        raise StoreConfigError(f"spec is {spec!r}: {_WANTED}")
    if spec == "auto":
        spec = os.environ.get(URI_VARIABLE, "")
        if not spec:
            why = _why_no_mongod()
            return ("local", "") if why is None else ("memory", f"for a real MongoDB: {why}")
    if spec.startswith("@"):
        spec = _read_uri(spec[1:])
    if spec not in ("memory", "local") and "://" not in spec:
        raise StoreConfigError(f"{spec[:40]!r} names no store: {_WANTED}")
    return spec, ""


def _read_uri(file: str) -> str:
    try:
        return read_address(file)
    except ValueError as error:
        raise StoreConfigError(str(error)) from None


def _why_no_mongod() -> str | None:
    from goim_edu.mongod import why_no_mongod

    return why_no_mongod()


def _start_local(data_dir: str | os.PathLike[str] | None, opened: ExitStack) -> tuple[str, str]:
    """Start a mongod of our own as a replica set of one, which has change streams.

    Returns:
        Its URI, and its name for the description.
    """
    # Imported here: only a store on a mongod of our own needs it.
    from goim_edu.mongod import LocalMongod

    folder = None if data_dir is None else Path(data_dir)
    server = LocalMongod(folder, replica_set="goim", revive=True)
    server.start()
    opened.callback(server.stop)
    return server.uri, f"mongod (data in {server.data_dir})"


def connect_mongodb(uri: str | None = None, *, timeout: float = 10.0) -> Client:
    """Connect a client as in the notes: pool of 100 and 10, ten seconds, an answer has come.

    Args:
        uri: default ``$GOIM_MONGO_URI``, else ``mongodb://localhost:27017``. Its database, if it
            names one, is what ``client.get_default_database()`` gives.
        timeout: seconds that each operation may take, with its retries, 0.001 to 900,000. At most
            five of them it waits for a server that can answer, so this call fails after five
            seconds or earlier; the driver looks every half second. Options of the URI, such as
            ``serverSelectionTimeoutMS``, win over it.

    Returns:
        A client that the caller closes. Nothing else is changed in the process.

    Raises:
        StoreConfigError: the URI or the time-out is wrong, or we are not allowed in.
        StoreUnavailable: nobody answers.
    """
    from goim_edu.storage.mongodb_client import connect

    return connect(uri or os.environ.get(URI_VARIABLE) or DEFAULT_URI, timeout=timeout)


_lock = threading.RLock()
_store: MessageStore | None = None
_store_pid = 0


def shared_store(spec: str | None = None) -> MessageStore:
    """The one store of this process; the first call opens it, completely or not at all.

    A second call returns the same store, whatever its ``spec``. After a fork the child gets one of
    its own, since a client must not be shared across it.

    Args:
        spec: as for :func:`open_store`; default ``$GOIM_MONGO_URI``, else
            ``mongodb://localhost:27017``.

    While it is open, SIGTERM ends the process with 143 after the store is closed, unless a handler
    was set before. :func:`close_mongo` takes that back. Both can set a handler only in the main
    thread (Python's ``signal``). It may be called from any thread.

    Raises:
        StoreConfigError, StoreUnavailable: it could not be opened; the next call tries again.
    """
    global _store, _store_pid
    with _lock:
        if _store is None or _store_pid != os.getpid():
            _store = open_store(spec or os.environ.get(URI_VARIABLE) or DEFAULT_URI)
            _store_pid = os.getpid()
            _set_handler(signal.SIG_DFL, _exit_on_signal)
        return _store


def get_mongo(spec: str | None = None) -> Database:
    """The database of this process: connected, answered, with its indexes.

    It is the one that the URI names, else ``GOIM`` as in the notes. A server calls this when it
    starts and not when the first user comes: that user would have to wait, and a wrong URI would be
    found late.

    Args:
        spec: as for :func:`shared_store`; with ``memory`` it is a database of mongomock.

    Raises:
        StoreConfigError, StoreUnavailable: as :func:`shared_store`.
    """
    return shared_store(spec).database


def insert_one_message(
    room_id: str, user_id: str, text: str, *, client_msg_id: str | None = None
) -> StoredMessage:
    """Store one message in the process's own store and wait until it is durable."""
    return shared_store().insert_one_message(room_id, user_id, text, client_msg_id=client_msg_id)


def close_mongo() -> None:
    """Flush and close the process's store; harmless when there is none, or twice.

    SIGTERM does again what it did before, see :func:`shared_store`.
    """
    global _store
    with _lock:
        store, _store = _store, None
        if store is not None and _store_pid == os.getpid():
            store.close()
            _set_handler(_exit_on_signal, signal.SIG_DFL)


def _set_handler(old: object, new: Any) -> None:
    """Exchange the handler of SIGTERM, if it is still the old one."""
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is old
    ):
        signal.signal(signal.SIGTERM, new)


def _exit_on_signal(number: int, frame: FrameType | None) -> None:
    """Let SIGTERM be an end like others, at which ``atexit`` closes the store.

    It only raises SystemExit, and the main thread unwinds: flushing inside the handler could wait
    for a lock that the interrupted code holds.
    """
    sys.exit(128 + number)
