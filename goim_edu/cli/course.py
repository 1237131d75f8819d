"""The learner's own copy of the course: without answers, and never written over once it is changed.

A notebook of the course comes with its outputs, which are the answers to its questions. A learner
gets a copy without them, in a folder of their own: ``make lab`` in a clone makes it, and
``goim-edu start`` where only the package is installed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from goim_edu import __version__

__all__ = ["Copied", "copy_course", "is_copy", "without_answers"]

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
        beside: newer versions of files that were kept, laid beside them now.
        moved: what was set aside, as it stands now in ``earlier/``.
        gone: chapters that the course has no more, among them what was set aside.
    """

    written: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


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


def is_copy(folder: Path) -> bool:
    """Whether a copy of the course was made in this folder.

    >>> is_copy(Path("/"))
    False
    """
    return os.path.isfile(folder / MANIFEST)


def copy_course(
    source: Path, target: Path, *, answers: bool | None = None, fresh: Iterable[str] = ()
) -> Copied:
    """Bring a copy of the course up to date, and lose nothing that the learner wrote.

    A file that the learner edited stays, and the course's newer version is laid beside it, as
    ``03-frames.new.ipynb``. One that was only run, and of which the course has a newer version,
    goes to ``earlier/`` and is replaced. What is done stays as it is. The manifest ``.course.json``
    has the sum of each file as it was written.

    Args:
        source: the folder of the course.
        target: the folder of the copy; it is made if need be.
        answers: whether the outputs are copied, too; default: as the copy was made, else not.
        fresh: chapters to get anew, such as ``"03"``, or a part of one, such as ``"03b"``; what is
            there goes to ``earlier/``.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: the course has no such chapter, or the folder is the course itself.
    """
    paths = sorted(source.glob("*.ipynb"))
    anew = {path.name for chapter in fresh for path in _chapter(chapter, paths)}
    if target.resolve() == source.resolve():
        raise ValueError(f"{target} is the course itself, and not a copy of it")
    target.mkdir(parents=True, exist_ok=True)
    copy = _Copy(target)
    if not is_copy(target):
        _take_progress(source, target)
    if answers is None:
        answers = copy.manifest.answers
    copy.manifest.answers = answers
    for path in paths:
        original = path.read_bytes()
        new = original if answers else without_answers(original)
        copy.bring(path.name, new, path.name in anew)
    copy.retire({path.name for path in paths})
    copy.manifest.write(target)
    return copy.done


class _Manifest:
    """What was written into a copy."""

    def __init__(self, files: dict[str, _Sums], *, answers: bool = False) -> None:
        self.files = files
        self.answers = answers

    @classmethod
    def read(cls, folder: Path) -> _Manifest:
        """The manifest of a folder; an empty one if it cannot be read, so that every file stays."""
        try:
            found = json.loads((folder / MANIFEST).read_bytes())
            # Those of the first copies were their list of files.
            files = found.get("files", {}) if "answers" in found else found
            sums = {
                name: {"file": one["file"], "cells": one["cells"]}
                for name, one in files.items()
                if Path(name).name == name  # another's copy may name files of ours
            }
            return cls(sums, answers=found.get("answers") is True)
        except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
            return cls({})

    def write(self, folder: Path) -> None:
        """Write it, unless it stands there: an up-to-date copy may be on a disk of its own."""
        content = {"version": __version__, "answers": self.answers, "files": self.files}
        text = (json.dumps(content, indent=1) + "\n").encode()
        path = folder / MANIFEST
        if not path.exists() or path.read_bytes() != text:
            _write(path, text)


class _Copy:
    """One copy of the course, while it is brought up to date."""

    def __init__(self, folder: Path) -> None:
        self.done = Copied()
        self.manifest = _Manifest.read(folder)
        self._folder = folder
        self._noted = self.manifest.files

    def bring(self, name: str, new: bytes, anew: bool) -> None:
        """Write one file, unless it is to stay."""
        old, noted = self._read(name), self._noted.get(name)
        if old is not None and old != new and not anew:
            if noted is not None and noted["file"] == _sum(new):
                return  # the learner's, and the course has nothing newer
            if self._is_changed(name, old) and _sum_of_cells(old) != _sum_of_cells(new):
                self.done.kept.append(name)
                self._lay_beside(name, new)
                return
        if old != new and (anew or old is None or not self._is_changed(name, old)):
            self._put(name, new)
            self.done.written.append(name)
        self._note(name, new)
        self._remove(_beside(name))

    def retire(self, names: set[str]) -> None:
        """Set aside what the course has no more; what the learner changed stays."""
        for name in self._noted.keys() - names - set(map(_beside, names)):
            old = self._read(name)
            if old is not None and not self._is_changed(name, old):
                self._set_aside(name)
            if old is not None:
                self.done.gone.append(name)
            del self._noted[name]
        self.done.gone.sort()

    def _is_changed(self, name: str, old: bytes) -> bool:
        """Whether somebody else wrote it, or parts of it; running it changes nothing."""
        noted = self._noted.get(name)
        return noted is None or _sum_of_cells(old) != noted["cells"]

    def _lay_beside(self, name: str, new: bytes) -> None:
        """Put the newer version beside a file that stays: once, for it may be thrown away."""
        beside = _beside(name)
        noted = self._noted.get(beside)
        if noted is None or noted["file"] != _sum(new):
            self._put(beside, new)
            self._note(beside, new)
            self.done.beside.append(beside)

    def _remove(self, name: str) -> None:
        """Take away what was laid beside a file that is up to date."""
        if self._noted.get(name) is not None and self._read(name) is not None:
            self._clear(name)
            (self._folder / name).unlink(missing_ok=True)
        self._noted.pop(name, None)

    def _put(self, name: str, new: bytes) -> None:
        self._clear(name)
        _write(self._folder / name, new)

    def _clear(self, name: str) -> None:
        """Set a file aside, unless it is as we wrote it."""
        old, noted = self._read(name), self._noted.get(name)
        if old is not None and (noted is None or noted["file"] != _sum(old)):
            self._set_aside(name)

    def _set_aside(self, name: str) -> None:
        """Move a file to ``earlier/``, under a name that is free there."""
        path = self._folder / name
        folder = self._folder / EARLIER
        folder.mkdir(exist_ok=True)
        number = 1
        while (there := folder / f"{path.stem}-{number}.ipynb").exists():
            number += 1
        path.rename(there)
        self.done.moved.append(f"{EARLIER}/{there.name}")

    def _read(self, name: str) -> bytes | None:
        path = self._folder / name
        return path.read_bytes() if path.exists() else None

    def _note(self, name: str, data: bytes) -> None:
        self._noted[name] = {"file": _sum(data), "cells": _sum_of_cells(data)}


def _beside(name: str) -> str:
    """The name of the newer version of a file that stays.

    >>> _beside("03-frames.ipynb")
    '03-frames.new.ipynb'
    """
    return f"{Path(name).stem}.new.ipynb"


def _take_progress(source: Path, target: Path) -> None:
    """Take what is done from the course's folder, where learners worked before they had a copy."""
    old, new = source / PROGRESS, target / PROGRESS
    if old.exists() and not new.exists():
        _write(new, old.read_bytes())


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
