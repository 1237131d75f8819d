"""``start`` and ``update``: a copy of the course that belongs to the package."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from goim_edu.cli import copying, main
from tests.cli.notebooks import cells, notebook

Said = Callable[..., str]
NAME = "目录 with spaces"


@pytest.fixture
def package(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package whose course is the small one, and an empty working directory; gives the course."""
    folder = checkout / "site-packages" / "goim_edu"
    shutil.copytree(checkout / "notebooks", folder / "course")
    monkeypatch.setattr(copying, "_PACKAGE", folder)
    (checkout / "home").mkdir()
    monkeypatch.chdir(checkout / "home")
    return folder / "course"


@pytest.fixture
def said(package: Path, capsys: pytest.CaptureFixture[str]) -> Said:
    """Runs a command that works, and gives what it says."""

    def run(*words: str) -> str:
        assert main(words) == 0
        told = capsys.readouterr()
        assert told.err == ""
        return told.out

    return run


@pytest.fixture
def fails(package: Path, capsys: pytest.CaptureFixture[str]) -> Said:
    """Runs a command that cannot work, and gives its one line."""

    def run(*words: str) -> str:
        assert main(words) == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.count("\n") == 1
        return told.err.strip()

    return run


def test_start_makes_a_copy_without_answers_and_says_how_to_go_on(said: Said) -> None:
    told = said("start", NAME)
    assert f"your copy of the course: {NAME}\n" in told
    assert "2 notebooks, of which 00-start-here.ipynb is the first" in told
    assert f"goim-edu lab '{NAME}' opens them in JupyterLab" in told
    assert cells(Path(NAME, "03-frames.ipynb"))[0]["outputs"] == []
    said("start", "for teachers", "--with-answers")
    assert cells(Path("for teachers", "03-frames.ipynb"))[0]["outputs"] != []


def test_start_here_beside_what_is_hidden(said: Said) -> None:
    for name in (".git", ".venv"):
        Path(name).mkdir()
    assert "goim-edu lab . opens them" in said("start", ".")
    assert Path("03-frames.ipynb").exists()


def test_start_does_nothing_to_a_copy_or_to_other_files(said: Said, fails: Said) -> None:
    said("start", NAME)
    Path(NAME, "03-frames.ipynb").unlink()
    assert fails("start", NAME) == (
        f"goim_edu: your copy of the course is in {NAME} already: goim-edu update '{NAME}' brings "
        f"it up to date, goim-edu lab '{NAME}' opens it"
    )
    assert not Path(NAME, "03-frames.ipynb").exists()
    Path("thesis.tex").touch()
    assert "there are other files in ., and no copy of the course: name another" in fails(
        "start", "."
    )
    assert "Not a directory; name another folder" in fails("start", "thesis.tex")
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["thesis.tex", NAME]


def test_update_keeps_an_edit_and_says_what_it_did(
    package: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    said("start", NAME)
    mine = Path(NAME, "03-frames.ipynb")
    mine.write_bytes(notebook("my answer"))
    Path(NAME, ".progress.txt").write_text("03.2 done\n")
    assert said("update", NAME) == (
        f"your copy of the course: {NAME}\n  nothing is newer\n  what you have done is as it was\n"
    )
    for name in ("00-start-here.ipynb", "03-frames.ipynb", "04-masking.ipynb"):
        (package / name).write_bytes(notebook("newer"))
    monkeypatch.chdir(NAME)
    told = said("update")
    stays = "  03-frames.ipynb stays as you changed it; "
    assert told.splitlines()[1:] == [
        f"{stays}the course's newer one is 03-frames.new.ipynb beside it",
        "  00-start-here.ipynb is new",
        "  04-masking.ipynb is new",
        "  what you have done is as it was",
    ]
    assert cells(Path("03-frames.ipynb"))[0]["source"] == "my answer"
    assert cells(Path("03-frames.new.ipynb"))[0]["source"] == "newer"
    assert cells(Path("00-start-here.ipynb"))[0]["source"] == "newer"
    assert Path(".progress.txt").read_text() == "03.2 done\n"
    assert "what you had is now earlier/03-frames-1.ipynb" in said("update", "--fresh", "03")


def test_update_says_what_the_course_has_no_more(package: Path, said: Said) -> None:
    said("start", NAME)
    (package / "03-frames.ipynb").unlink()
    told = said("update", NAME)
    assert "the course has no 03-frames.ipynb any more" in told
    assert "what you had is now earlier/03-frames-1.ipynb" in told
    assert "nothing is newer" not in told


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["update"], "there is no copy of the course in"),
        (["update", "nowhere"], "goim-edu start nowhere makes one"),
        (["update", "a file"], "there is no copy of the course in a file"),
        (["lab"], "there is no copy of the course here: goim-edu start DIR makes one"),
        (["start", "a file/below"], "Not a directory; name another folder"),
        (["start", "x" * 300], "File name too long; name another folder"),
    ],
)
def test_what_cannot_work_says_why(words: list[str], why: str, fails: Said) -> None:
    Path("a file").touch()
    assert why in fails(*words)
    assert [path.name for path in Path.cwd().iterdir()] == ["a file"]


def test_a_package_without_notebooks_says_so(package: Path, fails: Said) -> None:
    shutil.rmtree(package)
    shutil.rmtree(package.parents[2] / "notebooks", ignore_errors=True)
    assert "install goim-edu anew" in fails("start", NAME)


def test_a_damaged_notebook_of_the_learners_is_kept(package: Path, said: Said) -> None:
    said("start", NAME)
    Path(NAME, "03-frames.ipynb").write_bytes(b"{")
    (package / "03-frames.ipynb").write_bytes(notebook("newer"))
    assert "03-frames.ipynb stays as you changed it" in said("update", NAME)
    assert json.loads(Path(NAME, ".course.json").read_bytes())["answers"] is False
