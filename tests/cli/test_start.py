"""The learner's own copy of the course: what it leaves out, and that it loses nothing."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from goim_edu.cli import main
from goim_edu.cli.start import Copied, copy_course, without_answers

Write = Callable[..., None]


def notebook(*sources: str, outputs: bool = True) -> bytes:
    """A notebook with these cells of code, each with an output."""
    cells = [
        {
            "cell_type": "code",
            "id": f"c{number}",
            "execution_count": number + 1 if outputs else None,
            "metadata": {"tags": ["answer"]},
            "outputs": [{"output_type": "stream", "name": "stdout", "text": ["42\n"]}] * outputs,
            "source": source.splitlines(keepends=True),
        }
        for number, source in enumerate(sources)
    ]
    content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content, indent=1).encode()


@pytest.fixture
def course(tmp_path: Path) -> Path:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / "00-start.ipynb").write_bytes(notebook("1 + 1"))
    (folder / "03-frames.ipynb").write_bytes(notebook("2 + 2", "3 + 3"))
    return folder


@pytest.fixture
def mine(course: Path) -> Path:
    folder = course.parent / "course"
    done = copy_course(course, folder)
    assert done == Copied(written=["00-start.ipynb", "03-frames.ipynb"])
    return folder


def cells(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = nbformat.read(path, nbformat.NO_CONVERT).cells
    return found


def run_it(path: Path) -> None:
    """Leave the outputs that running leaves."""
    content = json.loads(path.read_bytes())
    for cell in content["cells"]:
        cell |= {"execution_count": 9, "outputs": [{"output_type": "stream", "text": "mine"}]}
    path.write_text(json.dumps(content))


def test_a_copy_has_no_answers_and_all_cells(course: Path, mine: Path) -> None:
    for path in sorted(course.glob("*.ipynb")):
        copied, original = cells(mine / path.name), cells(path)
        assert [cell["source"] for cell in copied] == [cell["source"] for cell in original]
        assert [cell["metadata"] for cell in copied] == [cell["metadata"] for cell in original]
        assert all(cell["outputs"] == [] for cell in copied)
        assert all(cell["execution_count"] is None for cell in copied)
        assert any(cell["outputs"] for cell in original), "the course keeps them"


def test_the_real_course_has_no_answers_either(root: Path, tmp_path: Path) -> None:
    copy_course(root / "notebooks", tmp_path)
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        copied = nbformat.read(tmp_path / path.name, nbformat.NO_CONVERT)
        nbformat.validate(copied)
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in copied.cells)
        assert len(copied.cells) == len(cells(path))


def test_with_answers_it_is_the_course_as_it_is(course: Path, tmp_path: Path) -> None:
    copy_course(course, tmp_path / "all", answers=True)
    for path in course.glob("*.ipynb"):
        assert (tmp_path / "all" / path.name).read_bytes() == path.read_bytes()


def test_a_second_time_nothing_happens(course: Path, mine: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in mine.glob("*.ipynb")}
    assert copy_course(course, mine) == Copied()
    assert {path: path.stat().st_mtime_ns for path in mine.glob("*.ipynb")} == before


def test_what_a_learner_wrote_stays_when_the_course_changes(course: Path, mine: Path) -> None:
    wrote = notebook("2 + 2", "my answer")
    (mine / "03-frames.ipynb").write_bytes(wrote)
    assert copy_course(course, mine) == Copied(), "nothing newer, so nothing is said"
    (course / "03-frames.ipynb").write_bytes(notebook("new"))
    for _ in range(2):
        assert copy_course(course, mine) == Copied(kept=["03-frames.ipynb"])
    assert (mine / "03-frames.ipynb").read_bytes() == wrote


def test_a_newer_course_replaces_what_nobody_touched(course: Path, mine: Path) -> None:
    (course / "00-start.ipynb").write_bytes(notebook("new"))
    assert copy_course(course, mine) == Copied(written=["00-start.ipynb"])
    assert cells(mine / "00-start.ipynb")[0]["source"] == "new"


def test_what_was_only_run_is_set_aside_for_a_newer_course(course: Path, mine: Path) -> None:
    run_it(mine / "00-start.ipynb")
    ran = (mine / "00-start.ipynb").read_bytes()
    assert copy_course(course, mine) == Copied()
    (course / "00-start.ipynb").write_bytes(notebook("new"))
    done = copy_course(course, mine)
    assert done == Copied(written=["00-start.ipynb"], moved=["earlier/00-start-1.ipynb"])
    assert (mine / "earlier" / "00-start-1.ipynb").read_bytes() == ran


def test_a_chapter_can_be_had_fresh_as_often_as_one_likes(course: Path, mine: Path) -> None:
    for number in (1, 2):
        wrote = notebook(f"attempt {number}")
        (mine / "03-frames.ipynb").write_bytes(wrote)
        done = copy_course(course, mine, fresh=["03"])
        aside = f"earlier/03-frames-{number}.ipynb"
        assert done == Copied(written=["03-frames.ipynb"], moved=[aside])
        assert (mine / aside).read_bytes() == wrote
        assert [cell["source"] for cell in cells(mine / "03-frames.ipynb")] == ["2 + 2", "3 + 3"]
    assert copy_course(course, mine, fresh=["all"]) == Copied(), "it is fresh"


def test_a_file_that_is_no_copy_stays(course: Path, mine: Path) -> None:
    (mine / ".course.json").unlink()
    (mine / "00-start.ipynb").write_bytes(b"this is no notebook")
    assert copy_course(course, mine) == Copied(kept=["00-start.ipynb"])
    assert (mine / "00-start.ipynb").read_bytes() == b"this is no notebook"


@pytest.mark.parametrize("manifest", [b"", b"[]", b'{"00-start.ipynb": 5}', b"\xff", b"null"])
def test_a_damaged_manifest_costs_no_file(course: Path, mine: Path, manifest: bytes) -> None:
    (mine / "03-frames.ipynb").write_bytes(notebook("mine"))
    (mine / ".course.json").write_bytes(manifest)
    assert copy_course(course, mine) == Copied(kept=["03-frames.ipynb"])
    assert cells(mine / "03-frames.ipynb")[0]["source"] == "mine"


def test_a_chapter_that_was_thrown_away_comes_again(course: Path, mine: Path) -> None:
    (mine / "00-start.ipynb").unlink()
    assert copy_course(course, mine) == Copied(written=["00-start.ipynb"])


def test_an_unknown_chapter_is_named_with_those_that_there_are(course: Path, mine: Path) -> None:
    with pytest.raises(ValueError, match=r"no chapter '99': say one of 00, 03, or all"):
        copy_course(course, mine, fresh=["99"])


def test_a_chapter_in_two_parts_is_got_fresh_whole_or_in_part(course: Path, mine: Path) -> None:
    (course / "03b-more.ipynb").write_bytes(notebook("5 + 5"))
    assert copy_course(course, mine) == Copied(written=["03b-more.ipynb"])
    for name in ("03-frames.ipynb", "03b-more.ipynb"):
        (mine / name).write_bytes(notebook("mine"))
    part = copy_course(course, mine, fresh=["03b"])
    assert (part.written, part.moved) == (["03b-more.ipynb"], ["earlier/03b-more-1.ipynb"])
    whole = copy_course(course, mine, fresh=["03"])
    assert whole.written == ["03-frames.ipynb"], "the other is as the course has it"
    with pytest.raises(ValueError, match=r"say one of 00, 03, 03b, or all"):
        copy_course(course, mine, fresh=["3"])


def test_what_is_done_is_taken_along_once(course: Path, tmp_path: Path) -> None:
    (course / ".progress.txt").write_text("03.2 done\n")
    mine = tmp_path / "mine"
    copy_course(course, mine)
    assert (mine / ".progress.txt").read_text() == "03.2 done\n"
    (mine / ".progress.txt").write_text("03.2 done\n03.4 done\n")
    copy_course(course, mine)
    assert (mine / ".progress.txt").read_text() == "03.2 done\n03.4 done\n"


def test_what_is_no_notebook_is_refused() -> None:
    for wrong in (b"", b"[]", b'{"cells": 5}'):
        with pytest.raises(ValueError, match=r"notebook|Expecting"):
            without_answers(wrong)


# ---------------------------------------------------------------------- the command


def lab(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, asking JupyterLab for its version rather than for a server."""
    return subprocess.run(
        [sys.executable, "-m", "goim_edu", "lab", "--version", *words],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        check=False,
        env=os.environ | {"JUPYTER_DATA_DIR": str(folder / "data")},
    )


@pytest.fixture
def checkout(course: Path) -> Path:
    (course / "00-start.ipynb").rename(course / "00-start-here.ipynb")
    return course.parent


def test_the_command_opens_a_copy(checkout: Path) -> None:
    done = lab(checkout)
    assert done.returncode == 0
    assert done.stdout.strip() == importlib.metadata.version("jupyterlab")
    assert f"your copy of the course: {checkout / 'course'}" in done.stderr
    assert (checkout / "course" / "03-frames.ipynb").exists()
    assert not (checkout / "data" / "nbsignatures.db").exists(), "there is nothing to sign"


def test_jupyterlab_is_given_its_own_options_and_nothing_else(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "")
    monkeypatch.setattr(os, "execv", lambda program, words: started.append(words))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0))
    monkeypatch.setattr(sys, "argv", ["goim-edu", "lab", "--no-browser", "--port=9999"])
    main()
    assert started == [
        [
            *(sys.executable, "-m", "jupyterlab"),
            *("--LabApp.default_url=/lab/tree/00-start-here.ipynb", "--no-browser", "--port=9999"),
        ]
    ]


def test_help_is_about_our_options_and_copies_nothing(checkout: Path) -> None:
    done = lab(checkout, "--help")
    assert done.returncode == 0
    assert "--fresh CHAPTER" in done.stdout
    assert "--course DIR" in done.stdout
    assert not (checkout / "course").exists()


def test_the_command_for_teachers_opens_one_with_answers(checkout: Path) -> None:
    assert lab(checkout, "--with-answers").returncode == 0
    copied = checkout / "course-with-answers" / "03-frames.ipynb"
    assert copied.read_bytes() == (checkout / "notebooks" / "03-frames.ipynb").read_bytes()
    assert (checkout / "data" / "nbsignatures.db").exists(), "so that the saved pictures are shown"


def test_the_command_says_what_it_kept_and_moved(checkout: Path) -> None:
    folder = checkout / "elsewhere"
    lab(checkout, "--course", str(folder))
    (folder / "03-frames.ipynb").write_bytes(notebook("mine"))
    (checkout / "notebooks" / "03-frames.ipynb").write_bytes(notebook("newer"))
    kept = lab(checkout, "--course", str(folder))
    assert "03-frames.ipynb stays as you changed it; --fresh 03 gets" in kept.stderr
    moved = lab(checkout, "--course", str(folder), "--fresh", "03")
    assert "what you had is now earlier/03-frames-1.ipynb" in moved.stderr
    assert cells(folder / "03-frames.ipynb")[0]["source"] == "newer"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fresh", "77"], "no chapter '77'"),
        (["--course", "file/below"], "name another folder with --course"),
    ],
)
def test_what_cannot_work_is_one_line(checkout: Path, words: list[str], said: str) -> None:
    (checkout / "file").write_text("in the way")
    done = lab(checkout, *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
