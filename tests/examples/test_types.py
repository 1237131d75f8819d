"""The examples pass both type checkers, so a program that begins as one of them begins clean."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.conftest import require
from tests.examples.counting import EXAMPLES, ROOT

STRICT = 'include = ["docs/examples"]\ntypeCheckingMode = "strict"'


def check(tool: str, *options: str) -> str:
    """What a type checker says of the examples, or "" if it finds nothing."""
    programs = [str(path) for path in sorted(EXAMPLES.glob("*.py"))]
    assert programs
    done = subprocess.run(
        [sys.executable, "-m", tool, *options, *programs],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_mypy_finds_nothing() -> None:
    assert check("mypy", "--strict") == ""


def test_pyright_finds_nothing() -> None:
    pytest.importorskip("pyright")
    require(shutil.which("node"), "node", "pyright is written in JavaScript")
    assert check("pyright", "--pythonpath", sys.executable) == ""
