"""Messages in MongoDB: stored once, numbered by room, never lost once acknowledged.

    submit -> queue -> a room's writer: numbers, one bulk write           (writer.py)
    history, recent, read marks, counts, change stream                    (messages.py)
    documents, what is refused, which index serves which query            (documents.py)
    two homes behind one interface                                        (memory.py, mongodb.py)
    open, share, close                                                    (lifecycle.py)

The homes differ:

======================= ============================ ===========================================
what                    mongomock (``memory``)       MongoDB (``local``, or a URI)
======================= ============================ ===========================================
after the process ends  all is forgotten             all is there
acknowledged means      in this process's memory     in the journal of a majority
sequence numbers        counters in memory           collection ``rooms``, one step per room
one (user, message id)  ``_id``                      ``_id``; in a cluster sharded by ``room_id``
                                                     the ``_id`` is unique per shard, so a key used
                                                     again in another room may go unnoticed
(room_id, seq) unique   by the counter's lock; a     by the index ``room_seq``
                        unique index would make
                        each insert walk all
history                 lists per room beside the    from the index ``room_seq``; what a majority
                        collection, which see only   has, whoever wrote it
                        what this store wrote
validation              ours alone                   ours, then ``$jsonSchema``
explain, watch          StoreError                   yes; ``watch`` on replica sets and clusters
failover                none                         writes go on with the new primary
several servers         no                           yes; one server should write to a room at a
                                                     time, or a reader may see 12 before 11
======================= ============================ ===========================================

>>> with open_store("memory") as store:
...     saved = store.submit("lobby", "lisa", "m1", "hello").result()
...     saved.seq, saved.duplicate, store.last_seq("lobby")
(1, False, 1)
"""

from goim_edu.errors import DuplicateMessage, StoreError, StoreUnavailable
from goim_edu.store.documents import MESSAGE_SCHEMA, Saved, StoredMessage, message_indexes
from goim_edu.store.home import Change, Plan
from goim_edu.store.lifecycle import (
    close_mongo,
    connect_mongodb,
    get_mongo,
    insert_one_message,
    open_store,
    shared_store,
)
from goim_edu.store.memory import MemoryHome
from goim_edu.store.messages import MessageStore
from goim_edu.store.mongodb import MongoHome, create_indexes
from goim_edu.store.writer import GroupCommit, WriterStats

__all__ = [
    "MESSAGE_SCHEMA",
    "Change",
    "DuplicateMessage",
    "GroupCommit",
    "MemoryHome",
    "MessageStore",
    "MongoHome",
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
]
