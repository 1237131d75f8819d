"""What all tests share: how a missing tool is told, one real mongod, one Chromium per module."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from goim_edu.mongod import LocalMongod, LocalReplicaSet

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def require(present: object, what: str, how: str) -> None:
    """Skip the test, saying how to get ``what``, unless it is ``present``."""
    if not present:
        pytest.skip(f"needs {what}: {how}")


@functools.cache
def _why_no_mongod() -> str | None:
    from goim_edu.mongod import why_no_mongod

    return why_no_mongod()


def require_mongod() -> None:
    """Skip the test, saying what to install, unless a real mongod runs here."""
    why = _why_no_mongod()
    require(why is None, "a mongod", why or "")


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMongod]:
    """One real mongod for the whole run, on a free port, with a data folder of its own."""
    from goim_edu.mongod import LocalMongod

    require_mongod()
    with LocalMongod(data_dir=tmp_path_factory.mktemp("mongod")) as server:
        yield server


@pytest.fixture(scope="session")
def replica_set() -> Iterator[LocalReplicaSet]:
    """Three real mongods that form a replica set; who kills a member starts it again."""
    from goim_edu.mongod import LocalReplicaSet

    require_mongod()
    with LocalReplicaSet(members=3) as members:
        yield members


def find_chromium() -> str | None:
    """The path of an installed Chromium or Chrome, or None."""
    named = os.environ.get("GOIM_CHROMIUM")
    names = ("chromium", "chromium-browser", "google-chrome")
    return named or next((path for name in names if (path := shutil.which(name))), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium; per module, since it occupies the thread's event loop while it runs."""
    from playwright.sync_api import sync_playwright

    path = find_chromium()
    require(path, "Chromium", "apt install chromium, or name one in GOIM_CHROMIUM")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def root() -> Path:
    """The top folder of the project."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture
def room() -> str:
    """A room that no other test writes in."""
    from tests.storing import NUMBERS

    return f"room {next(NUMBERS)}"


@pytest.fixture
def user() -> str:
    from tests.storing import NUMBERS

    return f"user {next(NUMBERS)}"
