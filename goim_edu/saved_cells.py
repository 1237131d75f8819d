"""What a platform cannot run: a cell that needs more says so, and shows the output that was saved.

The browser edition brings a package ``goim_edu_saved`` with the outputs of the cells whose tag says
what they need, such as ``needs-threads``. Where that package is not, nothing is changed.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

from goim_edu.runtime import platform

__all__ = ["definitions", "key_of", "offer", "show"]

_DEFINING: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_PACKAGE: Final = "goim_edu_saved"
_WORDS: Final = {
    "threads": "threads, and a browser gives Python one only",
    "numpy": "numpy or matplotlib, which this edition leaves out",
    "mongod": "a real MongoDB, and a browser starts no other program",
    "sockets": "real sockets, and a browser has none",
    "processes": "other programs, and a browser starts none",
}


def key_of(source: str) -> str:
    r"""The name under which a cell is saved.

    >>> key_of("1 + 1") == key_of("1 + 1\n")
    True
    """
    return hashlib.sha256(source.strip("\n").encode()).hexdigest()[:16]


def offer() -> bool:
    """From now on, let each cell that cannot run here show what was saved; once is enough.

    Returns:
        Whether there are such outputs.
    """
    if platform().threads or _folder() is None:
        return False
    ipython = sys.modules.get("IPython")
    shell: Any = None if ipython is None else ipython.get_ipython()
    if shell is not None and _instead not in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.insert(0, _instead)
    return True


def _instead(lines: list[str]) -> list[str]:
    """What runs in place of a cell: itself, unless it needs what is not here.

    Of one that does, its imports and definitions are kept: other cells use them.
    """
    source = "".join(lines)
    key = key_of(source)
    if key not in _needs():
        return lines
    shown = f"import goim_edu.saved_cells; goim_edu.saved_cells.show({key!r})\n"
    return [f"{line}\n" for line in definitions(source).splitlines()] + [shown]


def definitions(source: str) -> str:
    r"""The imports at the top of a cell, as far as they can be had, its functions and plain values.

    >>> print(definitions("import numpy\nx = 1\nprint(x)\ndef f():\n    return x"))
    try:
        import numpy
    except ImportError:
        pass
    x = 1
    def f():
        return x
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:  # it awaits something, or is made of IPython's own commands
        return ""
    kept = []
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            kept.append(f"try:\n    {ast.unparse(node)}\nexcept ImportError:\n    pass")
        elif isinstance(node, _DEFINING) or (
            isinstance(node, ast.Assign) and _is_plain(node.value)
        ):
            kept.append(ast.unparse(node))
    return "\n".join(kept)


def _is_plain(value: ast.expr) -> bool:
    """Whether it is written out, such as the answer to a question."""
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True


def show(key: str) -> None:
    """Say what a cell needs, and show its saved outputs."""
    from IPython.display import display

    folder = _folder()
    if folder is None:
        return
    need = _WORDS[_needs()[key]]
    text = f"This cell needs {need}. This is its saved output:"
    display({"text/plain": text, "text/markdown": f"*{text}*"}, raw=True)  # type: ignore[no-untyped-call]
    for output in json.loads((folder / f"{key}.json").read_text("utf-8")):
        if "data" in output:
            display(output["data"], raw=True)  # type: ignore[no-untyped-call]
        else:
            print("".join(output.get("text", "")), end="")


@cache
def _folder() -> Path | None:
    """Where the outputs lie."""
    from importlib.util import find_spec

    package = find_spec(_PACKAGE)
    places = [] if package is None else package.submodule_search_locations or []
    return next(map(Path, places), None)


@cache
def _needs() -> dict[str, str]:
    """What each cell needs that cannot run: key -> word."""
    folder = _folder()
    if folder is None:
        return {}
    needs: dict[str, str] = json.loads((folder / "needs.json").read_text("utf-8"))
    return needs
