"""What the benchmarks of a learner measure: the course that opens, and the right chapters."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from benchmarks.learner import Lab, flip_row
from benchmarks.learner_chapters import chapters, first_version, run
from benchmarks.rows import Missing
from tests.conftest import require


def write_notebook(root: Path, code: str) -> Path:
    """A notebook beside a package of its own, as in a checkout."""
    (root / "goim_edu").mkdir()
    (root / "goim_edu" / "__init__.py").touch()
    folder = root / "notebooks"
    folder.mkdir()
    path = folder / "03-frames.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), path)
    return path


def test_the_course_opens_and_a_cell_runs_in_the_learners_copy(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    try:
        opened = lab.open()
        answer, ran = lab.run("import os; os.getcwd()")
    finally:
        lab.stop()
    assert answer == repr(str(tmp_path / "course"))
    assert 0 < opened < ran


def test_a_chapter_runs_with_the_package_beside_it(tmp_path: Path) -> None:
    package = tmp_path / "goim_edu" / "__init__.py"
    code = f"import goim_edu\nassert goim_edu.__file__ == {str(package)!r}"
    path = write_notebook(tmp_path, code)
    before = path.read_bytes()
    assert run([path]) > 0
    assert path.read_bytes() == before


def test_a_chapter_that_fails_has_no_time(tmp_path: Path) -> None:
    with pytest.raises(CellExecutionError, match="no frame"):
        run([write_notebook(tmp_path, "raise ValueError('no frame')")])


def test_a_chapter_counts_with_all_its_parts(tmp_path: Path) -> None:
    for name in ("03-frames", "03b-frame-parser", "13-replica-set", "A1-glossary"):
        (tmp_path / f"{name}.ipynb").touch()
    found = {number: [one.stem for one in paths] for number, paths in chapters(tmp_path).items()}
    assert found == {
        "03": ["03-frames", "03b-frame-parser"],
        "13": ["13-replica-set"],
        "A1": ["A1-glossary"],
    }
    assert list(chapters(tmp_path, "0")) == ["03"]


def test_version_0_1_comes_from_the_history() -> None:
    try:
        with first_version() as folder:
            assert len(chapters(folder / "notebooks")) == 19
            assert (folder / "goim_edu" / "protocol.py").exists()
    except Missing as missing:
        require(False, "the history", str(missing))
    assert not folder.exists()


def test_a_flip_is_done_and_takes_time() -> None:
    row = flip_row(3)
    assert row.unit == "ms"
    assert row.median > 0
