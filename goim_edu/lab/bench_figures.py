"""The figures of the last `make bench`, drawn: what chapter 15 shows."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from goim_edu.draw import Picture

__all__ = ["measured"]


def measured(name: str) -> Picture:
    """Draw what `make bench` has measured, beside other libraries and servers.

    Args:
        name: of the plot: "parse", "echo", "fanout".

    Raises:
        ValueError: there is no plot of this name.

    >>> measured("echo")
    <Picture: Echo>
    """
    from goim_edu.draw import bars

    text = files("goim_edu.lab").joinpath("figures.json").read_text("utf-8")
    figures: dict[str, dict[str, Any]] = json.loads(text)
    if name not in figures:
        raise ValueError(f"no figures of {name!r}: there are those of {', '.join(figures)}")
    return bars(**figures[name])
