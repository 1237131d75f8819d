"""The learner's own copy of the course: without answers, and never written over once it is changed.

A notebook of the course comes with its outputs, which are the answers to its questions. A learner
gets a copy without them, in a folder of their own that ``git pull`` does not touch.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

__all__ = ["Copied", "copy_course", "without_answers"]

_Sums = dict[str, str]  # of the file, and of its cells without their outputs

MANIFEST: Final = ".course.json"
EARLIER: Final = "earlier"
PROGRESS: Final = ".progress.txt"


@dataclass(frozen=True, slots=True)
class Copied:
    """What ``copy_course`` did, by the names of the files.

    Attributes:
        written: new here, or replaced by a newer version of the course.
        kept: changed by the learner, so they stay although the course has a newer version.
        moved: what was set aside, as it stands now in ``earlier/``.
    """

    written: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)


def without_answers(notebook: bytes) -> bytes:
    r"""Return a notebook without outputs and execution counts, as JupyterLab would save it.

    Args:
        notebook: the file.

    Raises:
        ValueError: it is not a notebook.

    >>> cell = {"cell_type": "code", "execution_count": 3, "outputs": [{}], "source": ["1 + 1"]}
    >>> cleared = json.loads(without_answers(json.dumps({"cells": [cell]}).encode()))["cells"][0]
    >>> cleared["execution_count"], cleared["outputs"], cleared["source"]
    (None, [], ['1 + 1'])
    """
    content = _parse(notebook)
    for cell in content["cells"]:
        if cell.get("cell_type") == "code":
            cell |= {"execution_count": None, "outputs": []}
            cell.get("metadata", {}).pop("execution", None)
    return (json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def copy_course(
    source: Path, target: Path, *, answers: bool = False, fresh: Iterable[str] = ()
) -> Copied:
    """Bring a copy of the course up to date, and lose nothing that the learner wrote.

    A file that the learner edited stays. One that was only run, and of which the course has a newer
    version, goes to ``earlier/`` and is replaced. The manifest ``.course.json`` has the sum of each
    file as it was written.

    Args:
        source: the folder of the course.
        target: the folder of the copy; it is made if need be.
        answers: whether the outputs are copied, too.
        fresh: chapters to get anew, such as ``"03"``, or a part of one, such as ``"03b"``; what is
            there goes to ``earlier/``.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: the course has no such chapter.
    """
    paths = sorted(source.glob("*.ipynb"))
    anew = {path.name for chapter in fresh for path in _chapter(chapter, paths)}
    target.mkdir(parents=True, exist_ok=True)
    manifest, done = _read_manifest(target), Copied()
    for path in paths:
        original = path.read_bytes()
        new = original if answers else without_answers(original)
        if _update(target / path.name, new, manifest.get(path.name), path.name in anew, done):
            manifest[path.name] = {"file": _sum(new), "cells": _sum_of_cells(new)}
    _take_progress(source, target)
    _write(target / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
    return done


def _update(path: Path, new: bytes, noted: _Sums | None, anew: bool, done: Copied) -> bool:
    """Write one file of the copy, unless it is to stay; whether it is now as the course has it."""
    old = path.read_bytes() if path.exists() else None
    if old == new:
        return True
    if old is not None and not anew:
        if noted is not None and noted["file"] == _sum(new):
            return False  # the learner's, and the course has nothing newer
        if noted is None or _sum_of_cells(old) != noted["cells"]:
            done.kept.append(path.name)
            return False
    if old is not None and (noted is None or noted["file"] != _sum(old)):
        done.moved.append(_set_aside(path))
    _write(path, new)
    done.written.append(path.name)
    return True


def _take_progress(source: Path, target: Path) -> None:
    """Take what is done from the course's folder, where learners worked before they had a copy."""
    old, new = source / PROGRESS, target / PROGRESS
    if old.exists() and not new.exists():
        _write(new, old.read_bytes())


def _set_aside(path: Path) -> str:
    """Move a file to ``earlier/``, under a name that is free there."""
    folder = path.parent / EARLIER
    folder.mkdir(exist_ok=True)
    number = 1
    while (there := folder / f"{path.stem}-{number}.ipynb").exists():
        number += 1
    path.rename(there)
    return f"{EARLIER}/{there.name}"


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: JupyterLab may have it open, and a disk may be full."""
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _chapter(chapter: str, paths: list[Path]) -> list[Path]:
    """The files of a chapter: ``03`` names all its parts, ``03b`` one, ``all`` all files."""
    parts = {path: path.stem.split("-")[0] for path in paths}
    found = [path for path, part in parts.items() if chapter in ("all", part, part[:2])]
    if not found:
        known = ", ".join(parts.values())
        raise ValueError(f"the course has no chapter {chapter!r}: say one of {known}, or all")
    return found


def _read_manifest(folder: Path) -> dict[str, _Sums]:
    """What was written here; nothing if that cannot be read, so that every file stays."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        return {
            name: {"file": sums["file"], "cells": sums["cells"]} for name, sums in manifest.items()
        }
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _parse(notebook: bytes) -> dict[str, Any]:
    content = json.loads(notebook)
    if not isinstance(content, dict) or not isinstance(content.get("cells"), list):
        raise ValueError("this is not a notebook")
    return content


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sum_of_cells(notebook: bytes) -> str:
    """The sum of what a learner writes, which is the same after the cells were run."""
    try:
        cells = _parse(notebook)["cells"]
        text = [(cell.get("cell_type"), "".join(cell.get("source", ""))) for cell in cells]
    except (ValueError, TypeError, AttributeError):
        return ""  # it is damaged, so it is not as it was written
    return _sum(json.dumps(text).encode())
