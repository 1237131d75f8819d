"""Connect to MongoDB: a client whose server has answered, and one line for each of its errors."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import Any
from urllib.parse import unquote_plus

import pymongo
import pymongo.uri_parser
from pymongo.errors import ConfigurationError, InvalidURI, PyMongoError

from goim_edu.errors import StoreUnavailable

__all__ = ["Client", "Document", "check_database", "connect", "reading", "unavailable"]

Document = dict[str, Any]
Client = pymongo.MongoClient[Document]

_MONGODBS_OWN = frozenset({"admin", "config", "local"})
_FORBIDDEN = frozenset('/\\. "$*<>:|?\0')
_LONGEST_DATABASE = 63  # bytes


def unavailable(error: Exception, what: str) -> StoreUnavailable:
    """One clear line for an error of the driver; the password in a URI never appears in it.

    >>> str(unavailable(PyMongoError("db:1: refused, Topology Description: <...>"), "no ping"))
    'no ping: db:1: refused'
    """
    text = str(error).split(", Timeout: ")[0].split(", Topology Description")[0]
    text = text.split(", full error:")[0].replace("\n", " ").strip()
    text = re.sub(r"//[^/@\s]*@", "//***@", text)
    text = re.sub(r" \(configured timeouts: [^)]*\)", "", text)
    return StoreUnavailable(f"{what}: {text[:400]}")


def _in_one_line(record: logging.LogRecord) -> bool:
    """Log without a traceback what the driver met in the background, such as a frozen mongod."""
    if record.exc_info and record.exc_info[1]:
        record.msg, record.args = f"{record.getMessage()} {record.exc_info[1]}", ()
        record.exc_info = None
    return True


def check_database(uri: str) -> None:
    """Refuse a URI whose database cannot hold our messages.

    Raises:
        StoreUnavailable: MongoDB takes no such name, or it is one of MongoDB's own databases.

    Source: manual, "Naming Restrictions"; the names that only Windows refuses are refused, too.

    >>> check_database("mongodb://localhost/school")
    >>> check_database("mongodb://localhost/a.b")
    Traceback (most recent call last):
    ...
    goim_edu.errors.StoreUnavailable: 'a.b' cannot be the name of a database: ...
    """
    hosts_and_name = uri.partition("://")[2].partition("?")[0].rpartition("@")[2]
    name = unquote_plus(hosts_and_name.partition("/")[2])
    if name in _MONGODBS_OWN:
        raise StoreUnavailable(
            f"the database {name!r} is MongoDB's own; name one for the messages, or none. "
            f"To sign in there, write .../?authSource={name}"
        )
    if len(name.encode(errors="replace")) > _LONGEST_DATABASE or not _FORBIDDEN.isdisjoint(name):
        raise StoreUnavailable(
            f"{name[:80]!r} cannot be the name of a database: 1 to {_LONGEST_DATABASE} bytes, none "
            'of them one of / \\ . " $ * < > : | ? or a space'
        )


def connect(uri: str, *, timeout: float = 10.0, selection_timeout: float = 5.0) -> Client:
    """A client for ``uri`` whose server has answered a ping.

    Args:
        uri: ``mongodb://...`` or ``mongodb+srv://...``; options in it win over ours.
        timeout: seconds that connecting, and each operation with its retries, may take.
        selection_timeout: seconds to wait for a server that can answer (for a primary, say).

    Raises:
        StoreUnavailable: the URI is wrong, nobody answers, or we are not allowed in.

    The database that the URI names, ``mongodb://host/database``, is the one that a
    :class:`MongoBackend` then uses.

    Source: manual, "Connection String Options"; pool of 100 and 10 as in the notes.

    >>> connect("mongo://localhost:27017")
    Traceback (most recent call last):
    ...
    goim_edu.errors.StoreUnavailable: 'mongo://...' is not a MongoDB URI: the scheme must be ...
    """
    logging.getLogger("pymongo.client").addFilter(_in_one_line)
    scheme = uri.partition("://")[0]
    if scheme not in ("mongodb", "mongodb+srv"):
        shown = f"{scheme}://..." if "://" in uri else uri[:40]
        raise StoreUnavailable(
            f"{shown!r} is not a MongoDB URI: the scheme must be mongodb:// (or mongodb+srv://)"
        )
    check_database(uri)
    try:
        if scheme == "mongodb":
            # MongoClient would only warn of an option that it cannot read, and then ignore it.
            pymongo.uri_parser.parse_uri(uri, warn=False)
        client: Client = pymongo.MongoClient(
            uri,
            tz_aware=True,
            tzinfo=UTC,
            **_settings(uri, timeout=timeout, selection_timeout=selection_timeout),
        )
    except (InvalidURI, ConfigurationError, ValueError, TypeError) as error:
        raise unavailable(error, "this MongoDB URI cannot be used") from None
    try:
        # Under timeoutMS alone the driver would go on looking for a server until that is over.
        with pymongo.timeout(client.options.server_selection_timeout):
            client.admin.command("ping")
    except PyMongoError as error:
        client.close()
        raise unavailable(error, "no MongoDB answered") from None
    return client


def _settings(uri: str, *, timeout: float, selection_timeout: float) -> dict[str, Any]:
    """Our settings, without those that the URI sets itself."""
    ours = {
        "maxPoolSize": 100,
        "minPoolSize": 10,
        "connectTimeoutMS": int(timeout * 1000),
        "serverSelectionTimeoutMS": int(selection_timeout * 1000),
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
