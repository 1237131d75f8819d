"""A pytest fixture that gives a test its server: ours, and the same on ``websockets``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.counting import EXAMPLES, PEERS

NAME = "echo_fixture.py"


@pytest.mark.parametrize("folder", [EXAMPLES, PEERS], ids=["ours", "peer"])
def test_it_serves_a_test(folder: Path, tmp_path: Path) -> None:
    (tmp_path / f"test_{NAME}").write_text((folder / NAME).read_text("utf-8"), encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-W",
            "error",
            "-p",
            "no:cacheprovider",
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
