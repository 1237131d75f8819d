"""A lesson without a mongod: one word about it, no error, and a way to go on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import IPython
import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from goim_edu.errors import StoreUnavailable
from goim_edu.mongod import need, need_mongod

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
IN_NEED = [
    path for path in sorted(NOTEBOOKS.glob("*.ipynb")) if "need_mongod()" in path.read_text()
]
NEED = "from goim_edu.mongod import need_mongod\nneed_mongod()"
CELLS = [NEED, "kept = 6 * 7\nkept", "%who_ls", "await something_undefined()"]


def run(notebook: Any, monkeypatch: pytest.MonkeyPatch, binary: str) -> list[list[Any]]:
    monkeypatch.setenv("GOIM_MONGOD", binary)
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    return [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]


def test_a_notebook_says_it_once_and_skips_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in CELLS])
    said, *skipped = run(notebook, monkeypatch, "nowhere/mongod")
    [card] = said
    assert "a real MongoDB is needed" in card.data["text/markdown"]
    assert "set GOIM_MONGOD to a mongod" in card.data["text/plain"]
    for [output] in skipped:
        assert output.output_type == "stream"
        assert output.text == "skipped: there is no MongoDB on this machine\n"
    nbformat.validate(notebook)


def test_where_one_can_run_nothing_is_said_and_a_second_call_wakes_the_rest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shell: Any = InteractiveShell()  # type: ignore[no-untyped-call]
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    monkeypatch.setattr(need, "why_no_mongod", lambda: "there is none")
    need_mongod()
    need_mongod()
    assert "there is none" in capsys.readouterr().out
    shell.run_cell("kept = 42")
    assert "kept" not in shell.user_ns
    assert capsys.readouterr().out.count("skipped") == 1
    monkeypatch.setattr(need, "why_no_mongod", lambda: None)
    shell.run_cell(NEED)
    shell.run_cell("kept = 42")
    assert shell.user_ns["kept"] == 42
    assert capsys.readouterr().out == ""


def test_elsewhere_it_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IPython, "get_ipython", lambda: None)
    monkeypatch.setattr(need, "why_no_mongod", lambda: "there is none")
    with pytest.raises(StoreUnavailable, match="there is none"):
        need_mongod()
    monkeypatch.setattr(need, "why_no_mongod", lambda: None)
    need_mongod()


@pytest.mark.parametrize("path", IN_NEED, ids=lambda path: path.stem)
def test_a_chapter_runs_to_its_end_without_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = run(nbformat.read(path, as_version=4), monkeypatch, "nowhere/mongod")
    assert sum("skipped" in output.get("text", "") for each in outputs for output in each) > 5


@pytest.mark.parametrize("required", ["0", "1"])
def test_nbval_skips_what_needs_one_unless_nothing_may_be_skipped(required: str) -> None:
    where = os.environ | {"GOIM_MONGOD": "nowhere/mongod", "GOIM_REQUIRE_ALL": required}
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "--nbval", "notebooks/11-indexes.ipynb"]
    done = subprocess.run(
        command, cwd=NOTEBOOKS.parent, env=where, stdout=-1, text=True, timeout=60, check=False
    )
    assert done.returncode == int(required)
    if required == "1":
        assert "GOIM_REQUIRE_ALL=1 forbids skips" in done.stdout
    else:
        assert "set GOIM_MONGOD to a mongod" in done.stdout
        assert " passed" not in done.stdout
