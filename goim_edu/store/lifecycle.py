"""Open, share and close: which home a store gets, and the one store that a process shares.

The notes do this in Go with ``sync.Once``; here the same names do it in Python, and what went wrong
there is done differently: a failure is an error for the caller and leaves nothing half made, an
index that cannot be made stops the start, closing before opening does nothing, and SIGTERM ends the
process after the store is flushed and closed.
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

from goim_edu.errors import StoreUnavailable
from goim_edu.store.documents import StoredMessage
from goim_edu.store.memory import MemoryHome
from goim_edu.store.messages import MessageStore
from goim_edu.store.mongodb import Client, MongoHome, connect

if TYPE_CHECKING:
    from pymongo.write_concern import WriteConcern

__all__ = [
    "DEFAULT_URI",
    "close_mongo",
    "connect_mongodb",
    "get_mongo",
    "insert_one_message",
    "open_store",
    "shared_store",
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
    """A message store in the home that ``spec`` names.

    Args:
        spec: ``memory`` (mongomock, forgets), ``local`` (a real mongod of our own, whose data stay
            in ``data_dir``), a URI ``mongodb://...``, or ``auto``: ``$GOIM_MONGO_URI``, else
            ``local`` if a mongod can run here, else ``memory``.
        data_dir: where ``local`` keeps its data; default: the user's data folder.
        write_concern: other than majority with journal, to show what may be lost then.
        **settings: of :class:`MessageStore`.

    Raises:
        StoreUnavailable: one line that says what is wrong; nothing is left running.

    >>> with open_store("memory") as store:
    ...     store.durable
    False
    """
    if spec == "auto":
        spec = os.environ.get(URI_VARIABLE, "")
    if not spec:
        why = _why_no_mongod()
        if why is not None:
            return MessageStore(MemoryHome(f"for a real MongoDB: {why}"), **settings)
        spec = "local"
    if spec == "memory":
        return MessageStore(MemoryHome(), **settings)
    if spec == "local":
        return _open_local(data_dir, write_concern, settings)
    if "://" not in spec:
        raise StoreUnavailable(
            f"{spec[:40]!r} names no store: use auto, memory, local or mongodb://..."
        )
    client = connect(spec)
    try:
        return MessageStore(MongoHome(client, write_concern=write_concern), **settings)
    except BaseException:
        client.close()
        raise


def _why_no_mongod() -> str | None:
    from goim_edu.lab.mongo import why_no_mongod

    return why_no_mongod()


def _open_local(
    data_dir: str | os.PathLike[str] | None,
    write_concern: WriteConcern | None,
    settings: dict[str, Any],
) -> MessageStore:
    """Start a mongod of our own, a replica set of one: it has retryable writes, change streams."""
    # The laboratory stands above the store; only this one way of opening needs it.
    from goim_edu.lab.mongo import LocalMongod

    folder = None if data_dir is None else Path(data_dir)
    server = LocalMongod(folder, replica_set="goim", revive=True)
    server.start()
    try:
        client = connect(server.uri)
        try:
            home = MongoHome(
                client,
                write_concern=write_concern,
                on_close=server.stop,
                name=f"mongod (data in {server.data_dir})",
            )
            return MessageStore(home, **settings)
        except BaseException:
            client.close()
            raise
    except BaseException:
        server.stop()
        raise


def connect_mongodb(uri: str | None = None, *, timeout: float = 10.0) -> Client:
    """A connected client, as in the notes: pool of 100 and 10, ten seconds, ping answered.

    Args:
        uri: default ``$GOIM_MONGO_URI``, else ``mongodb://localhost:27017``.
        timeout: seconds.

    Raises:
        StoreUnavailable: wrong URI or nobody there.
    """
    return connect(uri or os.environ.get(URI_VARIABLE) or DEFAULT_URI, timeout=timeout)


_lock = threading.RLock()
_store: MessageStore | None = None
_store_pid = 0


def shared_store(uri: str | None = None) -> MessageStore:
    """The one store of this process; made by the first call, complete or not at all.

    A second call answers the same store, whatever its ``uri``. After a fork the child gets one of
    its own, since a client must not be shared across it.

    Raises:
        StoreUnavailable: could not be made; the next call tries anew.
    """
    global _store, _store_pid
    with _lock:
        if _store is None or _store_pid != os.getpid():
            client = connect_mongodb(uri)
            try:
                made = MessageStore(MongoHome(client))
            except BaseException:
                client.close()
                raise
            _store, _store_pid = made, os.getpid()
            _close_at_the_end()
        return _store


def get_mongo(uri: str | None = None) -> Any:
    """The database ``GOIM`` of this process: connected, pinged, its indexes made.

    The same name as in the notes. A server calls it at its start, not when the first user comes:
    that user would pay for it, and a wrong URI would be found late.

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
    code holds. A handler that a server has set is left alone.
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
