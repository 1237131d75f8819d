"""Execute the notebooks and normalise what is saved, so that a diff shows only what has changed.

    python -m tools.notebooks                 execute and write every notebook in notebooks/
    python -m tools.notebooks 03              only those whose name begins so: 03, and its part 03b
    python -m tools.notebooks --check         execute nothing; exit 1 if a file is not normalised

The outputs in the repository are the reference that ``pytest --nbval`` compares with: they come
from here and from nowhere else.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from tools.tasks import mark_outcomes, put_tasks

_node: Any = nbformat.from_dict  # it has no types

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
CELL_TIMEOUT = 60  # seconds
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KEPT_CELL_METADATA = {"tags", "jupyter"}
NOTEBOOK_METADATA = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}


def chapter_of(path: Path) -> str:
    """The number of the chapter that a notebook belongs to; a chapter may have several parts.

    >>> [chapter_of(Path(name)) for name in ("03-frames.ipynb", "03b-frame-parser.ipynb")]
    ['03', '03']
    """
    return path.name[:2]


def normalise(notebook: Any) -> Any:
    """Take out of a notebook, in place, what differs from one run to the next."""
    notebook.metadata = _node(copy.deepcopy(NOTEBOOK_METADATA))
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        cell.source = cell.source.strip("\n")
        cell.metadata = _node(
            {key: value for key, value in cell.metadata.items() if key in KEPT_CELL_METADATA}
        )
        name = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
        seen[name] = seen.get(name, 0) + 1
        cell.id = name if seen[name] == 1 else f"{name}-{seen[name]}"
        if cell.cell_type == "code":
            cell.outputs = _joined([_normal_output(output) for output in cell.outputs])
    return notebook


def _normal_output(output: Any) -> Any:
    if output.output_type in {"display_data", "execute_result"}:
        output.metadata = _node({})
        # Its model lived in a kernel that is gone; what stands beside it (repr, picture) stays.
        output.data.pop(WIDGET_VIEW, None)
    return output


def _joined(outputs: list[Any]) -> list[Any]:
    """Join neighbouring outputs of one stream: how a stream is cut into messages is chance."""
    joined: list[Any] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last and output.output_type == "stream" == last.output_type and output.name == last.name:
            last.text += output.text
        else:
            joined.append(output)
    return joined


def execute(path: Path) -> float:
    """Run the notebook at ``path`` from top to bottom, write it, and return the seconds it took."""
    notebook = read(path)
    put_tasks(notebook)
    mark_outcomes(notebook)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    started = time.perf_counter()
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    took = time.perf_counter() - started
    write(path, notebook)
    return took


def write(path: Path, notebook: Any) -> None:
    """Normalise ``notebook``, prove it valid, and write it."""
    nbformat.validate(normalise(notebook))
    path.write_text(text_of(notebook), encoding="utf-8")


def read(path: Path) -> Any:
    """Return the notebook at ``path``."""
    return nbformat.read(path, as_version=4)


def text_of(notebook: Any) -> str:
    """Return the file's text for ``notebook``."""
    return str(nbformat.writes(notebook)).rstrip("\n") + "\n"


def is_normal(path: Path) -> bool:
    """Whether the file at ``path`` is what :func:`write` would write."""
    return path.read_text("utf-8") == text_of(normalise(read(path)))


def main() -> int:
    """Do what the command line says and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="beginnings of file names; default: all")
    parser.add_argument("--check", action="store_true", help="execute nothing, only look")
    arguments = parser.parse_args()
    paths = [
        path
        for path in sorted(FOLDER.glob("*.ipynb"))
        if path.name.startswith(tuple(arguments.names) or "")
    ]
    if not paths:
        parser.error("no such notebook")
    if arguments.check:
        wrong = [path.name for path in paths if not is_normal(path)]
        print("\n".join(f"{name}: not normalised, run python -m tools.notebooks" for name in wrong))
        return 1 if wrong else 0
    for path in paths:
        print(f"{path.name}: {execute(path):.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
