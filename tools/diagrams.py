"""Draw the Mermaid diagrams of notebooks and documents once, for pages without a network.

    python -m tools.diagrams            into docs/diagrams/, by a real JupyterLab in Chromium

Each diagram is named by its text; ``tools/site_sources.py`` puts it where the text stands.
"""

from __future__ import annotations

import hashlib
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from nbformat import v4

from tools import notebooks as files

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "diagrams"
BLOCK = re.compile(r"^```mermaid\n(.*?)^```", re.DOTALL | re.MULTILINE)
_node: Any = v4  # it has no types


def diagrams() -> Iterator[str]:
    """The text of every diagram in the notebooks and the documents."""
    for path in sorted(FOLDER.parent.glob("*.md")):
        yield from BLOCK.findall(path.read_text("utf-8"))
    for path in sorted(files.FOLDER.glob("*.ipynb")):
        for cell in files.read(path).cells:
            if cell.cell_type == "markdown":
                yield from BLOCK.findall(cell.source)
            for output in cell.get("outputs", []):
                yield from BLOCK.findall(output.get("data", {}).get("text/markdown", ""))


def path_of(text: str) -> Path:
    """Where the drawing of a diagram is kept.

    >>> path_of("graph LR").name
    'e6efeb3d651b.svg'
    """
    return FOLDER / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.svg"


def tidy(source: str) -> str:
    """The SVG of an ``<img>`` of JupyterLab, without what only a browser's own copy needs."""
    svg = unquote(source.partition(",")[2])
    names = dict(re.findall(r'<!ENTITY (\w+) "([^"]*)">', svg))
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"&(\w+);", lambda found: names.get(found[1], found[0]), svg)
    return svg.replace("&#38;", "&").strip() + "\n"


def draw(texts: list[str]) -> list[str]:
    """The drawings of these diagrams, as JupyterLab makes them."""
    from playwright.sync_api import sync_playwright

    from tests.browser.jupyter import JupyterLab, Notebook, new_page
    from tests.conftest import CHROMIUM_FLAGS, find_chromium

    cells = [_node.new_markdown_cell(f"```mermaid\n{text}```") for text in texts]
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "root"
        root.mkdir()
        files.write(root / "diagrams.ipynb", _node.new_notebook(cells=cells))
        lab = JupyterLab(root, Path(place)).wait()
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=find_chromium(), args=CHROMIUM_FLAGS
                )
                with new_page(browser) as (page, _):
                    Notebook(page, lab, "diagrams.ipynb")
                    images = page.locator(".jp-RenderedMermaid img")
                    images.nth(len(texts) - 1).wait_for()
                    return [tidy(image.get_attribute("src") or "") for image in images.all()]
        finally:
            lab.stop()


def main() -> int:
    """Draw those that are new, and forget those that are gone."""
    wanted = {path_of(text): text for text in diagrams()}
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.svg"):
        if path not in wanted:
            path.unlink()
    from tests.conftest import find_chromium

    new = {path: text for path, text in wanted.items() if not path.is_file()}
    if new and find_chromium() is None:
        sys.exit("new diagrams are drawn by Chromium: apt install chromium")
    if new:
        for path, svg in zip(new, draw(list(new.values())), strict=True):
            path.write_text(svg, encoding="utf-8")
    print(f"{len(wanted)} diagrams, {len(new)} of them new")
    return 0


if __name__ == "__main__":
    sys.exit(main())
