"""What MongoDB's answer to an insert means: stored, refused, or nobody knows yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson.errors import InvalidDocument
from pymongo.errors import (
    ConnectionFailure,
    DocumentTooLarge,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from goim_edu.errors import StoreError
from goim_edu.storage.backend import DuplicateKey, Inserted, Unsure
from goim_edu.storage.mongodb_client import unavailable

__all__ = ["UNSURE_CODES", "inserted", "write_failure"]

DUPLICATE_KEY = 11000
UNSATISFIABLE = frozenset({79, 100})
"""UnknownReplWriteConcern, UnsatisfiableWriteConcern: waiting would not help."""

RETRYABLE_CODES = frozenset(
    {
        6,  # HostUnreachable
        7,  # HostNotFound
        89,  # NetworkTimeout
        91,  # ShutdownInProgress
        134,  # ReadConcernMajorityNotAvailableYet
        189,  # PrimarySteppedDown
        262,  # ExceededTimeLimit
        9001,  # SocketException
        10107,  # NotWritablePrimary
        11600,  # InterruptedAtShutdown
        11602,  # InterruptedDueToReplStateChange
        13435,  # NotPrimaryNoSecondaryOk
        13436,  # NotPrimaryOrSecondary
    }
)
"""Errors that leave open whether a write will last (MongoDB specification "Retryable Writes",
"Determining Retryable Errors"). A mongos answers so when it has lost a shard that may have written.
"""
LIMIT_CODES = frozenset(
    {
        50,  # MaxTimeMSExpired
        64,  # WriteConcernTimeout
        202,  # NetworkInterfaceExceededTimeLimit
        11601,  # Interrupted
    }
)
"""Errors of a write that was ended in the middle."""
UNSURE_CODES = RETRYABLE_CODES | LIMIT_CODES


def write_failure(error: PyMongoError | InvalidDocument) -> StoreError:
    """What an insert that brought an error instead of an answer has done.

    Returns:
        StoreUnavailable if nothing was stored, :class:`Unsure` if some may be, another StoreError
        if a document cannot be written at all.
    """
    if isinstance(error, ServerSelectionTimeoutError):
        return unavailable(error, "no primary")  # nothing was sent
    if isinstance(error, DocumentTooLarge | InvalidDocument):
        return StoreError(f"the message cannot be stored: {error}")
    if isinstance(error, ConnectionFailure):
        return Unsure(str(unavailable(error, "the connection broke while writing")))
    code = getattr(error, "code", None)
    if error.timeout or code in UNSURE_CODES or error.has_error_label("RetryableWriteError"):
        return Unsure(str(unavailable(error, "no answer in time")))
    return unavailable(error, "MongoDB refused to write")


def inserted(answer: Mapping[str, Any], sent: int) -> Inserted:
    """What the answer to an ordered insert of ``sent`` documents says.

    Raises:
        Unsure: it is not certain that a majority has what was written.
        StoreError: the write concern can never be fulfilled.
    """
    concern = answer.get("writeConcernError")
    if concern:
        if concern.get("code") in UNSATISFIABLE:
            raise StoreError(f"nobody can acknowledge this: {concern.get('errmsg')}")
        raise Unsure(f"written, but not yet as safely as asked: {concern.get('errmsg')}")
    problems = answer.get("writeErrors")
    if not problems:
        return Inserted(sent)
    problem = problems[0]  # an ordered insert stops at the first
    code, why = problem.get("code"), problem.get("errmsg")
    if code in UNSURE_CODES:
        raise Unsure(f"the primary gave up: {why}")
    if code == DUPLICATE_KEY:
        return Inserted(problem["index"], _duplicate(problem))
    return Inserted(problem["index"], StoreError(f"MongoDB refused it: {why}"))


def _duplicate(problem: Mapping[str, Any]) -> DuplicateKey:
    """Which key is there already; servers before 4.4 name only the index, in their message."""
    pattern = problem.get("keyPattern")
    if pattern is not None:
        return DuplicateKey.ROOM_SEQ if "seq" in pattern else DuplicateKey.ID
    where = str(problem.get("errmsg")).partition(" dup key")[0]
    return DuplicateKey.ROOM_SEQ if where.endswith("index: room_seq") else DuplicateKey.ID
