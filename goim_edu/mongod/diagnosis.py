"""Why a mongod did not start, in one line that says what to do."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

__all__ = ["LEAST_DISK", "diagnose", "read_tail", "why_no_start"]

LEAST_DISK = 32 * 1024 * 1024
"""What an existing database needs to start, in bytes."""
_LIBRARIES = {
    "libcurl.so.4": "libcurl4",
    "libcrypto.so.3": "libssl3",
    "libssl.so.3": "libssl3",
    "libcrypto.so.1.1": "libssl1.1",
    "libssl.so.1.1": "libssl1.1",
}


def why_no_start(said: dict[str, Any]) -> str:
    """What the watchdog said when it could not run the program."""
    if said.get("errno") == "ENOEXEC":
        return "it is not a program for this machine"
    return str(said.get("text") or "the watchdog process failed")


def read_tail(path: Path, begin: int) -> str:
    """What was written to a file since ``begin``, at most the last MiB."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(max(begin, path.stat().st_size - (1 << 20)))
        return file.read().decode("utf-8", "replace")
    return ""


def diagnose(binary: str, data_dir: Path, console: str, log: str) -> str:
    """One line for why mongod ended, from what it wrote."""
    library = re.search(r"error while loading shared libraries: (\S+):", console)
    if library:
        package = _LIBRARIES.get(library[1], f"the package with {library[1]}")
        return f"mongod needs the library {library[1]}: on Debian, apt install {package}"
    everything = console + log
    with contextlib.suppress(OSError):
        # On a full disk it may not even have been able to write why.
        if shutil.disk_usage(data_dir).free < LEAST_DISK:
            return f"the disk of {data_dir} is full"
    if "No space left on device" in everything or "OutOfDiskSpace" in everything:
        return f"the disk of {data_dir} is full"
    if "DBPathInUse" in everything:
        return f"the data folder {data_dir} is in use by another mongod"
    if "Permission denied" in everything or "IllegalOperation: Attempted to create a lock" in log:
        return f"the data folder {data_dir} may not be written"
    if "featureCompatibilityVersion" in log and "incompatible" in log:
        return f"the data in {data_dir} are of another version of MongoDB"
    words = [line for line in console.splitlines() if not line.startswith("{")]
    said = _last_complaint(everything) or " ".join(words)[-300:]
    if not said:
        return f"{binary} ended at once without a word: it is not a mongod"
    return f"{binary} ended at once: {said}"


def _last_complaint(log: str) -> str:
    """The message of the last error in a log of JSON lines."""
    for line in reversed(log.splitlines()):
        with contextlib.suppress(ValueError):
            entry = json.loads(line)
            if entry.get("s") in ("E", "F"):
                attr = entry.get("attr", {})
                reason = attr.get("error") or attr.get("message") or attr.get("msg") or ""
                return f"{entry.get('msg')} {reason}".strip()[:300]
    return ""
