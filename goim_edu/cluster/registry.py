"""What the servers keep of themselves in the database: that they live, and who is with them.

Three small collections stand beside the messages. ``peers`` has a document for each server, and
its beat. ``bulletins`` is capped: what was told a while ago is overwritten. ``presence`` has, for
each server and room, all who are there, for those who come later or have missed a bulletin.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pymongo
from pymongo.errors import CollectionInvalid, OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from goim_edu.chat.ports import Whereabouts
from goim_edu.cluster.bulletins import Bulletin
from goim_edu.storage.indexes import NAMESPACE_EXISTS
from goim_edu.storage.mongodb_client import Database, Document, reading

__all__ = ["BULLETINS", "PEERS", "PRESENCE", "Registry"]

PEERS: Final = "peers"
BULLETINS: Final = "bulletins"
PRESENCE: Final = "presence"
_CAPPED: Final = 8 << 20  # octets of bulletins that are kept
_WHAT: Final = "the other servers cannot be told"
_NEWS: Final = WriteConcern(w=1)  # what may be lost


class Registry:
    """The documents of the servers of one chat; all methods block.

    Args:
        database: where the messages are.
        messages: the name of their collection.

    Every method raises StoreUnavailable if the database does not answer.
    """

    def __init__(self, database: Database, messages: str) -> None:
        self._database = database
        self._messages = messages
        news = database.with_options(write_concern=_NEWS, read_concern=ReadConcern("local"))
        self._peers = news.get_collection(PEERS)
        self._bulletins = news.get_collection(BULLETINS)
        self._presence = news.get_collection(PRESENCE)

    def enter(self, server: str, url: str) -> list[Document]:
        """Say that a server is there now; the documents of all others."""
        with reading(_WHAT):
            self._make_bulletins()
            self._presence.create_index("room_id")
            document = {"url": url, "beat": 1, "draining": False}
            self._peers.replace_one({"_id": server}, document, upsert=True)
            return list(self._peers.find({"_id": {"$ne": server}}))

    def _make_bulletins(self) -> None:
        """Create the capped collection, unless another server is quicker."""
        try:
            self._database.create_collection(BULLETINS, capped=True, size=_CAPPED)
        except CollectionInvalid:
            return
        except OperationFailure as error:
            if error.code != NAMESPACE_EXISTS:
                raise

    def beat(self, server: str, url: str, number: int, *, draining: bool = False) -> bool:
        """Say that it is still there; False if the others have given it up."""
        document = {"url": url, "beat": number, "draining": draining}
        with reading(_WHAT):
            return self._peers.replace_one({"_id": server}, document).matched_count == 1

    def leave(self, server: str, url: str, number: int) -> None:
        """Say that it is gone."""
        document = {"url": url, "beat": number, "draining": True, "gone": True}
        with reading(_WHAT):
            self._presence.delete_many({"server": server})
            self._peers.replace_one({"_id": server}, document)
            self._peers.delete_one({"_id": server})

    def bury(self, server: str, beat: int) -> bool:
        """Delete a server that has been silent since this beat.

        Returns:
            Whether it is gone; False if it has beaten meanwhile.
        """
        with reading(_WHAT):
            self._peers.delete_one({"_id": server, "beat": {"$lte": beat}})
            if self._peers.find_one({"_id": server}) is not None:
                return False
            self._presence.delete_many({"server": server})
            return True

    def tell(
        self,
        bulletin: Bulletin,
        lists: Mapping[str, Sequence[str]],
        most: int,
        *,
        only_lists: bool = False,
    ) -> None:
        """Store a bulletin, and the lists of the rooms in it.

        Args:
            bulletin: what is new.
            lists: all users that the server counts, of each room whose presence has changed.
            most: users of a room up to which their names are kept.
            only_lists: whether the bulletin goes another way.
        """
        writes = [self._list(bulletin, room_id, names, most) for room_id, names in lists.items()]
        with reading(_WHAT):
            if (
                writes
            ):  # first: a server that comes later, or has missed the bulletin, reads the list
                self._presence.bulk_write(writes, ordered=False)
            if not only_lists:
                self._bulletins.insert_one(bulletin.to_document())

    def chat(self) -> str:
        """What tells this chat from any other: the collection of its messages has a UUID."""
        with reading(_WHAT):
            (info,) = self._database.list_collections(filter={"name": self._messages})
            return str(info["info"]["uuid"].hex())

    @staticmethod
    def _list(
        bulletin: Bulletin, room_id: str, names: Sequence[str], most: int
    ) -> pymongo.ReplaceOne[Document] | pymongo.DeleteOne:
        key = f"{bulletin.server}|{room_id}"
        if not names:
            return pymongo.DeleteOne({"_id": key})
        document = {
            "server": bulletin.server,
            "room_id": room_id,
            "number": bulletin.number,
            "names": list(names) if len(names) <= most else [],
            "member_count": 0 if len(names) <= most else len(names),
        }
        return pymongo.ReplaceOne({"_id": key}, document, upsert=True)

    def company(self, room_id: str, but: str) -> list[Whereabouts]:
        """The users of a room at the other servers that are there."""
        with reading(_WHAT):
            alive = {peer["_id"] for peer in self._peers.find({}, {"_id": 1})} - {but}
            found = self._presence.find({"room_id": room_id})
            return [_whereabouts(one) for one in found if one["server"] in alive]

    def lists_of(self, server: str, room_ids: Iterable[str]) -> dict[str, Whereabouts]:
        """The lists of one server, of these rooms."""
        wanted = set(room_ids)
        with reading(_WHAT):
            found = self._presence.find({"server": server})
            return {one["room_id"]: _whereabouts(one) for one in found if one["room_id"] in wanted}


def _whereabouts(document: Mapping[str, Any]) -> Whereabouts:
    return Whereabouts(
        document["server"],
        document.get("number", 0),
        document.get("names", ()),
        document.get("member_count", 0),
    )
