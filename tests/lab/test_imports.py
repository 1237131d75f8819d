"""What an import of the lab and of the store costs, and what completion offers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import goim_edu.lab

HEAVY = {"matplotlib", "numpy", "ipywidgets", "IPython", "fiftyone", "goim_edu.mongod"}


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after the statement."""
    code = f"{statement}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import goim_edu.lab", HEAVY | {"pymongo", "mongomock", "asyncio", "goim_edu.draw"}),
        ("from goim_edu.lab import Link, NaiveProxy, News", HEAVY | {"pymongo", "mongomock"}),
        ("from goim_edu.lab import check_history", HEAVY | {"pymongo", "mongomock", "asyncio"}),
        ("import goim_edu.lab.sharding", HEAVY | {"pymongo", "mongomock", "goim_edu.draw"}),
        ("import goim_edu.store", HEAVY | {"mongomock", "pymongo", "cryptography"}),
    ],
)
def test_an_import_loads_nothing_heavy(statement: str, heavy: set[str]) -> None:
    assert loaded_by(statement) & heavy == set()


def test_completion_offers_every_name_before_it_is_loaded() -> None:
    code = "import goim_edu.lab; print(*dir(goim_edu.lab))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(goim_edu.lab.__all__) <= set(done.stdout.split())


@pytest.mark.parametrize("name", goim_edu.lab.__all__)
def test_each_name_is_there(name: str) -> None:
    assert getattr(goim_edu.lab, name) is not None


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        goim_edu.lab.Nothing  # type: ignore[attr-defined]
