"""Check the sizes that keep the package readable: modules, functions, and code that stands twice.

    python -m tools.sizes               one line for each that is too long; exit 1 if there is one

A module of ``goim_edu/``, Python or JavaScript, has at most 450 lines, but for the chapters of the
exercises. A Python function has at most 45 lines below its docstring. Ten lines of code stand
once; imports, docstrings, comments and literals in which nothing is computed may stand again.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, TypeGuard

ROOT: Final = Path(__file__).resolve().parent.parent
MOST_LINES: Final = 450
MOST_BODY: Final = 45
REPEATED: Final = 10
CHAPTERS: Final = "exercises/chapter_*.py"
COMMENT: Final = re.compile(r"\s*//|\s*/?\*")
COMPUTED: Final = (ast.Call, ast.Lambda, ast.Await, ast.BinOp, ast.Compare, ast.comprehension)
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Line(NamedTuple):
    """A line of code: where it stands, and what it says without its white space."""

    path: Path
    number: int
    text: str


def modules(package: Path) -> list[Path]:
    """The Python and JavaScript modules of a package."""
    return sorted(path for ending in ("py", "js") for path in package.rglob(f"*.{ending}"))


def long_modules(package: Path) -> Iterator[str]:
    """A message for each module that is too long."""
    for path in modules(package):
        count = len(path.read_text("utf-8").splitlines())
        if count > MOST_LINES and not path.match(CHAPTERS):
            yield f"{path}:1: the module has {count} lines, at most {MOST_LINES}"


def long_functions(package: Path) -> Iterator[str]:
    """A message for each Python function whose body is too long."""
    for path in modules(package):
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, Function) and (count := body_lines(node)) > MOST_BODY:
                said = f"{node.name} has {count} lines of body, at most {MOST_BODY}"
                yield f"{path}:{node.lineno}: {said}"


def body_lines(function: Function) -> int:
    """How many lines a function has below its docstring."""
    body = [one for one in function.body if one is not docstring_of(function)]
    return last_line(body[-1]) - body[0].lineno + 1 if body else 0


def docstring_of(node: ast.AST) -> ast.stmt | None:
    """The docstring that a module, a class or a function begins with."""
    if isinstance(node, ast.Module | ast.ClassDef | Function) and ast.get_docstring(node):
        return node.body[0]
    return None


def last_line(node: ast.stmt | ast.expr) -> int:
    """The number of the last line of a piece of code; what was parsed has one."""
    return node.end_lineno or node.lineno


def repeated_code(package: Path) -> Iterator[str]:
    """A message for each run of lines that stands somewhere before."""
    seen: dict[tuple[str, ...], tuple[Path, int]] = {}
    for path in modules(package):
        lines = code_lines(path)
        end = 0  # lines before this one are part of a run that is reported already
        for at in range(len(lines) - REPEATED + 1):
            run = tuple(line.text for line in lines[at : at + REPEATED])
            there, first = seen.setdefault(run, (path, at))
            apart = there != path or at - first >= REPEATED
            if not apart or at < end:
                continue
            before = code_lines(there)
            count = common_length(before[first:], lines[at:])
            end = at + count
            place = f"{there}:{before[first].number}"
            yield f"{path}:{lines[at].number}: {count} lines of code stand at {place} already"


def common_length(one: list[Line], other: list[Line]) -> int:
    """How many lines say the same from the first on."""
    pairs = zip(one, other, strict=False)
    return next(
        (at for at, (line, again) in enumerate(pairs) if line.text != again.text),
        min(len(one), len(other)),
    )


def code_lines(path: Path) -> list[Line]:
    """The lines of a module that count as code; brackets alone on a line do not."""
    text = path.read_text("utf-8")
    left_out = no_code_of_python(text) if path.suffix == ".py" else no_code_of_javascript(text)
    return [
        Line(path, number, " ".join(line.split()))
        for number, line in enumerate(text.splitlines(), 1)
        if number not in left_out and re.search(r"\w", line)
    ]


def no_code_of_python(text: str) -> set[int]:
    """The numbers of the lines with comments, docstrings, imports and literals."""
    numbered = enumerate(text.splitlines(), 1)
    found = {number for number, line in numbered if line.lstrip().startswith("#")}
    for node in ast.walk(ast.parse(text)):
        left_out: ast.stmt | ast.expr | None = docstring_of(node)
        if isinstance(node, ast.Import | ast.ImportFrom) or is_data(node):
            left_out = node
        if left_out is not None:
            found.update(range(left_out.lineno, last_line(left_out) + 1))
    return found


def is_data(node: ast.AST) -> TypeGuard[ast.expr]:
    """Whether it is a literal of several lines in which nothing is computed."""
    if not isinstance(node, ast.Constant | ast.List | ast.Dict | ast.Set | ast.Tuple):
        return False
    several = last_line(node) > node.lineno
    return several and not any(isinstance(inner, COMPUTED) for inner in ast.walk(node))


def no_code_of_javascript(text: str) -> set[int]:
    """The numbers of the lines with comments and imports."""
    found = set()
    importing = False
    for number, line in enumerate(text.splitlines(), 1):
        importing = importing or line.startswith("import ")
        if importing or COMMENT.match(line):
            found.add(number)
        importing = importing and not line.rstrip().endswith(";")
    return found


def problems(package: Path) -> list[str]:
    """All messages, each with its place."""
    return [*long_modules(package), *long_functions(package), *repeated_code(package)]


def main() -> int:
    """Look through ``goim_edu/`` and return the exit code."""
    found = problems(ROOT / "goim_edu")
    print("\n".join(line.replace(f"{ROOT}/", "") for line in found) or "all sizes are good")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
