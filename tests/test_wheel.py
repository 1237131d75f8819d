"""The wheel, elsewhere: it brings the course, ``start`` copies it, ``update`` keeps what one wrote.

``GOIM_EVERY_NOTEBOOK=1`` executes all notebooks there, and not only three.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest

from tests.conftest import require_mongod
from tests.installing import ROOT, Installed, build_wheel, run, uv

NAME = "目录 with spaces"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
THREE = {"00-start-here.ipynb", "03-frames.ipynb", "12-storing-messages.ipynb"}
EVERY = os.environ.get("GOIM_EVERY_NOTEBOOK") == "1"
EXECUTED = [path.name for path in NOTEBOOKS if EVERY or path.name in THREE]
# A version of tomorrow, and what it changes.
NEWER, CHANGED = "0.1.0.post1", ("03-frames.ipynb", "05-messages.ipynb")


class Learner(NamedTuple):
    """Somebody who has installed the wheel, and has never seen the project."""

    installed: Installed
    home: Path

    @property
    def copy(self) -> Path:
        return self.home / NAME

    def says(self, *words: object, within: Path | None = None) -> str:
        done = self.installed.command(within or self.home, self.home, *words)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def learner(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Learner]:
    """An environment with the whole course, made once; its copy of the course is made already."""
    home = tmp_path_factory.mktemp("home")
    one = Learner(Installed.make(home / "venv", wheel, "lab"), home)
    told = one.says("goim-edu", "start", NAME)
    assert f"goim-edu lab '{NAME}' opens them in JupyterLab" in told
    yield one
    shutil.rmtree(home)  # several hundred megabytes, which pytest would keep


def cells(path: Path) -> list[Any]:
    return list(nbformat.read(path, nbformat.NO_CONVERT).cells)


def in_wheel(wheel: Path, folder: str) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith(f"{folder}/")]
        return {name.rpartition("/")[2]: archive.read(name) for name in names}


def test_the_wheel_has_the_course_and_nothing_beside_it(wheel: Path) -> None:
    assert in_wheel(wheel, "goim_edu/course") == {p.name: p.read_bytes() for p in NOTEBOOKS}
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert {re.sub(r"-.*(?=\.dist-info)", "", top) for top in tops} == {
        *("goim_edu", "goim_edu.dist-info")
    }


def test_a_wheel_made_of_the_source_package_has_it_too(wheel: Path, tmp_path: Path) -> None:
    hatch = [sys.executable, "-m", "hatchling", "build", "--target", "sdist"]
    with_project = ["env", f"--chdir={ROOT}", *hatch, "--directory", tmp_path]
    run(*with_project).check_returncode()
    (source,) = tmp_path.glob("*.tar.gz")
    again = build_wheel(source, tmp_path)
    assert in_wheel(again, "goim_edu/course") == in_wheel(wheel, "goim_edu/course")


def test_an_editable_installation_has_no_second_course(tmp_path: Path) -> None:
    uv("venv", "--quiet", "--python", sys.executable, tmp_path / "venv").check_returncode()
    one = Installed(tmp_path / "venv" / "bin" / "python")
    one.install("--no-deps", "--editable", ROOT)
    (packages,) = tmp_path.glob("venv/lib/python*/site-packages")
    assert not (packages / "goim_edu").exists()
    (file,) = packages.glob("*goim_edu*.pth")
    assert file.read_text().split("\n") == [str(ROOT)]


def test_the_copy_has_all_notebooks_without_answers(learner: Learner) -> None:
    assert {path.name for path in learner.copy.glob("*.ipynb")} == {p.name for p in NOTEBOOKS}
    for path in NOTEBOOKS:
        copied = cells(learner.copy / path.name)
        assert [cell.source for cell in copied] == [cell.source for cell in cells(path)]
        assert not any(cell.get("outputs") for cell in copied)


def test_what_runs_there_is_the_wheel(learner: Learner) -> None:
    code = "import goim_edu; print(goim_edu.__file__)"
    said = learner.says("python", "-c", code, within=learner.copy)
    assert Path(said.strip()).is_relative_to(learner.home / "venv")


@pytest.mark.parametrize("name", EXECUTED)
def test_a_notebook_runs_there(learner: Learner, name: str, tmp_path: Path) -> None:
    """Every cell, in a kernel of that environment; an error that is not meant ends it."""
    require_mongod()
    execute = ["jupyter", "nbconvert", "--to=notebook", "--execute", f"--output-dir={tmp_path}"]
    done = learner.installed.command(learner.copy, learner.home, *execute, name)
    assert done.returncode == 0, done.stderr
    code = [cell for cell in cells(tmp_path / name) if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [*range(1, len(code) + 1)]
    saved = [cell for cell in cells(ROOT / "notebooks" / name) if cell.cell_type == "code"]
    for mine, cell in zip(code, saved, strict=True):
        assert bool(mine.outputs) == bool(cell.outputs), cell.source


def newer(folder: Path) -> Path:
    """The wheel of a version of tomorrow, in which two chapters have changed."""
    for name in ("goim_edu", "notebooks"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("README.md", "LICENSE", ".gitignore", "hatch_build.py"):
        shutil.copy(ROOT / name, folder)
    project = (ROOT / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text(
        re.sub(r'^version = ".+"', f'version = "{NEWER}"', project, flags=re.M)
    )
    for name in CHANGED:
        notebook = nbformat.read(folder / "notebooks" / name, nbformat.NO_CONVERT)
        notebook.cells[0].source += "\n\nMended."
        nbformat.write(notebook, folder / "notebooks" / name)
    return build_wheel(folder, folder / "dist")


def test_update_keeps_an_edit(learner: Learner, tmp_path: Path) -> None:
    """The last one here: the environment has the newer version from now on."""
    edited = learner.copy / "03-frames.ipynb"
    notebook = nbformat.read(edited, nbformat.NO_CONVERT)
    notebook.cells[1].source += "\n\nMy own note."
    nbformat.write(notebook, edited)
    mine = edited.read_bytes()
    (learner.copy / ".progress.txt").write_text("03.2 done\n")
    assert "nothing is newer" in learner.says("goim-edu", "update", NAME)
    learner.installed.install("--no-deps", "--reinstall-package=goim-edu", newer(tmp_path))
    said = learner.says("goim-edu", "update", within=learner.copy)
    stays = "  03-frames.ipynb stays as you changed it; "
    assert said.splitlines()[1:] == [
        f"{stays}the course's newer one is 03-frames.new.ipynb beside it",
        "  05-messages.ipynb is new",
        "  what you have done is as it was",
    ]
    assert edited.read_bytes() == mine
    for name in ("03-frames.new.ipynb", "05-messages.ipynb"):
        assert cells(learner.copy / name)[0].source.endswith("Mended.")
    assert (learner.copy / ".progress.txt").read_text() == "03.2 done\n"


PYTHONS = re.findall(
    r"Python :: (3\.\d+)",
    "\n".join(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]),
)


@pytest.mark.parametrize("lock", ["lab", "test"])
@pytest.mark.parametrize("python", PYTHONS)
def test_the_locks_have_wheels_for_every_python(python: str, lock: str, tmp_path: Path) -> None:
    """What would be installed on a Linux machine: resolved, with each wheel looked up."""
    wanted = ["--python-version", python, "--python-platform", "x86_64-manylinux_2_28"]
    strict = ["--only-binary", ":all:", "--require-hashes", "--dry-run", "--target", tmp_path]
    file = ROOT / "locks" / f"{lock}.txt"
    done = uv("pip", "install", *wanted, *strict, "-r", file)
    assert done.returncode == 0, done.stderr
    pins = re.findall(r"^([\w.-]+)(?:\[.*?\])?==", file.read_text(), re.M)
    assert done.stderr.count("\n + ") > 0.9 * len(set(pins)), "the rest is for other systems"
