"""Cells that a platform cannot run: they say what they need and show what was saved."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.getipython import get_ipython
from IPython.testing.globalipapp import start_ipython

from goim_edu import saved_cells
from goim_edu.runtime import Browser, use
from goim_edu.saved_cells import definitions, key_of, offer

CELL = (
    "import numpy_that_is_not_here\nanswer = 42\ndef double(n):\n    return 2 * n\ndouble(nobody)"
)


@pytest.fixture
def shell() -> Iterator[Any]:
    start: Any = start_ipython
    ipython: Any = start() or get_ipython()
    before = list(ipython.input_transformers_cleanup)
    yield ipython
    ipython.input_transformers_cleanup[:] = before


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The outputs of one cell, as the browser edition brings them."""
    folder = tmp_path / "goim_edu_saved"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "needs.json").write_text(json.dumps({key_of(CELL): "numpy"}))
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": "saved text\n"},
        {"output_type": "execute_result", "data": {"text/plain": "84"}, "metadata": {}},
    ]
    (folder / f"{key_of(CELL)}.json").write_text(json.dumps(outputs))
    monkeypatch.syspath_prepend(str(tmp_path))
    for cached in (saved_cells._folder, saved_cells._needs):
        cached.cache_clear()
    yield folder
    for cached in (saved_cells._folder, saved_cells._needs):
        cached.cache_clear()
    sys.modules.pop("goim_edu_saved", None)


def test_such_a_cell_shows_what_was_saved_and_defines_what_it_can(
    package: Path, shell: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with use(Browser()):
        assert offer()
        assert offer(), "twice does no harm"
        assert shell.run_cell(CELL).success
        assert shell.run_cell("double(answer)").result == 84
    shown = capsys.readouterr().out
    assert "needs numpy" in shown
    assert "saved text" in shown
    assert shown.count("84") == 2


def test_a_cell_that_was_changed_runs(package: Path, shell: Any) -> None:
    with use(Browser()):
        offer()
        assert not shell.run_cell(CELL + "\n# mine", silent=True).success


def test_where_all_can_run_nothing_is_changed(package: Path, shell: Any) -> None:
    before = list(shell.input_transformers_cleanup)
    assert not offer()
    assert shell.input_transformers_cleanup == before


def test_where_nothing_was_saved_nothing_is_changed(shell: Any) -> None:
    with use(Browser()):
        assert not offer()


def test_what_cannot_be_read_defines_nothing() -> None:
    assert definitions("await something()\n%time 1") == ""
