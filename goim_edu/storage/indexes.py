"""The indexes of the messages: which one serves which query, and how they are created."""

from __future__ import annotations

from pymongo import ASCENDING, DESCENDING, IndexModel, timeout
from pymongo.database import Database as PymongoDatabase
from pymongo.errors import CollectionInvalid, OperationFailure, PyMongoError

from goim_edu.errors import StoreConfigError
from goim_edu.storage.documents import COLLECTIONS, MESSAGE_SCHEMA, Collections
from goim_edu.storage.mongodb_client import Database, Document, must_be, not_opened

__all__ = ["check_indexes", "create_indexes", "message_indexes"]

INDEX_SECONDS = 600.0
"""How long making an index on a large collection may take."""
NAMESPACE_EXISTS = 48


def message_indexes(*, unique: bool = True) -> list[IndexModel]:
    """The indexes of ``messages``; the first three carry the names and keys of the notes.

    ========================= ======================= =========================================
    name                      keys                    the query that needs it
    ========================= ======================= =========================================
    ``_id_`` (always there)   ``_id``                 is this (user_id, client_msg_id) stored?
    ``room_created_desc``     room_id, -created_at    a room between two times
    ``user_created_desc``     user_id, -created_at    everything that one user wrote
    ``created_at_desc``       -created_at             the newest messages of all rooms
    ``room_seq`` (unique)     room_id, seq            every page of a room's history, both ways
    ========================= ======================= =========================================

    Args:
        unique: False on mongomock, where each unique index makes an insert walk all documents.

    >>> [index.document["name"] for index in message_indexes()][:2]
    ['room_created_desc', 'user_created_desc']
    """
    return [
        IndexModel([("room_id", ASCENDING), ("created_at", DESCENDING)], name="room_created_desc"),
        IndexModel([("user_id", ASCENDING), ("created_at", DESCENDING)], name="user_created_desc"),
        IndexModel([("created_at", DESCENDING)], name="created_at_desc"),
        IndexModel([("room_id", ASCENDING), ("seq", ASCENDING)], name="room_seq", unique=unique),
    ]


def create_indexes(database: Database, collections: Collections = COLLECTIONS) -> list[str]:
    """Create the collection, its validation and its indexes, unless they are there already.

    Args:
        database: of a real MongoDB, such as ``client["GOIM"]``.
        collections: how the collections are called.

    Returns:
        The names of the indexes of the messages.

    Raises:
        TypeError: ``database`` is something else, such as a client or one of mongomock.
        StoreConfigError: one of them cannot be created. Without ``room_seq`` two messages could
            share a number, so a store that lacks it must not start.
        StoreUnavailable: the database does not answer.

    Source: manual, ``createIndexes`` and ``collMod``.
    """
    must_be(database, PymongoDatabase, "the database, such as client['GOIM'],")
    validator = {"$jsonSchema": MESSAGE_SCHEMA}
    try:
        with timeout(INDEX_SECONDS):
            try:
                database.create_collection(collections.messages, validator=validator)
            except (CollectionInvalid, OperationFailure) as error:
                if isinstance(error, OperationFailure) and error.code != NAMESPACE_EXISTS:
                    raise
                _renew_validator(database, collections.messages, validator)
            names = database[collections.messages].create_indexes(message_indexes())
            database[collections.read_marks].create_index("room_id", name="room")
    except PyMongoError as error:
        raise not_opened(error, "the indexes of the messages cannot be made") from None
    return names


def _renew_validator(database: Database, name: str, validator: Document) -> None:
    """Change the validation of an existing collection, if it differs."""
    if database[name].options().get("validator") != validator:
        database.command("collMod", name, validator=validator)


def check_indexes(database: Database, collections: Collections) -> None:
    """Refuse to number messages where nothing keeps a number from being given twice.

    Raises:
        StoreConfigError: the unique index ``room_seq`` is missing.
        StoreUnavailable: the database does not answer.
    """
    try:
        found = database[collections.messages].index_information().get("room_seq", {})
    except PyMongoError as error:
        raise not_opened(error, "the indexes of the messages cannot be read") from None
    if found.get("key") != [("room_id", ASCENDING), ("seq", ASCENDING)] or not found.get("unique"):
        raise StoreConfigError(
            f"{database.name}.{collections.messages} lacks the unique index room_seq, without "
            "which a number could be given twice: make it with create_indexes(database)"
        )
