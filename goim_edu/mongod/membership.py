"""One member of a replica set: ask it, initiate the set, put its address right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pymongo
from pymongo.errors import OperationFailure

if TYPE_CHECKING:
    from goim_edu.mongod.credentials import Credentials

__all__ = ["correct_address", "direct_client", "initiate_once"]

_NOT_YET_INITIALISED = 94
_ALREADY_INITIALISED = 23


def direct_client(
    address: str, credentials: Credentials | None = None, *, timeout: float = 5.0
) -> pymongo.MongoClient[dict[str, Any]]:
    """A client for this one member, whatever its state.

    Without credentials it is let in for ``hello`` only, which needs none.
    """
    return pymongo.MongoClient(
        f"mongodb://{address}/?directConnection=true",
        serverSelectionTimeoutMS=int(timeout * 1000),
        connectTimeoutMS=int(timeout * 1000),
        timeoutMS=int(timeout * 1000),
        maxPoolSize=2,
        tz_aware=True,
        **({} if credentials is None else credentials.as_system()),
    )


def initiate_once(client: pymongo.MongoClient[dict[str, Any]], name: str, here: str) -> None:
    """Make the server the only member of its set, unless it is already."""
    try:
        client.admin.command("replSetGetConfig")
    except OperationFailure as error:
        if error.code != _NOT_YET_INITIALISED:
            raise
        config = {"_id": name, "members": [{"_id": 0, "host": here}]}
        try:
            client.admin.command("replSetInitiate", config)
        except OperationFailure as refusal:
            # A server that has just started may not have read its configuration when first asked.
            if refusal.code != _ALREADY_INITIALISED:
                raise


def correct_address(client: pymongo.MongoClient[dict[str, Any]], here: str) -> None:
    """Write the address where it listens now into the configuration of a set of one."""
    client["local"]["system.replset"].update_many(
        {"members": {"$size": 1}}, {"$set": {"members.0.host": here}}
    )
