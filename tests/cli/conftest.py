"""A small course, and a clone of a project that has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.notebooks import notebook


@pytest.fixture
def course(tmp_path: Path) -> Path:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / "00-start.ipynb").write_bytes(notebook("1 + 1"))
    (folder / "03-frames.ipynb").write_bytes(notebook("2 + 2", "3 + 3"))
    return folder


@pytest.fixture
def checkout(course: Path) -> Path:
    (course / "00-start.ipynb").rename(course / "00-start-here.ipynb")
    return course.parent
