"""Connect to MongoDB: a client whose server has answered, and one line for each of its errors."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import Any, Final, Literal
from urllib.parse import unquote_plus

import pymongo
import pymongo.database
import pymongo.uri_parser
from pymongo.errors import ConfigurationError, InvalidURI, OperationFailure, PyMongoError

from goim_edu.errors import StoreConfigError, StoreError, StoreUnavailable

__all__ = [
    *("Client", "Database", "Document", "check_database", "check_database_of", "connect"),
    *(
        "must_be",
        "not_opened",
        "one_line_each",
        "reading",
        "topology_of",
        "unavailable",
        "version_of",
    ),
]

Document = dict[str, Any]
Client = pymongo.MongoClient[Document]
Database = pymongo.database.Database[Document]

_MONGODBS_OWN = frozenset({"admin", "config", "local"})
_FORBIDDEN = frozenset('/\\. "$*<>:|?\0')
_LONGEST_DATABASE = 63  # bytes
_SELECTION_SECONDS: Final = 5.0
_LONGEST_TIMEOUT: Final = 900_000  # MongoClient takes no billion of milliseconds
_HOPELESS: Final = {
    13: "Unauthorized",
    18: "AuthenticationFailed",
    67: "CannotCreateIndex",
    85: "IndexOptionsConflict",
    86: "IndexKeySpecsConflict",
    11000: "DuplicateKey",
}
"""Answers that stay the same however often one asks (MongoDB, ``error_codes.yml``)."""


def unavailable(error: Exception, what: str) -> StoreUnavailable:
    """One clear line for an error of the driver; the password in a URI never appears in it.

    >>> str(unavailable(PyMongoError("db:1: refused, Topology Description: <...>"), "no ping"))
    'no ping: db:1: refused'
    """
    return StoreUnavailable(_line(error, what))


def not_opened(error: Exception, what: str) -> StoreError:
    """The same for an error while a store is opened: may asking again in the same way help?

    >>> not_opened(OperationFailure("Authentication failed.", 18), "no entry")
    StoreConfigError('no entry: Authentication failed.')
    >>> not_opened(PyMongoError("db:1: refused"), "no ping")
    StoreUnavailable('no ping: db:1: refused')
    """
    hopeless = isinstance(error, OperationFailure) and error.code in _HOPELESS
    return (StoreConfigError if hopeless else StoreUnavailable)(_line(error, what))


def _line(error: Exception, what: str) -> str:
    text = str(error).split(", Timeout: ")[0].split(", Topology Description")[0]
    text = text.split(", full error:")[0].replace("\n", " ").strip()
    text = re.sub(r"//[^/@\s]*@", "//***@", text)
    text = re.sub(r" \(configured timeouts: [^)]*\)", "", text)
    return f"{what}: {text[:400]}"


def must_be(value: object, kind: type, what: str) -> None:
    """Refuse what comes from another library: it looks alike, and fails later in other words.

    >>> must_be("GOIM", pymongo.MongoClient, "client")
    Traceback (most recent call last):
    ...
    TypeError: client must be a pymongo.MongoClient, not a builtins.str
    """
    if not isinstance(value, kind):
        found = type(value)
        raise TypeError(
            f"{what} must be a pymongo.{kind.__name__}, not a "
            f"{found.__module__}.{found.__qualname__}"
        )


class _OneLine(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1]:
            record.msg, record.args = f"{record.getMessage()} {record.exc_info[1]}", ()
            record.exc_info = None
        return True


@contextmanager
def one_line_each() -> Iterator[None]:
    """Log without a traceback what the driver meets in the background, such as a frozen mongod.

    This holds for all clients of the process, as they share the logger ``pymongo.client``; what it
    was before, it is again afterwards.
    """
    log, shorten = logging.getLogger("pymongo.client"), _OneLine()
    log.addFilter(shorten)
    try:
        yield
    finally:
        log.removeFilter(shorten)


def check_database_of(uri: str) -> None:
    """Refuse a URI whose database cannot hold our messages.

    Raises:
        StoreConfigError: as :func:`check_database`.

    >>> check_database_of("mongodb://localhost/school")
    >>> check_database_of("mongodb://localhost/a.b")
    Traceback (most recent call last):
    ...
    goim_edu.errors.StoreConfigError: 'a.b' cannot be the name of a database: ...
    """
    hosts_and_name = uri.partition("://")[2].partition("?")[0].rpartition("@")[2]
    name = unquote_plus(hosts_and_name.partition("/")[2])
    if name:
        check_database(name)


def check_database(name: str) -> None:
    """Refuse a name under which a database cannot hold our messages.

    Raises:
        StoreConfigError: MongoDB takes no such name, or it is one of MongoDB's own databases.

    Source: manual, "Naming Restrictions"; the names that only Windows refuses are refused, too.

    >>> check_database("school")
    >>> check_database("admin")
    Traceback (most recent call last):
    ...
    goim_edu.errors.StoreConfigError: the database 'admin' is MongoDB's own; ...
    """
    if not isinstance(name, str):
        raise StoreConfigError(f"the name of a database is a str, not {type(name).__name__}")
    if name in _MONGODBS_OWN:
        raise StoreConfigError(
            f"the database {name!r} is MongoDB's own; name one for the messages, or none. "
            f"To sign in there, write .../?authSource={name}"
        )
    size = len(name.encode(errors="replace"))
    if not 1 <= size <= _LONGEST_DATABASE or not _FORBIDDEN.isdisjoint(name):
        raise StoreConfigError(
            f"{name[:80]!r} cannot be the name of a database: 1 to {_LONGEST_DATABASE} bytes, none "
            'of them one of / \\ . " $ * < > : | ? or a space'
        )


def connect(uri: str, *, timeout: float = 10.0) -> Client:
    """A client for ``uri`` whose server has answered.

    Args:
        uri: ``mongodb://...`` or ``mongodb+srv://...``; options in it win over ours.
        timeout: seconds that each operation with its retries may take, 0.001 to 900,000. At most
            five of them it waits for a server that can answer (for a primary, say).

    Raises:
        StoreConfigError: the URI or the time-out is wrong, or we are not allowed in.
        StoreUnavailable: nobody answers.

    The database that the URI names, ``mongodb://host/database``, is the one that a
    :class:`MongoBackend` then uses.

    Source: manual, "Connection String Options"; pool of 100 and 10 as in the notes.

    >>> connect("mongo://localhost:27017")
    Traceback (most recent call last):
    ...
    goim_edu.errors.StoreConfigError: 'mongo://...' is not a MongoDB URI: the scheme must be ...
    """
    if not isinstance(uri, str):
        raise StoreConfigError(f"the URI is {uri!r}, not a str such as 'mongodb://localhost:27017'")
    if (
        isinstance(timeout, bool)
        or not isinstance(timeout, int | float)
        or not 0.001 <= timeout <= _LONGEST_TIMEOUT
    ):
        raise StoreConfigError(
            f"timeout is {timeout!r}, not a number of seconds from 0.001 to {_LONGEST_TIMEOUT:,}"
        )
    scheme = uri.partition("://")[0]
    if scheme not in ("mongodb", "mongodb+srv"):
        shown = f"{scheme}://..." if "://" in uri else uri[:40]
        raise StoreConfigError(
            f"{shown!r} is not a MongoDB URI: the scheme must be mongodb:// (or mongodb+srv://)"
        )
    check_database_of(uri)
    try:
        if scheme == "mongodb":
            # MongoClient would only warn of an option that it cannot read, and then ignore it.
            pymongo.uri_parser.parse_uri(uri, warn=False)
        client: Client = pymongo.MongoClient(
            uri,
            tz_aware=True,
            tzinfo=UTC,
            **_settings(uri, timeout),
        )
    except (InvalidURI, ConfigurationError, ValueError, TypeError) as error:
        raise StoreConfigError(_line(error, "this MongoDB URI cannot be used")) from None
    try:
        version_of(client)
    except BaseException:
        client.close()
        raise
    return client


def version_of(client: Client) -> str:
    """The version of the server, which thereby shows that it answers and lets us in.

    Raises:
        StoreConfigError: we are not allowed in.
        StoreUnavailable: nobody answers.
    """
    try:
        # Under timeoutMS alone the driver would go on looking for a server until that is over.
        with pymongo.timeout(client.options.server_selection_timeout):
            return str(client.server_info()["version"])
    except PyMongoError as error:
        raise not_opened(error, "no MongoDB answered") from None


def topology_of(client: Client) -> Literal["standalone", "replica set", "sharded"]:
    """What kind of MongoDB has answered this client: the driver knows, so nothing is asked."""
    kinds = {
        one.server_type_name for one in client.topology_description.server_descriptions().values()
    }
    if "Mongos" in kinds or "LoadBalancer" in kinds:
        return "sharded"
    return "replica set" if any(kind.startswith("RS") for kind in kinds) else "standalone"


def _settings(uri: str, timeout: float) -> dict[str, Any]:
    """Our settings, without those that the URI sets itself."""
    ours = {
        "maxPoolSize": 100,
        "minPoolSize": 10,
        "connectTimeoutMS": int(timeout * 1000),
        "serverSelectionTimeoutMS": int(min(timeout, _SELECTION_SECONDS) * 1000),
        "timeoutMS": int(timeout * 1000),
        "appName": "goim_edu",
    }
    named = {option.partition("=")[0].lower() for option in uri.partition("?")[2].split("&")}
    return {name: value for name, value in ours.items() if name.lower() not in named}


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn errors of the driver into :class:`StoreUnavailable`; ``what`` did not work."""
    try:
        yield
    except PyMongoError as error:
        raise unavailable(error, what) from None
