"""Programs of ``docs/examples`` that serve, each in a process of its own, and how long they are."""

from __future__ import annotations

import ast
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "docs" / "examples"
PEERS = Path(__file__).resolve().parent / "peers"


@contextlib.contextmanager
def program(path: Path, *arguments: str) -> Iterator[str]:
    """Run it; gives the first line that it prints, its address. Ctrl-C must end it."""
    command = [sys.executable, str(path), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().decode().strip()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
    assert process.returncode in (-signal.SIGINT, 1, 130)  # KeyboardInterrupt


def code_lines(path: Path) -> int:
    """Lines of code, without imports, docstrings, comments and blank lines."""
    text = path.read_text()
    skipped: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom) or (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            skipped.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    counted = {
        number
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.strip().startswith("#")
    }
    return len(counted - skipped)
