"""The lease: a MongoDB that is no replica set serves one chat server, and a second one is told.

Without change streams servers cannot follow each other. So the first one keeps a document, and
renews it; the second finds it and does not start. One mongod has one clock, which alone counts.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from pymongo.errors import DuplicateKeyError

from goim_edu.errors import StoreConfigError
from goim_edu.storage.mongodb_client import Database, reading

__all__ = ["RENEW_EVERY", "STALE_AFTER", "Lease", "LeaseHeld"]

STALE_AFTER: Final = 15.0
"""Seconds after which a lease that was not renewed can be taken."""
RENEW_EVERY: Final = 5.0
"""Seconds between two renewals."""
_WHAT: Final = "the lease of the server cannot be kept"
_KEY: Final = "server"
_LONG_AGO: Final = datetime.fromtimestamp(0, UTC)

_held: set[str] = set()  # the leases of this process


class LeaseHeld(StoreConfigError):
    """Another server serves this MongoDB, which can serve one only."""


class Lease:
    """The right to serve from one MongoDB; all methods block.

    Args:
        database: where the messages are, on a standalone server.
        stale_after: seconds after which the lease of a silent server can be taken.

    Each method raises StoreUnavailable if the database does not answer.
    """

    def __init__(self, database: Database, stale_after: float = STALE_AFTER) -> None:
        self._leases = database.get_collection("lease")
        self._owner = uuid4().hex
        self._stale_after = stale_after

    def take(self, url: str) -> None:
        """Take it, or renew it.

        Args:
            url: where this server is, to be told to the next.

        Raises:
            LeaseHeld: another server has it; the text names it, and says what to do.
        """
        with reading(_WHAT):
            first = self._leases.find_one({"_id": _KEY})
            free: list[dict[str, Any]] = [{"owner": self._owner}, {"$expr": self._is_stale()}]
            if first is not None and _is_dead(first):
                free.append({"owner": first["owner"]})
            if first is None:
                with suppress(DuplicateKeyError):  # another was quicker
                    self._leases.insert_one({"_id": _KEY, "owner": "", "renewed": _LONG_AGO})
            taken = self._leases.update_one(
                {"_id": _KEY, "$or": free}, [{"$replaceWith": self._document(url)}]
            )
            if not taken.matched_count:
                raise LeaseHeld(_held_by(self._leases.find_one({"_id": _KEY})))
        _held.add(self._owner)

    def _is_stale(self) -> dict[str, Any]:
        oldest = {"$subtract": ["$$NOW", int(1000 * self._stale_after)]}
        return {"$lt": ["$renewed", oldest]}

    def _document(self, url: str) -> dict[str, Any]:
        return {
            "_id": _KEY,
            "owner": self._owner,
            "url": {"$literal": url},
            "host": {"$literal": socket.gethostname()},
            "pid": os.getpid(),
            "machine": {"$literal": _machine()},
            "renewed": "$$NOW",
        }

    def give_back(self) -> None:
        """Let the next server have it at once."""
        _held.discard(self._owner)
        with reading(_WHAT):
            self._leases.delete_one({"_id": _KEY, "owner": self._owner})


def _machine() -> str:
    """Where a process is the only one with its number; empty if we cannot ask for it there.

    Containers may share the name of their machine, and each of them has a process 1.
    """
    if os.name != "posix":
        return ""  # to ask for a process there would end it
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    return socket.gethostname()


def _is_dead(first: dict[str, Any]) -> bool:
    """Whether the process of a lease ran on this machine, and has ended."""
    machine = _machine()
    if not machine or first.get("machine") != machine:
        return False
    pid = int(first.get("pid", 0))
    if pid == os.getpid():
        return first.get("owner") not in _held
    with suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
    return False


def _held_by(first: dict[str, Any] | None) -> str:
    if first is None:  # it was given back in this moment
        return "another server has just served this MongoDB: start again"
    renewed = first.get("renewed")
    when = f", seen at {renewed:%H:%M:%S} UTC" if isinstance(renewed, datetime) else ""
    return (
        f"a MongoDB that is no replica set serves one chat server, and that is {first.get('url')} "
        f"(process {first.get('pid')} on {first.get('host')}{when}): stop that one, or make the "
        "MongoDB a replica set"
    )
