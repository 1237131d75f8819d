"""Tell from the code which part of the package imports which, and draw it.

    python -m tools.imports            the diagram in docs/architecture.md, between its markers
    python -m tools.imports --check    write nothing; exit 1 if it would change

Files and folders at the top of ``goim_edu/`` are its entries. An arrow leads down to what an entry
imports; it is left out where others lead there, too.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGE: Final = ROOT / "goim_edu"
DOCUMENT: Final = ROOT / "docs" / "architecture.md"
BEGIN: Final = "<!-- imports:begin -->"
END: Final = "<!-- imports:end -->"
Graph = dict[str, set[str]]


def modules() -> list[Path]:
    """All modules of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """The dotted name of a module; a folder's is that of its ``__init__``.

    >>> name_of(PACKAGE / "draw" / "__init__.py"), name_of(PACKAGE / "errors.py")
    ('goim_edu.draw', 'goim_edu.errors')
    """
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def entry_of(path: Path) -> str:
    """The file or folder at the top of the package that a module stands in.

    >>> entry_of(PACKAGE / "draw" / "frame.py"), entry_of(PACKAGE / "errors.py")
    ('draw', 'errors')
    """
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    """The dotted names of the package that a module imports, and those of the modules they are in.

    What it imports later, or for types only, counts too.
    """
    tree = ast.parse(path.read_text("utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            full = _absolute(node, path)
            found |= {full, *(f"{full}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith(f"{PACKAGE.name}.")}


def _absolute(node: ast.ImportFrom, path: Path) -> str:
    """The dotted name of the module that ``from ... import`` takes names from."""
    if not node.level:
        return node.module or ""
    package = path.relative_to(ROOT).parent.parts
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def import_graph() -> Graph:
    """Each entry of the package, and the entries that it imports, wherever the import stands."""
    graph: Graph = {}
    for path in modules():
        below = graph.setdefault(entry_of(path), set())
        below |= {name.split(".")[1] for name in imports_of(path)}
    return {entry: (below & graph.keys()) - {entry} for entry, below in graph.items()}


def module_graph() -> Graph:
    """Each module, and the modules that it imports; a folder's face is one of them."""
    names = {name_of(path): path for path in modules()}
    return {name: (imports_of(path) & names.keys()) - {name} for name, path in names.items()}


def floors(graph: Mapping[str, set[str]]) -> dict[str, int]:
    """The floor of each node: 1 for what needs nothing, else one above the highest it needs.

    Raises:
        ValueError: some need each other in a circle.

    >>> floors({"draw": {"errors"}, "cli": {"draw", "errors"}, "errors": set()})
    {'errors': 1, 'draw': 2, 'cli': 3}
    """
    found: dict[str, int] = {}
    while len(found) < len(graph):
        ready = [one for one in graph if one not in found and graph[one] <= found.keys()]
        if not ready:
            raise ValueError(f"a circle among {', '.join(sorted(graph.keys() - found.keys()))}")
        found |= {one: 1 + max((found[below] for below in graph[one]), default=0) for one in ready}
    return found


def reduced(graph: Mapping[str, set[str]]) -> Graph:
    """The graph without the arrows that others make up for.

    >>> reduced({"cli": {"draw", "errors"}, "draw": {"errors"}, "errors": set()})
    {'cli': {'draw'}, 'draw': {'errors'}, 'errors': set()}
    """
    return {
        one: {
            below
            for below in graph[one]
            if not any(below in reached(graph, other) for other in graph[one])
        }
        for one in graph
    }


def reached(graph: Mapping[str, set[str]], start: str) -> set[str]:
    """All that can be reached from ``start`` in one step or more."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def mermaid(graph: Mapping[str, set[str]]) -> str:
    """The reduced graph as text for Mermaid, from the top floor down.

    >>> print(mermaid({"cli": {"draw", "errors"}, "draw": {"errors"}, "errors": set()}))
    graph TD
      cli --> draw
      draw --> errors
    """
    level, few = floors(graph), reduced(graph)
    top_first = sorted(graph, key=lambda one: (-level[one], one))
    arrows = [f"  {one} --> {below}" for one in top_first for below in sorted(few[one])]
    return "\n".join(["graph TD", *arrows])


def updated(text: str) -> str:
    """The document with the diagram of today between its markers.

    Raises:
        ValueError: it has not exactly one pair of markers.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"the document needs one {BEGIN} and one {END}")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    diagram = mermaid(import_graph())
    return f"{before}{BEGIN}\n```mermaid\n{diagram}\n```\n{END}{after}"


def main() -> int:
    """Do what the command line says and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, only look")
    check = parser.parse_args().check
    text = DOCUMENT.read_text("utf-8")
    new = updated(text)
    if new != text and not check:
        DOCUMENT.write_text(new, encoding="utf-8")
    said = "is up to date" if new == text else "would change" if check else "written"
    print(f"{DOCUMENT.relative_to(ROOT)}: {said}")
    return 1 if check and new != text else 0


if __name__ == "__main__":
    sys.exit(main())
