"""What Sphinx reads to make the site: notebooks, documents and reference, linked anew."""

from __future__ import annotations

import html
import json
import posixpath
import re
import shutil
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from goim_edu import draw
from goim_edu.draw import Picture
from goim_edu.protocol import build_frame
from tools import notebooks as files
from tools import reference
from tools.diagrams import BLOCK, path_of
from tools.tasks import OUTCOME

ROOT: Final = Path(__file__).resolve().parent.parent
DOCUMENTS: Final = ROOT / "docs"
FIRST: Final = ("library", "architecture", "operations", "capacity", "chat-protocol")
"""The documents that come first; the others follow by name."""
ABOUT: Final = ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY")
_LINK: Final = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
_IMAGE: Final = re.compile(r"!\[([^\]]*)\]\(([\w./-]+\.png)\)")
_FENCE: Final = re.compile(r"(^```.*?^```[ ]*$)", re.DOTALL | re.MULTILINE)
_TWO_THEMES: Final = re.compile(
    r"<picture>.*?</picture>(\n\n\[light\].*?$)?", re.DOTALL | re.MULTILINE
)

INDEX: Final = """\
# goim_edu: how instant messaging works, byte by byte

The course as it was run last. To touch the widgets and to change the cells, open the notebooks in
JupyterLab (`make lab`).

{rows}

```{{toctree}}
:hidden:
:caption: The course

{chapters}
```

```{{toctree}}
:hidden:
:caption: Documents

{documents}
```

```{{toctree}}
:hidden:
:caption: Library

reference/index
docs/examples
```
"""


def slug(heading: str) -> str:
    """The anchor of a heading, as JupyterLab makes it.

    >>> slug("3.5 How long?")
    '3.5-How-long?'
    """
    return heading.replace(" ", "-")


def notebooks() -> list[Path]:
    """The notebooks, in reading order."""
    return sorted(files.FOLDER.glob("*.ipynb"))


def pages() -> dict[Path, str]:
    """The pages of the files of the project: their paths in the site, without an ending."""
    found = {path: path.stem for path in notebooks()}
    found |= {path: f"docs/{path.stem}" for path in sorted(DOCUMENTS.glob("*.md"))}
    found |= {ROOT / f"{name}.md": f"docs/{name.lower()}" for name in ABOUT}
    found[DOCUMENTS / "gallery" / "README.md"] = "docs/gallery"
    found[DOCUMENTS / "examples"] = "docs/examples"
    return found


# ---------------------------------------------------------------------- text


def on_the_site(text: str, source: Path) -> str:
    """Markdown with its links and diagrams as the site has them; code stays as it is.

    Args:
        text: Markdown.
        source: the file in which it stands.
    """
    text = _IMAGE.sub(lambda found: f"![{found[1]}]({_image(found[2], source)})", text)
    parts = _FENCE.split(BLOCK.sub(lambda found: show_diagram(found[1], source), text))
    return "".join(
        part if part.startswith("```") else _LINK.sub(lambda found: _linked(found, source), part)
        for part in parts
    )


def _linked(found: re.Match[str], source: Path) -> str:
    """A link as it leads on the site; what has no page there is named only."""
    label, target = found.groups()
    name, _, fragment = target.partition("#")
    if re.match(r"[a-z]+:", target) or not name:
        return found[0]
    there = (source.parent / unquote(name)).resolve()
    page = pages().get(there)
    if page is None:
        return label if label.startswith("`") else f"{label} (`{there.relative_to(ROOT)}`)"
    ending = ".ipynb" if there.suffix == ".ipynb" else ".md"
    target = _relative(page + ending, source)
    return f"[{label}](<{target}{'#' if fragment else ''}{fragment}>)"


def _image(name: str, source: Path) -> str:
    """Where an image of the documents stands: in the site its path is the same."""
    there = (source.parent / name).resolve()
    return _relative(there.relative_to(ROOT).as_posix(), source)


def _relative(path: str, source: Path) -> str:
    """A path of the site, as the page of ``source`` sees it."""
    return posixpath.relpath(path, posixpath.dirname(pages()[source]) or ".")


def show_diagram(text: str, source: Path) -> str:
    """A Mermaid diagram as an image, with its text for those who do not see it.

    Raises:
        FileNotFoundError: it has not been drawn yet.
    """
    drawn = path_of(text)
    if not drawn.is_file():
        raise FileNotFoundError(f"{source.name} has a new diagram: run `make diagrams`")
    place = _relative(f"_diagrams/{drawn.name}", source)
    said = html.escape(" ".join(text.split())).replace("[", "&#91;").replace("]", "&#93;")
    return f"![Diagram: {said}]({place})"


def title_of(notebook: Any) -> str:
    """The first heading of a notebook."""
    return str(notebook.cells[0].source.splitlines()[0].lstrip("# "))


def question_of(notebook: Any) -> str:
    """The question that opens a notebook."""
    found = re.search(r"\*\*(.+?)\*\*", notebook.cells[0].source, re.DOTALL)
    return found[1] if found else ""


def plain(markdown: str) -> str:
    """A sentence without the signs of Markdown.

    >>> plain("The server says `ack`.")
    'The server says ack.'
    """
    return re.sub(r"[`*]", "", markdown)


# ---------------------------------------------------------------------- pages


def notebook_page(path: Path) -> Any:
    """A notebook as the site shows it: what was to be predicted has its answer folded."""
    notebook = files.read(path)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = on_the_site(cell.source, path)
        outputs = cell.get("outputs", [])
        if outputs and OUTCOME in cell.metadata.get("tags", []):
            cell.metadata["tags"] = [*cell.metadata.tags, "hide-output"]
        for output in outputs:
            if "text/markdown" in output.get("data", {}):
                output.data["text/markdown"] = on_the_site(output.data["text/markdown"], path)
    return notebook


def document_page(path: Path) -> str:
    """A document as the site shows it: pictures for two themes by the classes of the theme."""
    text = _TWO_THEMES.sub(lambda found: _two_images(found[0], path), path.read_text("utf-8"))
    return on_the_site(text, path)


def _two_images(markup: str, source: Path) -> str:
    """A picture that is there for two themes, so that the switch of the site chooses."""
    name, ending, alt = re.findall(r'<img src="(.+?)-light\.(png|svg)" alt="(.*?)"', markup)[0]
    return "\n\n".join(
        f"```{{figure}} {_image(f'{name}-{theme}.{ending}', source)}\n"
        f":alt: {html.unescape(alt)}\n:figclass: only-{theme} drawn\n```"
        for theme in ("light", "dark")
    )


def index_page() -> str:
    """The page that lists all chapters with their questions, and holds the navigation."""
    rows = []
    for path in notebooks():
        notebook = files.read(path)
        rows.append(f"- [{title_of(notebook)}]({path.name})\n\n  {question_of(notebook)}")
    names = [page for page in pages().values() if page.startswith("docs/")]
    first = [f"docs/{name}" for name in FIRST]
    documents = [*first, *(name for name in names if name not in {*first, "docs/examples"})]
    return INDEX.format(
        rows="\n".join(rows),
        chapters="\n".join(path.stem for path in notebooks()),
        documents="\n".join(documents),
    )


def examples_page() -> str:
    """All programs of ``docs/examples``, each with what its first line says."""
    parts = ["# Examples\n\nEach of these programs runs as it stands.\n"]
    for path in sorted((DOCUMENTS / "examples").glob("*.py")):
        text = path.read_text("utf-8")
        parts.append(f"## {path.stem.replace('_', ' ')}\n\n```python\n{text}```\n")
    return "\n".join(parts)


def preview() -> Picture:
    """What is shown where somebody links to the site: a frame, bit by bit."""
    frame = draw.frame(build_frame("Hello"))
    width = 1120
    size = f'x="40" y="130" width="{width}" height="{width * frame.height / frame.width:g}"'
    drawn = re.sub(r' width="[\d.]+" style="[^"]*">', f" {size}>", frame.svg("light"), count=1)
    body = (
        '<text x="40" y="60" class="t b" style="font-size:38px">goim_edu</text>'
        '<text x="40" y="102" class="t" style="font-size:25px">'
        f"How instant messaging works, byte by byte</text>{drawn}"
    )
    return Picture(body, 1200, 630, title="goim_edu", alt="goim_edu")


def write_all(folder: Path) -> None:
    """Write all that Sphinx reads into ``folder``."""
    for path, page in pages().items():
        there = folder / page
        there.parent.mkdir(exist_ok=True)
        if path.suffix == ".ipynb":
            files_text = files.text_of(notebook_page(path))
            there.with_suffix(".ipynb").write_text(files_text, "utf-8")
        elif path.suffix == ".md":
            there.with_suffix(".md").write_text(document_page(path), "utf-8")
    (folder / "index.md").write_text(index_page(), "utf-8")
    (folder / "docs" / "examples.md").write_text(examples_page(), "utf-8")
    (folder / "reference").mkdir()
    reference.write_sources(folder / "reference")
    shutil.copytree(DOCUMENTS / "diagrams", folder / "_diagrams")
    for path in [*DOCUMENTS.rglob("*.png"), *DOCUMENTS.glob("benchmarks/*.svg")]:
        there = folder / path.relative_to(ROOT)
        there.parent.mkdir(exist_ok=True)
        shutil.copy(path, there)
    write_extra(folder / "_extra")


def write_extra(folder: Path) -> None:
    """Write what is copied as it is: the notebooks themselves, and the picture for previews."""
    folder.mkdir()
    for path in [*notebooks(), *files.FOLDER.glob("*.png")]:
        shutil.copy(path, folder)
    preview().save(folder / "preview.png", scale=1)
    (folder / ".nojekyll").touch()
    questions = {path.stem: plain(question_of(files.read(path))) for path in notebooks()}
    (folder.parent / "_questions.json").write_text(json.dumps(questions), "utf-8")
