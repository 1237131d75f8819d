"""Every command where something is missing or in the way: it says a line, and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from goim_edu.capture import Record
from goim_edu.capture.pcap import write_capture
from goim_edu.cli import command, main
from goim_edu.exercises import progress_file
from tests.conftest import require_mongod

# In a shell, which has pipes and closed outputs. RECORDING is a file with a recording.
COMMANDS = {
    "help": "--help",
    "version": "--version",
    "serve": "serve --port 0 --mongo memory --workers 0",
    "serve, local": "serve --port 0 --mongo local",
    "chat": "chat",
    "start": "start copy",
    "update": "update learned",
    "lab": "lab --help",
    "lab, nowhere": "lab --course file/below",
    "mongo": "mongo start",
    "dissect": "dissect RECORDING",
    "dissect, nothing": "dissect nothing",
    "progress": "progress",
}
QUICK = {name: words for name, words in COMMANDS.items() if name not in {"mongo", "serve, local"}}
EVERY = pytest.mark.parametrize("words", QUICK.values(), ids=QUICK)


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder with a copy of the course, a recording, and a file where a folder is looked for."""
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    write_capture([Record(1, "in", 0.0, request)] * 3000, tmp_path / "RECORDING")
    (tmp_path / "file").touch()
    assert main(["start", str(tmp_path / "learned")]) == 0
    capsys.readouterr()
    return tmp_path


def shell(place: Path, line: str, *before: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a line in which GOIM is our program; what stands before it changes what it may do."""
    line = line.replace("GOIM", f"'{sys.executable}' -P -m goim_edu")
    return subprocess.run(
        [*before, "bash", "-o", "pipefail", "-c", line],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=place,
        check=False,
        env=os.environ | more,
    )


def is_told(done: subprocess.CompletedProcess[str], codes: Sequence[int] = (0, 2)) -> str:
    """Check that it ended in order; what it says on stderr."""
    assert done.returncode in codes, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    if done.returncode == 2 and "usage:" not in done.stderr:
        assert done.stderr.splitlines()[-1].startswith("goim_edu: ")
    return done.stderr


@EVERY
def test_nobody_reads_the_output_to_its_end(place: Path, words: str) -> None:
    for reader in ("true", "head -n 1"):
        is_told(shell(place, f"GOIM {words} | {reader}"))


@EVERY
def test_the_disk_is_full_or_there_is_no_output(place: Path, words: str) -> None:
    is_told(shell(place, f"GOIM {words} > /dev/full"))
    is_told(shell(place, f"GOIM {words} >&-"))
    shown = shell(place, f"GOIM {words} <&- >&- 2>&-")
    assert shown.returncode in {0, 2}


def test_a_mongod_that_cannot_say_where_it_is_stops(place: Path) -> None:
    require_mongod()
    is_told(shell(place, "GOIM mongo start --data-dir data | true"), [0])
    is_told(shell(place, "GOIM mongo start --data-dir data > /dev/full"), [2])


def test_a_full_disk_is_told(place: Path) -> None:
    told = is_told(shell(place, "GOIM progress > /dev/full"), [2])
    assert told == "goim_edu: No space left on device\n"


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_there_is_no_home(place: Path, words: str) -> None:
    require_mongod()
    done = shell(place, f"GOIM {words} </dev/null", HOME=str(place / "file" / "home"))
    told = is_told(done)
    if "mongo start" in words or "local" in words:
        assert "file/home/.local/share/goim_edu/mongod cannot be used: Not a directory" in told


def test_nothing_may_be_written(place: Path) -> None:
    """Root may write everywhere, unless it gives that up."""
    without: tuple[str, ...] = ()
    if os.geteuid() == 0:
        without = ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override")
    for folder in (place, place / "learned"):
        folder.chmod(0o555)
    said = {
        # A disk of its own kind, which takes no files.
        "start /proc/copy": "No such file or directory; name another folder",
        "start copy": "the copy of the course in copy: Permission denied; name another folder",
        "lab --course copy": "Permission denied; name another folder with --course",
        "lab --course learned --fresh 03": "Permission denied; name another",
        "mongo start --data-dir data": "the data folder data cannot be used: Permission denied",
        "serve --mongo local --data-dir data": "data cannot be used: Permission denied",
    }
    try:
        (place / "learned" / "03-frames.ipynb").write_bytes(b"{}")
        for words, why in said.items():
            assert why in is_told(shell(place, f"GOIM {words}", *without), [2])
        assert "nothing is newer" in shell(place, "GOIM update learned", *without).stdout
        is_told(shell(place / "learned", "GOIM progress", *without), [0])
    finally:
        for folder in (place, place / "learned"):
            folder.chmod(0o755)


@pytest.mark.parametrize("words", ["progress", "lab", "update", "start copy", "dissect x"])
def test_the_working_directory_is_gone(place: Path, words: str) -> None:
    is_told(shell(place, f"mkdir gone; cd gone; rmdir ../gone; GOIM {words}"))


def test_a_terminal_that_knows_no_chinese(place: Path) -> None:
    done = shell(place, "GOIM start 目录", PYTHONIOENCODING="ascii")
    assert is_told(done, [0]) == ""
    assert "your copy of the course: ??" in done.stdout
    told = shell(place, "GOIM dissect RECORDING", PYTHONIOENCODING="ascii")
    assert "? GET /" in told.stdout


def test_ctrl_c_ends_a_command_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("goim_edu.exercises.progress", interrupted)
    assert main(["progress"]) == 130
    assert capsys.readouterr() == ("", "")


def test_the_reason_of_an_error_is_never_empty() -> None:
    for error in (OSError(28, "full"), OSError("odd"), OSError()):
        assert command.reason_of(error) in {"full", "odd", "OSError"}


def test_progress_is_kept_in_memory_where_there_is_no_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone() -> Path:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "cwd", gone)
    assert progress_file.where() is None
