"""Build the protocol as mypyc compiles it, beside the source, and test both alike.

    python -m tools.compiled            build into build/compiled
    python -m tools.compiled --test     build, run the protocol's tests on both, compare what ran

``make COMPILED=1 ...`` runs any target with what was built. Doctests run on the source only: a
compiled function has none. A test that ran on one of the two and not on the other is a failure.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from xml.etree import ElementTree

ROOT: Final = Path(__file__).resolve().parent.parent
TARGET: Final = ROOT / "build" / "compiled"
TESTS: Final = (
    *("tests/websocket", "tests/transport"),
    *("tests/test_protocol.py", "tests/test_wrong_types.py"),
)


def modules() -> list[str]:
    """The names of the modules that are compiled, as ``pyproject.toml`` lists their files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    hook = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]
    return [name.removesuffix(".py").replace("/", ".") for name in hook["modules"]]


def here() -> str:
    """What is imported here: "source" or "compiled".

    Raises:
        RuntimeError: some modules are compiled, and some are not.
    """
    kinds = {Path(import_module(name).__file__ or "").suffix == ".py" for name in modules()}
    if len(kinds) != 1:
        raise RuntimeError("only some of the modules are compiled: run make compiled again")
    return "source" if kinds.pop() else "compiled"


def environment(compiled: bool) -> dict[str, str]:
    """The variables with which a Python finds one of the two, wherever it is started."""
    found = {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": str(ROOT)}
    if compiled:
        found["PYTHONPATH"] = os.pathsep.join((str(TARGET), str(ROOT)))
    return found


def build() -> None:
    """Install the package into ``build/compiled``, with the hot modules compiled."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if os.name != "nt" and not shutil.which(os.environ.get("CC", compiler)):
        sys.exit(f"no C compiler here ({compiler}); on Debian: apt install gcc python3-dev")
    shutil.rmtree(TARGET, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    command += ["--no-deps", "--no-build-isolation", "--target", str(TARGET), str(ROOT)]
    variables = {**environment(compiled=False), "HATCH_BUILD_HOOK_ENABLE_CUSTOM": "1"}
    if subprocess.run(command, env=variables, check=False).returncode:
        sys.exit("the protocol could not be compiled; what the compiler said stands above")
    print(f"compiled: {len(modules())} modules in {TARGET.relative_to(ROOT)}", flush=True)


def start_tests(compiled: bool, report: Path) -> subprocess.Popen[bytes]:
    """Run the protocol's tests, on the source with its doctests, and write a report."""
    what = [*TESTS] if compiled else [*TESTS, "goim_edu/websocket", "goim_edu/protocol.py"]
    check = f"from tools.compiled import here; assert here() == {_name(compiled)!r}, here()"
    subprocess.run([sys.executable, "-c", check], env=environment(compiled), cwd=ROOT, check=True)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--import-mode=append",
        "-p",
        "no:cacheprovider",
    ]
    command += [f"--junitxml={report}", *what]
    return subprocess.Popen(command, env=environment(compiled), cwd=ROOT)


def _name(compiled: bool) -> str:
    return "compiled" if compiled else "source"


def passed(report: Path) -> set[str]:
    """The tests that passed, doctests left out: these are named after the package's modules."""
    return {
        f"{case.get('classname')}::{case.get('name')}"
        for case in ElementTree.parse(report).iter("testcase")
        if len(case) == 0 and not str(case.get("classname")).startswith("goim_edu")
    }


def test() -> int:
    """Run the tests on both at the same time; 0 if all passed, and the same ones."""
    with TemporaryDirectory() as folder:
        reports = {compiled: Path(folder, _name(compiled)) for compiled in (False, True)}
        running = [start_tests(compiled, report) for compiled, report in reports.items()]
        codes = [process.wait() for process in running]
        source, compiled = passed(reports[False]), passed(reports[True])
    for name in sorted(source ^ compiled):
        print(f"passed on the {_name(name in compiled)} only: {name}")
    print(f"passed on the source: {len(source)}, compiled: {len(compiled)}")
    return 1 if any(codes) or source != compiled else 0


def main() -> int:
    """Build, and test if that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--test", action="store_true", help="run the tests on both, compare them")
    options = parser.parse_args()
    build()
    return test() if options.test else 0


if __name__ == "__main__":
    sys.exit(main())
