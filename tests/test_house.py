"""The rules of the house: what may import what, and what an import may cost."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools import imports
from tools.imports import PACKAGE, ROOT

MODULES = imports.modules()

# Each entry of the package and the entries below it that it may import: one row an entry.
GROUND = {"address_file", "errors", "lazy", "palette", "printable", "runtime", "saved_cells"}
BELOW: dict[str, set[str]] = {
    "address_file": set(),
    "errors": set(),
    "lazy": set(),
    "palette": set(),
    "printable": set(),
    "runtime": {"turned_loop"},  # a browser's loop, when it is asked for
    "turned_loop": set(),
    "saved_cells": {"runtime"},
    "websocket": {"errors"},
    "protocol": {"errors", "websocket"},
    "transport": {"errors", "runtime", "saved_cells", "websocket", "protocol"},
    "chat": {"errors", "printable", "websocket", "protocol", "transport"},
    "cluster": {"address_file", "errors", "chat", "storage"},
    "client": {"errors", "lazy", "printable", "websocket", "protocol", "transport", "chat"},
    "serving": {"errors", "websocket", "protocol", "transport", "chat", "cluster"},
    "server": {"errors", "lazy", "websocket", "protocol", "transport", "chat", "serving"},
    "mongod": {"errors", "runtime", "saved_cells"},
    "storage": {"errors", "runtime"},
    "store": {"address_file", "errors", "lazy", "mongod", "storage"},
    "capture": GROUND | {"websocket"},
    "draw": GROUND | {"websocket", "capture"},
    "feedback": GROUND | {"websocket", "draw"},
    "exercises": GROUND | {"websocket", "protocol", "storage", "draw", "feedback"},
    "widgets": GROUND | {"websocket", "protocol", "capture", "draw", "client", "transport"},
    "lab": GROUND
    | {"websocket", "protocol", "transport", "client", "server", "mongod", "storage", "store"}
    | {"capture", "draw", "feedback"},
    "cli": GROUND
    | {"chat", "client", "serving", "server", "mongod", "store", "capture", "exercises"},
    "__main__": {"cli"},
    "__init__": set(),
}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    entry = imports.entry_of(path)
    entries = {name.split(".")[1] for name in imports.imports_of(path)} & BELOW.keys()
    assert entries - {entry} <= BELOW[entry]


def test_the_table_has_a_row_for_each_entry_and_for_nothing_else() -> None:
    assert BELOW.keys() == imports.import_graph().keys()


def test_the_table_has_no_circle_and_few_floors() -> None:
    assert max(imports.floors(BELOW).values()) <= 12


def test_no_module_needs_itself_by_a_detour() -> None:
    """A folder's face counts as the modules that it hands on."""
    assert imports.floors(imports.module_graph())


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_first_line_says_what_a_module_is_for(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring, "no docstring"
    assert docstring.splitlines()[0].endswith("."), "the first line is a sentence"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_assert_guards_an_input(path: Path) -> None:
    """An assert vanishes under ``python -O``, and its traceback says nothing to a learner."""
    lines = [n.lineno for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Assert)]
    assert not lines


def test_the_protocol_needs_nothing_heavy() -> None:
    """The protocol is pure Python: importing it loads neither pictures nor a loop nor a driver."""
    heavy = {"asyncio", "numpy", "matplotlib", "ipywidgets", "pymongo", "msgspec"}
    code = f"import sys, goim_edu.protocol; print(*{heavy} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_wheel_holds_all_that_the_package_reads(tmp_path: Path) -> None:
    """Pages, scripts and styles travel with the code."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "goim_edu"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(tracked.stdout.split()) <= packed
