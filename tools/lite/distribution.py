"""A Pyodide distribution of our own: CPython from npm, wheels, and one lock file that names them.

What stands in the lock is loaded when a cell imports it: so no cell has to install anything.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from tools.lite.parts import PYTHON, Parts
from tools.lite.saved import write_saved

_PYTHON_FILES: Final = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")
_KERNEL: Final = ("piplite", "pyodide_kernel", "ipykernel", "widgetsnbextension-4")
_UNUSED: Final = re.compile(r"[^/]+\.data/|goim_edu/course/|.*\.(map|pyi)$|.*/tests?/")
_BROWSER: Final = {
    "python_version": PYTHON,
    "python_full_version": f"{PYTHON}.0",
    "sys_platform": "emscripten",
    "platform_system": "Emscripten",
    "platform_machine": "wasm32",
    "os_name": "posix",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}
# What goim_edu needs in the browser beyond its own requirements.
_EXTRAS: Final = ("", "browser")


def make_distribution(parts: Parts, folder: Path) -> list[str]:
    """Write the distribution.

    Args:
        parts: fetched.
        folder: is made anew.

    Returns:
        What a wheel asks for and the distribution does not have.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in _PYTHON_FILES:
        shutil.copy(parts.python / name, folder)
    own = parts.folder / "own"
    shutil.rmtree(own, ignore_errors=True)
    parts.build_own(own)
    folders = (own, parts.wheels, parts.pure)
    for wheel in [*(one for it in folders for one in it.glob("*.whl")), *_kernel_wheels(parts)]:
        _copy_what_runs(wheel, folder / wheel.name)
    _write_empty(folder, "jedi", "0.99")
    write_saved(folder)
    lock = json.loads((parts.python / "pyodide-lock.json").read_text())
    lock["packages"], absent = _packages(folder)
    (folder / "pyodide-lock.json").write_text(json.dumps(lock, indent=1, sort_keys=True))
    return absent


def _copy_what_runs(wheel: Path, copy: Path) -> None:
    """Copy a wheel without what only a machine uses: its files for JupyterLab, the notebooks."""
    with (
        zipfile.ZipFile(wheel) as archive,
        zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as written,
    ):
        for one in archive.infolist():
            if not _UNUSED.match(one.filename):
                plain = zipfile.ZipInfo(one.filename)
                written.writestr(plain, archive.read(one), zipfile.ZIP_DEFLATED, 9)


def _write_empty(folder: Path, name: str, version: str) -> None:
    """A wheel with nothing inside, where the kernel insists on 5 MB that IPython can do without."""
    info, record = f"{name}-{version}.dist-info", zipfile.ZipInfo  # the same octets every time
    files = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for file, text in files.items():
            archive.writestr(record(f"{info}/{file}"), text)


def _kernel_wheels(parts: Parts) -> list[Path]:
    """The wheels that come with the kernel of JupyterLite."""
    [folder] = parts.folder.glob(
        "venv/share/jupyter/labextensions/@jupyterlite/pyodide-kernel-extension/static/pypi"
    )
    return [wheel for wheel in folder.glob("*.whl") if wheel.name.startswith(_KERNEL)]


def _packages(folder: Path) -> tuple[dict[str, Any], list[str]]:
    wheels = {name_of(wheel): wheel for wheel in sorted(folder.glob("*.whl"))}
    found, absent = {}, set()
    for name, wheel in wheels.items():
        with zipfile.ZipFile(wheel) as archive:
            wanted = _wanted(_metadata(archive))
            imports = _imports(archive)
        absent |= {f"{name} asks for {other}" for other in wanted - wheels.keys()}
        found[name] = {
            "name": name,
            "version": str(parse_wheel_filename(wheel.name)[1]),
            "file_name": wheel.name,
            "install_dir": "site",
            "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
            "package_type": "package",
            "imports": imports,
            "depends": sorted(wanted & wheels.keys()),
            "unvendored_tests": False,
        }
    return found, sorted(absent)


def name_of(wheel: Path) -> str:
    """The name of the package in a wheel, as PyPI writes it.

    >>> name_of(Path("pure_eval-0.2.4-py3-none-any.whl"))
    'pure-eval'
    """
    return str(parse_wheel_filename(wheel.name)[0])


def _metadata(archive: zipfile.ZipFile) -> Message:
    [path] = [
        name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)
    ]
    return Parser().parsestr(archive.read(path).decode())


def _wanted(metadata: Message) -> set[str]:
    extras = _EXTRAS if metadata["Name"] == "goim-edu" else ("",)
    asked = [Requirement(line) for line in metadata.get_all("Requires-Dist") or []]
    return {
        canonicalize_name(one.name)
        for one in asked
        for extra in extras
        if one.marker is None or one.marker.evaluate(_BROWSER | {"extra": extra})
    }


def _imports(archive: zipfile.ZipFile) -> list[str]:
    """The names at the top of a wheel that can be imported."""
    tops = {name.split("/")[0] for name in archive.namelist()}
    names = {top.split(".")[0] for top in tops if not top.endswith((".dist-info", ".data"))}
    return sorted(name for name in names if name.isidentifier())
