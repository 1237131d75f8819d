"""The outputs of the cells that a browser cannot run, as a package of the browser edition.

A cell says what it needs by a tag. In the chapters of a real database, every cell behind
``need_mongod()`` needs one, and no tag has to say so: but an answer can be checked anywhere.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import nbformat

from goim_edu.saved_cells import key_of
from tools.lite.parts import ROOT

NOTEBOOKS: Final = ROOT / "notebooks"
NEEDS: Final = ("threads", "numpy", "mongod", "sockets", "processes")
_NAME: Final = "goim_edu_saved"
_INFO: Final = f"{_NAME}-1.dist-info"


@cache
def _run_anywhere() -> frozenset[str]:
    """The keys of cells that run in a browser; the same cell behind ``need_mongod()`` does, too."""
    keys = set()
    for path in NOTEBOOKS.glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.source.rstrip().endswith("need_mongod()"):
                break
            tags = cell.metadata.get("tags", [])
            if not any(f"needs-{need}" in tags for need in NEEDS):
                keys.add(key_of(cell.source))
    return frozenset(keys)


def cells_in_need(path: Path) -> Iterator[tuple[int, str, Any]]:
    """The cells of a notebook that cannot run in a browser: index, what they need, the cell."""
    behind = False
    for index, cell in enumerate(nbformat.read(path, as_version=4).cells):
        if cell.cell_type != "code":
            continue
        tags = cell.metadata.get("tags", [])
        told = [need for need in NEEDS if f"needs-{need}" in tags]
        runs = "check(" in cell.source or key_of(cell.source) in _run_anywhere()
        if told or (behind and not runs):
            yield index, (told or ["mongod"])[0], cell
        behind = behind or cell.source.rstrip().endswith("need_mongod()")


def write_saved(folder: Path) -> None:
    """Write the wheel of them."""
    needs, files = {}, {}
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        for _, need, cell in cells_in_need(path):
            key = key_of(cell.source)
            needs[key] = need
            files[f"{_NAME}/{key}.json"] = json.dumps(cell.outputs, ensure_ascii=False)
    files[f"{_NAME}/needs.json"] = json.dumps(needs)
    files[f"{_NAME}/__init__.py"] = '"""Saved outputs of the course."""\n'
    files[f"{_INFO}/METADATA"] = "Metadata-Version: 2.1\nName: goim-edu-saved\nVersion: 1\n"
    files[f"{_INFO}/WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{_INFO}/RECORD"] = ""
    wheel = folder / f"{_NAME}-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
