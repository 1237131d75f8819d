"""The program of ``docs/examples/store_once.py`` by hand, on ``pymongo``."""

import os
import sys
import time
from datetime import UTC, datetime
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern


def store_one(messages: Collection[dict[str, Any]], document: dict[str, Any]) -> int:
    """Store a message behind the newest of its room, unless it is stored; return its number."""
    while True:
        try:
            if known := messages.find_one({"_id": document["_id"]}):
                return int(known["seq"])
            newest = messages.find_one({"room_id": document["room_id"]}, sort=[("seq", -1)])
            document["seq"] = newest["seq"] + 1 if newest else 1
            messages.insert_one(document)
            return int(document["seq"])
        except DuplicateKeyError:
            pass  # another program took that number, or an earlier attempt was stored
        except PyMongoError:
            time.sleep(0.1)  # perhaps it is stored, perhaps not: look


def store_lines(room: str, user: str) -> None:
    """Store line after line, and print the number of each."""
    with MongoClient[dict[str, Any]](os.environ["GOIM_MONGO_URI"], timeoutMS=10_000) as client:
        messages = client.get_default_database("GOIM").get_collection(
            "messages",
            write_concern=WriteConcern("majority", j=True),
            read_concern=ReadConcern("majority"),
        )
        messages.create_index([("room_id", 1), ("seq", 1)], unique=True, name="room_seq")
        for number, line in enumerate(sys.stdin):
            document = {
                "_id": f"{len(user)}:{user}:{number}",
                "room_id": room,
                "seq": 0,
                "user_id": user,
                "client_msg_id": str(number),
                "text": line.rstrip("\n"),
                "created_at": datetime.now(UTC),
            }
            print(store_one(messages, document), flush=True)


if __name__ == "__main__":
    store_lines(*sys.argv[1:])
