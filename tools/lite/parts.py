"""The parts of the browser edition, fetched once and kept: afterwards it is built without network.

browser.txt         wheels for the browser, with their hashes
builder.txt         what builds the site, with hashes
pure.txt            the sdist of pymongo, built here without its extension (``NO_EXT``)
package-lock.json   CPython for the browser, from npm
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent.parent
PARTS: Final = ROOT / "build" / "lite-parts"

# What PEP 783 calls the platform; Pyodide 314 is CPython 3.14.
PLATFORM: Final = "pyemscripten_2026_0_wasm32"
PYTHON: Final = "3.14"


class Parts:
    """Where each part lies.

    Args:
        folder: of all of them.

    Attributes:
        python: CPython for the browser, as npm has it.
        wheels: for the browser.
        pure: wheels that are built here: pymongo's.
        builder: the Python that has what builds the site.
    """

    def __init__(self, folder: Path = PARTS) -> None:
        self.folder = folder
        self.python = folder / "npm" / "node_modules" / "pyodide"
        self.wheels = folder / "wheels"
        self.pure = folder / "pure"
        self.builder = folder / "venv" / "bin" / "python"

    def fetch(self) -> None:
        """Fetch what is not there yet, or was asked for anew since."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._once("venv", ["builder.txt"], self._make_builder)
        self._once("npm", ["package.json", "package-lock.json"], self._fetch_python)
        self._once("wheels", ["browser.txt"], self._fetch_wheels)
        self._once("pure", ["pure.txt"], self._build_pure)

    def _once(self, name: str, files: list[str], make: Callable[[Path], None]) -> None:
        """Make a part unless it is there, made from these files as they are."""
        digest = hashlib.sha256(b"".join((HERE / file).read_bytes() for file in files))
        stamp, wanted = self.folder / f"{name}.stamp", digest.hexdigest()
        if stamp.exists() and stamp.read_text() == wanted:
            return
        print(f"fetching {name}", flush=True)
        shutil.rmtree(self.folder / name, ignore_errors=True)
        make(self.folder / name)
        stamp.write_text(wanted)

    def _make_builder(self, folder: Path) -> None:
        run(sys.executable, "-m", "venv", folder)
        self._pip("install", "--require-hashes", "--only-binary", ":all:", "-r", "builder.txt")

    def _fetch_python(self, folder: Path) -> None:
        folder.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", cwd=folder)

    def _fetch_wheels(self, folder: Path) -> None:
        tags = ["--python-version", PYTHON, "--implementation", "cp", "--platform", PLATFORM]
        tags += ["--abi", "cp" + PYTHON.replace(".", ""), "--abi", "none"]
        how = ["--only-binary", ":all:", "--no-deps", "--require-hashes", "-r", "browser.txt"]
        self._pip("download", *tags, *how, "--dest", str(folder))

    def _build_pure(self, folder: Path) -> None:
        how = ["--no-deps", "--no-build-isolation", "--no-binary", ":all:", "--require-hashes"]
        self._pip("wheel", *how, "-r", "pure.txt", "--wheel-dir", str(folder), NO_EXT="1")
        for wheel in folder.glob("*.whl"):  # it says the machine, and has nothing of it inside
            tags = ["--python-tag", "py3", "--abi-tag", "none", "--platform-tag", "any"]
            run(self.builder, "-m", "wheel", "tags", "--remove", *tags, wheel)

    def build_own(self, folder: Path) -> None:
        """Build the wheel of goim_edu, as the code is now."""
        how = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
        self._pip("wheel", *how, str(ROOT))

    def _pip(self, *words: str, **environment: str) -> None:
        quiet = ["--disable-pip-version-check", "--quiet"]
        run(self.builder, "-m", "pip", words[0], *quiet, *words[1:], cwd=HERE, **environment)


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> None:
    """Run a program; what it says is shown if it fails.

    Raises:
        SystemExit: it failed.
    """
    words = [str(word) for word in command]
    told = subprocess.run(
        words, cwd=cwd, env=os.environ | environment, capture_output=True, text=True
    )
    if told.returncode:
        raise SystemExit(f"{' '.join(words)}\n{told.stdout}{told.stderr}")
