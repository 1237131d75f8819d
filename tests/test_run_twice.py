"""Every cell is run twice in a row, and every chapter twice: a learner does both.

Each chapter is a class of its own, so that ``-n 2 --dist loadscope`` spreads them.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, ClassVar

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))
PATIENCE = 60  # seconds for one cell: a cell that waits for what never comes ends far later


class Chapter:
    """One notebook; the classes that pytest collects are made of it below."""

    path: ClassVar[Path]

    def test_it_runs_twice(self, tmp_path: Path) -> None:
        notebook = nbformat.read(self.path, nbformat.NO_CONVERT)
        chapter = [cell for cell in notebook.cells if cell.cell_type == "code"]
        order = [cell for cell in chapter for _ in range(2)] + chapter
        notebook.cells = [copy.deepcopy(cell) for cell in order]
        for number, cell in enumerate(notebook.cells):
            cell.id = f"cell-{number}"
        NotebookClient(
            notebook,
            timeout=PATIENCE,
            kernel_name="python3",
            allow_errors=True,
            resources={"metadata": {"path": str(tmp_path)}},
        ).execute()
        wrong = [
            f"{'once more' if number >= 2 * len(chapter) else 'twice'}: {cell.source}\n{error}"
            for number, (cell, meant) in enumerate(zip(notebook.cells, order, strict=True))
            if (error := raised(cell)) and not raised(meant)
        ]
        assert not wrong, "\n\n".join(wrong)


def raised(cell: Any) -> str:
    """What a cell raised, or ""."""
    errors = [output for output in cell.outputs if output.output_type == "error"]
    return f"{errors[0].ename}: {errors[0].evalue}" if errors else ""


for _path in NOTEBOOKS:
    _name = f"Test{_path.stem.title().replace('-', '')}"
    globals()[_name] = type(_name, (Chapter,), {"path": _path, "__module__": __name__})
