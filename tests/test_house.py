"""The rules of the house: who may import whom, what an import may cost."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "goim_edu"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Each floor and the floors below it that it may stand on. Whatever is not listed may stand on all.
WIRE = {"errors", "frames", "deflate", "handshake", "heartbeat", "explain", "protocol"}
WIRE |= {"events", "extensions", "fastpath", "heads", "incoming", "limits", "masking", "messages"}
WIRE |= {"opening", "outgoing", "states"}
BELOW: dict[str, set[str]] = {
    "errors": set(),
    "masking": {"errors"},
    "frames": {"errors", "masking"},
    "heads": {"errors"},
    "extensions": {"errors", "heads"},
    "deflate": {"errors", "extensions", "frames"},
    "handshake": {"errors", "extensions", "heads"},
    "events": {"errors", "extensions", "heads"},
    "messages": {"errors", "deflate", "frames", "events"},
    "states": set(),
    "opening": {"errors", "deflate", "handshake"},
    "outgoing": {"errors", "deflate", "fastpath", "frames", "masking"},
    "fastpath": {"errors", "deflate", "events", "frames", "masking", "messages"},
    "incoming": {"deflate", "events", "fastpath", "frames", "limits", "messages"},
    "limits": {"errors", "heads"},
    "heartbeat": {"errors"},
    "explain": {"errors", "frames", "handshake", "deflate", "messages"},
    "protocol": WIRE,
    "transport": WIRE,
    "client": WIRE | {"transport", "chat"},
    "store": {"errors", "lab"},
    "chat": WIRE | {"transport"},
    "metrics": WIRE | {"transport", "chat"},
    "config": {"chat"},
    "server": WIRE | {"transport", "chat", "config", "metrics", "store"},
    "capture": WIRE,
    "draw": WIRE | {"capture"},
    "widgets": WIRE | {"capture", "draw", "client"},
}
TOP_FLOORS = {"widgets", "lab", "exercises"}  # only notebooks, the CLI and each other import these


def floor_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def goim_imports(path: Path) -> set[str]:
    """The floors that the module at ``path`` imports, wherever the import stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            full = node.module or ""
            if node.level:
                package = path.relative_to(ROOT).parent.parts
                full = ".".join([*package[: len(package) - node.level + 1], full]).rstrip(".")
            names = [f"{full}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("goim_edu.")}
    return found - {"__version__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    floor = floor_of(path)
    if floor in BELOW:
        assert goim_imports(path) - {floor} <= BELOW[floor]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_first_line_says_what_a_module_is_for(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring, "no docstring"
    assert docstring.splitlines()[0].endswith("."), "the first line is a sentence"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_assert_guards_an_input(path: Path) -> None:
    """An assert vanishes under ``python -O``, and its traceback says nothing to a learner."""
    lines = [n.lineno for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Assert)]
    assert not lines


def test_the_protocol_needs_nothing_heavy() -> None:
    """The protocol is pure Python: importing it loads neither pictures nor a loop nor a driver."""
    heavy = {"asyncio", "numpy", "matplotlib", "ipywidgets", "pymongo", "msgspec"}
    code = f"import sys, goim_edu.protocol; print(*{heavy} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_no_peer_and_no_extra_is_needed_at_run_time() -> None:
    """All modules import while every package of the extras is hidden."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for group in project["optional-dependencies"].values() for line in group]
    hidden = {"fiftyone", "uvloop"} | {line.split(">")[0].split("=")[0] for line in extras}
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in MODULES
        if path.name != "__main__.py"
    ]
    code = f"import sys; sys.modules.update(dict.fromkeys({sorted(hidden)}))\n"
    code += "\n".join(f"import {module}" for module in modules)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_wheel_holds_all_that_the_package_reads(tmp_path: Path) -> None:
    """Pages, scripts and styles travel with the code."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "goim_edu"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(tracked.stdout.split()) <= packed
