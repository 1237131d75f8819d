"""Servers that are no Python: Node's ``ws``, and uWebSockets in C; installed, compiled on demand.

What is installed and compiled goes to ``build/benchmarks``, once for each lock file and source.
uWebSockets comes as the shared library in the wheel of ``socketify``; its declarations are the
ones that socketify itself uses. So nothing Python is left between it and the system.
"""

from __future__ import annotations

import hashlib
import importlib.util
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

from benchmarks.rows import Missing

HERE: Final = Path(__file__).resolve().parent
BUILD: Final = HERE.parent / "build" / "benchmarks"
_NPM: Final = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent")


def _folder(name: str, *sources: Path) -> Path:
    """A folder that is another one as soon as one of its sources is."""
    told = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    return BUILD / f"{name}-{told}"


@cache
def node_folder(source: Path = HERE / "node") -> Path:
    """A copy of a folder of programs, with what its ``package-lock.json`` names installed.

    Raises:
        Missing: there is no npm, or it could not install.
    """
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        raise Missing("node and npm are not here: apt install npm nodejs")
    folder = _folder("node", *sorted(path for path in source.iterdir() if path.is_file()))
    if not (folder / "node_modules").exists():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("node_modules"))
        _run([npm, *_NPM], folder, f"npm could not install what {source.name} needs")
    return folder


@cache
def socketify_folder() -> Path:
    """Where the package is; it is not imported.

    Raises:
        Missing: the package is not here, or has no library for this machine.
    """
    found = importlib.util.find_spec("socketify")
    if not found or not found.origin:
        raise Missing("socketify is not here: pip install '.[bench]'")
    folder = Path(found.origin).parent
    if not (sys.platform == "linux" and platform.machine() == "x86_64"):
        raise Missing("socketify has a library for Linux on x86-64 alone that is tried here")
    return folder


@cache
def uwebsockets() -> Path:
    """The program, compiled.

    Raises:
        Missing: socketify or gcc are not here, or the compiler found a fault.
    """
    package, source, gcc = socketify_folder(), HERE / "native/uwebsockets.c", shutil.which("gcc")
    if not gcc:
        raise Missing("gcc is not here: apt install gcc libc6-dev")
    declared = package / "native.py"
    folder = _folder("uwebsockets", source, declared)
    program = folder / "uwebsockets"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        header = re.search(r'ffi\.cdef\(\s*"""(.*?)"""', declared.read_text("utf-8"), re.DOTALL)
        (folder / "uwebsockets.h").write_text(header[1] if header else "")
        library = package / "libsocketify_linux_amd64.so"
        command = [gcc, "-O2", f"-I{folder}", str(source), str(library), "-lpthread"]
        command += [f"-Wl,-rpath,{package}", "-o", str(program)]
        _run(command, folder, "gcc could not compile uwebsockets.c")
    return program


def _run(command: list[str], folder: Path, failed: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180)
    if done.returncode:
        raise Missing(f"{failed}: {done.stderr.strip()[-300:]}")


def _ws() -> list[str]:
    return [shutil.which("node") or "node", str(node_folder() / "ws.js")]


COMMANDS: Final[dict[str, Callable[[], list[str]]]] = {
    "ws": _ws,
    "uwebsockets": lambda: [str(uwebsockets())],
}
"""How to start each."""
