"""The site: JupyterLab with the notebooks of the course, as files for any web server."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Final

import nbformat

from tools.lite.distribution import make_distribution
from tools.lite.parts import ROOT, Parts, run

_NOTEBOOKS: Final = ROOT / "notebooks"
_KERNELSPEC: Final = {
    "display_name": "Python in the browser",
    "language": "python",
    "name": "python",
}
# Fetched together while Python starts; one after the other takes seconds more.
_AT_ONCE = ["piplite", "pyodide-kernel", "ipykernel", "ipython", "comm"]
_AT_ONCE += ["goim-edu", "goim-edu-saved"]
_CONFIG: Final[dict[str, Any]] = {
    "jupyter-lite-schema-version": 0,
    "jupyter-config-data": {
        "appName": "goim_edu",
        "exposeAppInBrowser": True,
        "litePluginSettings": {
            "@jupyterlite/pyodide-kernel-extension:kernel": {
                "pyodideUrl": "./static/pyodide/pyodide.mjs",
                "loadPyodideOptions": {"packages": _AT_ONCE},
                "disablePyPIFallback": True,
            }
        },
    },
}


def build(site: Path, parts: Parts) -> list[str]:
    """Build the site.

    Args:
        site: its folder, made anew.
        parts: fetched.

    Returns:
        What a wheel asks for and the site does not have.
    """
    source = parts.folder / "source"
    absent = make_distribution(parts, source / "static" / "pyodide")
    contents = source / "contents"
    _copy_notebooks(contents)
    (source / "jupyter-lite.json").write_text(json.dumps(_CONFIG))
    shutil.rmtree(site, ignore_errors=True)
    (source / ".jupyterlite.doit.db").unlink(missing_ok=True)  # it belongs to another output
    places = ["--lite-dir", source, "--contents", contents, "--output-dir", site]
    how = ["--no-sourcemaps", "--apps", "lab"]
    run(parts.builder, "-m", "jupyterlite_core", "build", *map(str, places), *how, cwd=source)
    return absent


def _copy_notebooks(folder: Path) -> None:
    """The notebooks as they are, for the kernel of the site."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in sorted(_NOTEBOOKS.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        notebook.metadata["kernelspec"] = _KERNELSPEC
        # With its texts in one piece: the table of contents stumbles over lists of lines.
        (folder / path.name).write_text(json.dumps(notebook, ensure_ascii=False))
