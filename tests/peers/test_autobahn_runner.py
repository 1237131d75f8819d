"""The conformance runner: nothing but OK is good, nothing that is missing goes unseen."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conformance import run

GOOD = {"behavior": "OK", "behaviorClose": "OK"}


def folder_with(tmp_path: Path, verdicts: dict[str, dict[str, str]]) -> run.Suite:
    """A folder such as the suite leaves behind."""
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "index.json").write_text(json.dumps({"goim_edu": verdicts}))
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return run.Suite(process, tmp_path)


@pytest.mark.parametrize(
    ("case", "behavior", "close", "good"),
    [
        ("1.1.1", "OK", "OK", True),
        ("1.1.1", "OK", "INFORMATIONAL", True),
        ("1.1.1", "INFORMATIONAL", "OK", False),
        ("7.1.6", "INFORMATIONAL", "OK", True),
        ("3.2", "NON-STRICT", "OK", False),
        ("3.2", "FAILED", "OK", False),
        ("3.2", "OK", "UNCLEAN", False),
        ("3.2", "OK", "WRONG CODE", False),
        ("12.1.1", "UNIMPLEMENTED", "OK", False),
    ],
)
def test_what_is_good(case: str, behavior: str, close: str, good: bool) -> None:
    assert run.Outcome(behavior, close).is_good(case) is good


def test_verdicts_are_read_from_the_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verdicts = {"1.1.1": GOOD, "2.10": GOOD | {"behavior": "NON-STRICT"}, "2.9": GOOD}
    results = folder_with(tmp_path, verdicts).results()
    assert run.bad_cases(results) == ["2.10: NON-STRICT, closing OK"]
    assert not run.report("server", results, whole=False)
    assert "2.10: NON-STRICT" in capsys.readouterr().out
    assert "| 2 | Pings and pongs | 2 | 1 | 0 | 1 |" in run.table(results)
    assert run.table(results)[-1] == "|  | **All** | 3 | 2 | 0 | 1 |"


def test_missing_cases_are_no_success(tmp_path: Path) -> None:
    results = folder_with(tmp_path, {"1.1.1": GOOD}).results()
    assert run.report("server", results, whole=False)
    assert not run.report("server", results, whole=True)
    assert not run.report("server", {}, whole=False)


def test_no_report_is_no_success(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    (tmp_path / "log.txt").write_text("Traceback: no module named twisted")
    with pytest.raises(SystemExit, match="no module named twisted"):
        run.Suite(process, tmp_path).results()


def test_a_python_that_is_named_must_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON2", sys.executable)
    with pytest.raises(SystemExit, match=r"not a CPython 2\.7"):
        run.find_python2()


def test_where_there_is_none_the_run_is_skipped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PYTHON2", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["run.py"])
    assert run.main() == 0
    assert "skipped, no CPython 2.7" in capsys.readouterr().out


def test_parts_add_up_as_long_as_the_sources_stay_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "CACHE", tmp_path)
    one, two = {"1.1.1": run.Outcome("OK", "OK")}, {"1.1.2": run.Outcome("FAILED", "OK")}
    assert run.keep({"server": one}, "same") == {"server": one, "client": {}}
    assert run.keep({"server": two, "client": one}, "same") == {"server": one | two, "client": one}
    assert run.keep({"client": two}, "changed") == {"server": {}, "client": two}
    assert run.fingerprint() == run.fingerprint()
