"""Figures of the last `make bench`: what chapter 15 draws."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

__all__ = ["measured"]


def measured(name: str) -> dict[str, Any]:
    """Return what `make bench` measured, as arguments of `draw.bars`.

    Args:
        name: of the plot: "parse", "echo", "fanout".

    Raises:
        ValueError: there is no plot of this name.

    >>> sorted(measured("echo"))
    ['limits', 'ours', 'tasks', 'title', 'unit']
    """
    text = files("goim_edu.lab").joinpath("figures.json").read_text("utf-8")
    figures: dict[str, dict[str, Any]] = json.loads(text)
    if name not in figures:
        raise ValueError(f"no figures of {name!r}: there are those of {', '.join(figures)}")
    return figures[name]
