"""The password and the key of our own mongods, kept in files that only their owner may read."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pymongo
from pymongo.errors import OperationFailure

__all__ = ["AUTHENTICATION_FAILED", "Credentials", "MongoURI", "ensure_user", "write_private"]

_USER = "goim"
AUTHENTICATION_FAILED = 18
_NO_SUCH_USER = 11


class MongoURI(str):
    """An address of a database with its password, which a notebook does not show.

    It is the whole address for :class:`pymongo.MongoClient`; only its ``repr``, which is what a
    notebook cell shows and saves, has stars where the password stands.

    >>> MongoURI("mongodb://goim:secret@127.0.0.1:27017/")
    'mongodb://goim:***@127.0.0.1:27017/'
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(self.shown)

    @property
    def shown(self) -> str:
        """The address without its password."""
        return re.sub(r"//([^/:@\s]*):[^/@\s]*@", r"//\1:***@", str(self))

    def __add__(self, more: str) -> MongoURI:
        return MongoURI(super().__add__(more))


class Credentials:
    """What opens the mongods of one folder.

    Two files are made at the first start, each readable by its owner alone: ``password``, of the
    user ``goim`` who may do everything, and ``key``, the key file with which the members of a
    replica set know each other. The key also opens the built-in user ``__system``, as which we set
    a new database up. So at no moment is there a database that lets a stranger in, not even
    between its first start and its first user. A third file, ``uri``, has the whole address.

    Args:
        folder: where the files are; members of one replica set share one.

    Source: manual, "Deploy Replica Set With Keyfile Authentication", "enableLocalhostAuthBypass".
    """

    def __init__(self, folder: Path) -> None:
        self.key_file = folder / "key"
        self.uri_file = folder / "uri"
        self._password_file = folder / "password"

    def prepare(self) -> None:
        """Make what is missing. A folder of version 0.1 has neither: it gets both."""
        # A key file holds 6 to 1024 characters of base64.
        _make_once(self.key_file, base64.b64encode(secrets.token_bytes(48)).decode())
        _make_once(self._password_file, secrets.token_urlsafe(24))

    @property
    def password(self) -> str:
        """The password of the user ``goim``; empty before the first start."""
        with contextlib.suppress(FileNotFoundError):
            return self._password_file.read_text().strip()
        return ""

    def uri(self, hosts: str, options: str) -> MongoURI:
        """The address for a client.

        Args:
            hosts: ``host:port``, several joined by commas.
            options: what follows the question mark.
        """
        if not (password := self.password):
            return MongoURI(f"mongodb://{hosts}/?{options}")
        return MongoURI(
            f"mongodb://{_USER}:{quote(password, safe='')}@{hosts}/?authSource=admin&{options}"
        )

    def remember_uri(self, uri: MongoURI) -> None:
        """Write the address where ``--mongo @FILE`` finds it."""
        write_private(self.uri_file, f"{uri}\n")

    def as_system(self) -> dict[str, Any]:
        """Arguments of a ``MongoClient`` that may do everything, before there is any user."""
        return {
            "username": "__system",
            "password": self.key_file.read_text().strip(),
            "authSource": "local",
            "authMechanism": "SCRAM-SHA-256",
        }


def ensure_user(
    client: pymongo.MongoClient[dict[str, Any]],
    address: str,
    credentials: Credentials,
    members: int = 1,
) -> None:
    """Give the user ``goim`` our password, in a database that has no such user or an older one.

    Args:
        client: may do everything, and is connected to the primary.
        address: ``host:port`` of the same server.
        credentials: whose password it is.
        members: of the replica set; all of them know the user when this returns.

    Raises:
        PyMongoError: it cannot be done now.
    """
    uri = credentials.uri(address, "directConnection=true")
    try:
        with pymongo.MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=5000) as ours:
            ours.admin.command("connectionStatus")
        return
    except OperationFailure as error:
        if error.code != AUTHENTICATION_FAILED:
            raise
    # This role may also set the cluster's clock: else the times that one primary has signed are
    # refused by the next one until it has read the keys for them, an error "KeyNotFound" for
    # whatever is asked just after an election. The mechanism is named, so that the older SHA-1 is
    # not kept beside it.
    rights: dict[str, Any] = {
        "pwd": credentials.password,
        "roles": ["__system"],
        "writeConcern": {"w": members, "wtimeout": 20_000},
        "mechanisms": ["SCRAM-SHA-256"],
    }
    try:
        client.admin.command("updateUser", _USER, **rights)
    except OperationFailure as error:
        if error.code != _NO_SUCH_USER:
            raise
        client.admin.command("createUser", _USER, **rights)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    draft = _draft(path, text)
    draft.replace(path)


def _make_once(path: Path, text: str) -> None:
    """Write a private file unless there is one; what is there stays."""
    if not path.exists():
        draft = _draft(path, text)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    # mongod refuses a key file that others may read, as after a copy with other rights.
    path.chmod(0o600)


def _draft(path: Path, text: str) -> Path:
    """A private file beside ``path``, written to the disk, to take its name in one step."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    return draft
