"""Compile the hot modules of the protocol with mypyc, when a wheel is built and that is asked for.

    HATCH_BUILD_HOOK_ENABLE_CUSTOM=1 pip install .

The source stays as it is, and nothing is written into it: mypyc works on a copy. The wheel has each
module twice, as source and compiled, and Python takes the compiled one.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "goim_edu"
SETUP = """
from mypyc.build import mypycify
from setuptools import Extension, setup
typed = mypycify(["--config-file=", "--ignore-missing-imports", *{modules}])
setup(ext_modules=[*typed, Extension("goim_edu.websocket._xor", ["goim_edu/websocket/_xor.c"])])
"""


class CompiledModules(BuildHookInterface[Any]):
    """Adds to a wheel what mypyc makes of the modules that ``pyproject.toml`` names."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; an editable installation stays source."""
        if version == "editable":
            return
        folder = TemporaryDirectory()
        self.kept = folder  # until the wheel is written
        copy = Path(folder.name)
        shutil.copytree(Path(self.root, PACKAGE), copy / PACKAGE)
        (copy / "setup.py").write_text(SETUP.format(modules=self.config["modules"]))
        words = [sys.executable, "setup.py", "build_ext", "--inplace"]
        done = subprocess.run(words, cwd=copy, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{PACKAGE} was not compiled:\n{done.stdout}{done.stderr}")
        for suffix in ("so", "pyd"):
            for library in [*copy.glob(f"*.{suffix}"), *copy.glob(f"{PACKAGE}/**/*.{suffix}")]:
                build_data["force_include"][str(library)] = str(library.relative_to(copy))
        build_data["infer_tag"] = True
        build_data["pure_python"] = False

    def finalize(self, version: str, _build_data: dict[str, Any], _artifact_path: str) -> None:
        """Remove the copy."""
        if version != "editable":
            self.kept.cleanup()
