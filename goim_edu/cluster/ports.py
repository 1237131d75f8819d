"""What the servers of one chat ask of the store that they share; ``goim_edu.storage`` fits it."""

from __future__ import annotations

from typing import Any, Protocol

from bson.timestamp import Timestamp
from pymongo.database import Database

__all__ = ["SharedStore"]


class SharedStore(Protocol):
    """What a node needs of the store."""

    @property
    def database(self) -> Database[dict[str, Any]]:
        """Where the messages are."""
        ...

    @property
    def messages(self) -> str:
        """The name of their collection."""
        ...

    @property
    def moment(self) -> Timestamp | None:
        """The latest moment that it knows of."""
        ...

    def reach(self, moment: Timestamp | None) -> None:
        """What is read from now on is not older."""
        ...
