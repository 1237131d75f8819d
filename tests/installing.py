"""Wheels built from this tree, and environments in which there is nothing but what they bring."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.conftest import require

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "locks" / "lab.txt"


def run(*command: object) -> subprocess.CompletedProcess[str]:
    """Run a program outside of this tree."""
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT.parent)


def uv(*words: object) -> subprocess.CompletedProcess[str]:
    """Run uv, which asks the package index for what its cache does not have."""
    done = run(sys.executable, "-m", "uv", *words)
    require("Failed to fetch" not in done.stderr, "a package index", "it could not be reached")
    return done


def build_wheel(source: Path, folder: Path) -> Path:
    """Build the wheel of a tree, or of an sdist, into a folder that has none yet."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    built = run(*pip, "--wheel-dir", folder, source)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


class Installed(NamedTuple):
    """An environment of its own, in which there is this package and what it brings."""

    python: Path

    @classmethod
    def make(cls, folder: Path, wheel: Path, extra: str = "") -> Installed:
        """Make an environment in a folder, and install a wheel with one of its extras."""
        uv("venv", "--quiet", "--python", sys.executable, folder).check_returncode()
        installed = cls(folder / "bin" / "python")
        what = f"goim-edu{extra and f'[{extra}]'} @ {wheel.as_uri()}"
        installed.install("--constraint", LOCK, what)
        return installed

    def install(self, *what: object) -> None:
        """Install into it."""
        done = uv("pip", "install", "--quiet", "--python", self.python, *what)
        assert done.returncode == 0, done.stderr

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run its Python, which knows nothing of this tree."""
        return run(self.python, "-I", *arguments)

    def output(self, code: str) -> str:
        """What a program prints."""
        done = self.run("-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def command(
        self, place: Path, home: Path, *words: object, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of it in a folder, for a user with a home of their own."""
        programs = self.python.parent
        environment = {
            "HOME": str(home),
            "PATH": os.pathsep.join([str(programs), "/usr/bin", "/bin"]),
            "LANG": "C.UTF-8",
        }
        return subprocess.run(
            [str(programs / str(words[0])), *map(str, words[1:])],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            cwd=place,
            env=environment,
        )
