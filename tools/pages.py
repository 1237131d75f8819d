"""Export the course as static pages, which need no kernel: pictures and stand-ins for widgets stay.

    python -m tools.pages                into build/html/, with an index
    python -m tools.pages --to FOLDER

Links between notebooks become links between pages, diagrams are those of ``tools/diagrams.py``.
Nothing is loaded from elsewhere.
"""

from __future__ import annotations

import argparse
import base64
import html
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html
from tqdm import tqdm

from tools import notebooks as files
from tools.diagrams import BLOCK, path_of

ROOT = Path(__file__).resolve().parent.parent
_exporter: Any = HTMLExporter  # it has no types
_to_html: Any = markdown2html

# nbconvert sets code in a Markdown output in the letters of prose.
STYLE = ".jp-OutputArea .highlight pre { font-family: var(--jp-code-font-family) }"
INDEX = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>goim_edu: the course</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>:root {{ color-scheme: light dark; }}
body {{ font: 1.05rem/1.6 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto;
       padding: 0 1rem; }} li {{ margin: 0.7rem 0; }} p {{ margin: 0; }}</style></head>
<body><h1>goim_edu: how instant messaging works, byte by byte</h1>
<p>The course as it was run last. To touch the widgets and to change the cells, open the notebooks
in JupyterLab (<code>make lab</code>).</p>
<ul>
{rows}
</ul></body></html>
"""


def export(path: Path) -> str:
    """The page made of one executed notebook."""
    exporter = _exporter(template_name="lab", require_js_url="", mathjax_url="")
    notebook = files.read(path)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = BLOCK.sub(show_diagram, cell.source)
            cell.source = re.sub(r"\]\(([\w-]+)\.ipynb(#[^)]*)?\)", r"](\1.html\2)", cell.source)
        for output in cell.get("outputs", []):
            if "text/markdown" in output.get("data", {}):
                output.data["text/markdown"] = BLOCK.sub(show_diagram, output.data["text/markdown"])
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": title_of(notebook)}})
    page = re.sub(r'<script src="">\s*</script>', "", str(page))
    return page.replace("</head>", f"<style>{STYLE}</style></head>", 1)


def show_diagram(found: re.Match[str]) -> str:
    """A Mermaid diagram as an image, with its text for those who do not see it."""
    drawn = base64.b64encode(path_of(found[1]).read_bytes()).decode()
    alt = html.escape(" ".join(found[1].split()))
    return (
        f'<img style="max-width:100%" alt="Diagram: {alt}" src="data:image/svg+xml;base64,{drawn}">'
    )


def title_of(notebook: Any) -> str:
    """The first heading of a notebook."""
    return str(notebook.cells[0].source.splitlines()[0].lstrip("# "))


def question_of(notebook: Any) -> str:
    """The question that opens a notebook, as HTML."""
    found = re.search(r"\*\*(.+?)\*\*", notebook.cells[0].source, re.DOTALL)
    return str(_to_html(found[1])) if found else ""


def index_of(paths: list[Path]) -> str:
    """The page that lists them all."""
    rows = []
    for path in paths:
        notebook = files.read(path)
        link = f'<a href="{path.stem}.html">{html.escape(title_of(notebook))}</a>'
        rows.append(f"<li>{link}{question_of(notebook)}</li>")
    return INDEX.format(rows="\n".join(rows))


def main() -> int:
    """Do what the command line says and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=ROOT / "build" / "html", help="the folder")
    folder: Path = parser.parse_args().to
    paths = sorted(files.FOLDER.glob("*.ipynb"))
    folder.mkdir(parents=True, exist_ok=True)
    for path in tqdm(paths, desc="exporting", unit="page", disable=None):
        (folder / f"{path.stem}.html").write_text(export(path), encoding="utf-8")
    (folder / "index.html").write_text(index_of(paths), encoding="utf-8")
    for extra in files.FOLDER.glob("*.png"):
        shutil.copy(extra, folder)
    print(f"{len(paths)} pages: open {folder / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
