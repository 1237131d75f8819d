"""A store in each backend."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from goim_edu.mongod import LocalMongod
from goim_edu.store import MessageStore, open_store
from tests.storing import mongo_store


@pytest.fixture(scope="module", params=["memory", "standalone", "replica set"])
def store(request: pytest.FixtureRequest) -> Iterator[MessageStore]:
    """The same interface in each backend."""
    if request.param == "memory":
        opened = open_store("memory")
    elif request.param == "standalone":
        opened = mongo_store(request.getfixturevalue("mongod").uri)
    else:
        opened = mongo_store(request.getfixturevalue("replica_set").uri)
    with opened:
        yield opened


@pytest.fixture
def real(mongod: LocalMongod) -> Iterator[MessageStore]:
    """A store on a real mongod, for what mongomock cannot do."""
    with mongo_store(mongod.uri) as opened:
        yield opened
