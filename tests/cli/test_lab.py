"""The command that opens the course in JupyterLab: where the copy is, and what it says of it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from goim_edu.cli import main
from tests.cli.notebooks import cells, notebook


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
    assert "03-frames.ipynb stays as you changed it; the course's newer one is" in kept.stderr
    again = lab(checkout, "--course", str(folder))
    assert "03-frames.ipynb stays as you changed it; --fresh 03 gets" in again.stderr
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


# ---------------------------------------------------------------------- where the copy is


@pytest.fixture
def opened(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, Path, str]]:
    """Runs the command in a folder; gives the exit code, where JupyterLab starts, what is said."""
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "")
    monkeypatch.setattr(os, "execv", lambda *_: None)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0))

    def run(folder: Path, *words: str) -> tuple[int, Path, str]:
        monkeypatch.chdir(folder)
        return main(["lab", *words]), Path.cwd(), capsys.readouterr().err

    return run


Opened = Callable[..., tuple[int, Path, str]]


def test_in_a_copy_it_opens_that_copy(checkout: Path, opened: Opened) -> None:
    """The package's own course is laid in it: that of the checkout was another one."""
    opened(checkout)
    copy = checkout / "course"
    code, where, said = opened(copy)
    assert (code, where) == (0, copy)
    assert f"your copy of the course: {copy}" in said
    assert "the course has no 03-frames.ipynb any more" not in said
    assert sorted(path.name for path in checkout.iterdir()) == ["course", "notebooks"]


def test_a_copy_elsewhere_leaves_the_clone_as_it_is(
    checkout: Path, tmp_path: Path, opened: Opened
) -> None:
    copy = tmp_path / "目录 with spaces"
    for words in (["--course", str(copy)], ["--course", str(copy)], [str(copy), "--no-browser"]):
        code, where, said = opened(checkout, *words)
        assert (code, where) == (0, copy)
        assert said == f"your copy of the course: {copy}\n"
    assert [path.name for path in checkout.iterdir() if path != copy] == ["notebooks"]
    assert (copy / "03-frames.ipynb").exists()


def test_make_lab_opens_a_copy_elsewhere(root: Path, tmp_path: Path) -> None:
    """Only its options go to the program, in one piece each; nothing is installed here."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "python"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    name = "../目录 with lisa's spaces"
    made = ["make", "--old-file=.venv/.lab", f"BIN={program.parent}", "lab"]
    command = [*made, f"COURSE={name}", "FRESH=03", "ARGS=--no-browser"]
    # The tests run under make themselves, which tells its child so.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=root, check=True, env=variables
    )
    words = ["-m", "goim_edu", "lab", "--fresh", "03", "--course", name, "--no-browser"]
    assert done.stdout.splitlines() == words


def test_the_home_may_be_said_with_a_tilde(
    checkout: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(checkout))
    assert opened(checkout, "--course", "~/mine")[1] == checkout / "mine"


@pytest.mark.parametrize("words", [["--course", "thesis"], ["--course", "thesis", "--fresh=03"]])
def test_files_of_somebody_else_are_not_touched(
    checkout: Path, words: list[str], opened: Opened
) -> None:
    (checkout / "thesis").mkdir()
    (checkout / "thesis" / "thesis.tex").touch()
    code, where, said = opened(checkout, *words)
    assert (code, where) == (2, checkout)
    assert said == (
        "goim_edu: there are other files in thesis, and no copy of the course: "
        "name another folder with --course\n"
    )
    assert [path.name for path in (checkout / "thesis").iterdir()] == ["thesis.tex"]


# ---------------------------------------------------------------------- a home that is not there


def test_jupyterlab_has_a_home_where_the_users_is_not_there(checkout: Path) -> None:
    """A real JupyterLab: it ends with a traceback where it cannot write its files."""
    (checkout / "file").touch()
    names = {"PATH", "PYTHONPATH", "LANG"} & os.environ.keys()
    environment = {name: os.environ[name] for name in names}
    options = ["--no-browser", "--allow-root", "--ServerApp.port=0", "--ServerApp.token=t"]
    process = subprocess.Popen(
        [sys.executable, "-m", "goim_edu", "lab", *options],
        stderr=subprocess.PIPE,
        text=True,
        cwd=checkout,
        env=environment | {"HOME": str(checkout / "file" / "home")},
    )
    home = checkout / "course" / ".home"
    try:
        found: list[Path] = []
        deadline = time.monotonic() + 60
        while not found and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
            found = [path for path in home.rglob("jpserver-*.json") if path.stat().st_size]
        assert found, process.stderr and process.poll() is not None and process.stderr.read()
        url = json.loads(found[0].read_text())["url"]
        with urllib.request.urlopen(f"{url}api/contents?token=t", timeout=30) as answer:
            there = {one["name"] for one in json.load(answer)["content"]}
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert there == {"00-start-here.ipynb", "03-frames.ipynb"}
    assert f"JupyterLab and MongoDB keep their files in {home}" in said
    assert "Traceback" not in said
