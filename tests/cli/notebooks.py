"""Small notebooks, and a small course of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat


def notebook(*sources: str, outputs: bool = True) -> bytes:
    """A notebook with these cells of code, each with an output."""
    cells = [
        {
            "cell_type": "code",
            "id": f"c{number}",
            "execution_count": number + 1 if outputs else None,
            "metadata": {"tags": ["answer"]},
            "outputs": [{"output_type": "stream", "name": "stdout", "text": ["42\n"]}] * outputs,
            "source": source.splitlines(keepends=True),
        }
        for number, source in enumerate(sources)
    ]
    content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content, indent=1).encode()


def cells(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = nbformat.read(path, nbformat.NO_CONVERT).cells
    return found
