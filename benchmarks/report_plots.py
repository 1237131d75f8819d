"""The plots of the report, drawn from its rows: as SVG in light and in dark, and for chapter 15."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.rows import OURS, Row
from goim_edu import draw
from goim_edu.draw import Picture

THEMES: Final = ("light", "dark")
LIMITS: Final = ("bare", "uwebsockets")
FIGURES: Final = Path(draw.__file__).parent.parent / "lab" / "figures.json"


@dataclass(frozen=True)
class Plot:
    """What a plot shows.

    Attributes:
        name: of its files.
        title: above it.
        group: of the rows.
        unit: of the bars.
        whats: the tasks, in their order.
        row_unit: the start of the unit of the rows, where they have several.
        turn: makes of a value what is drawn.
    """

    name: str
    title: str
    group: str
    unit: str
    whats: tuple[str, ...]
    row_unit: str = ""
    turn: Callable[[float], float] = lambda value: value


def _millions(nanoseconds: float) -> float:
    return 1000 / nanoseconds if nanoseconds else 0.0


PLOTS: Final = (
    Plot(
        "parse",
        "Parsing frames",
        "protocol: parse",
        "million messages in a second of CPU",
        ("16 B", "125 B", "1 KiB"),
        turn=_millions,
    ),
    Plot(
        "echo",
        "Echo",
        "server: echo",
        "messages in a second of the server's CPU",
        ("100 connections, 1 outstanding, 32 B", "10 connections, 64 outstanding, 32 B"),
        row_unit="messages per second of the",
    ),
    Plot(
        "fanout",
        "One says it, 500 are told",
        "server: fan-out",
        "messages in a second of the server's CPU",
        ("500 listeners, 1 outstanding", "500 listeners, 16 outstanding"),
        row_unit="messages per second of the",
    ),
    Plot(
        "chat",
        "The whole chat: stored, acknowledged, told to 100",
        "chat: durable",
        "messages acknowledged in a second",
        ("50 of 100 members speak",),
        row_unit="messages acknowledged",
    ),
)


def arguments(plot: Plot, rows: Sequence[Row]) -> dict[str, Any]:
    """What ``draw.bars`` takes, the best first; without a row it is empty."""
    tasks = {}
    for what in plot.whats:
        found = [
            row
            for row in rows
            if (row.group, row.what) == (plot.group, what) and row.unit.startswith(plot.row_unit)
        ]
        values = {row.subject: [_short(plot.turn(one)) for one in row.values] for row in found}
        order = sorted(values, key=lambda name: median(values[name]))
        if values:
            tasks[what] = {name: values[name] for name in reversed(order)}
    if not tasks:
        return {}
    names = list(dict.fromkeys(name for task in tasks.values() for name in task))
    return {
        "tasks": tasks,
        "title": plot.title,
        "unit": plot.unit,
        "ours": [name for name in names if name.startswith(OURS)],
        "limits": [name for name in names if name in LIMITS],
    }


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def write_plots(folder: Path, rows: Sequence[Row]) -> dict[str, Picture]:
    """Write the plots that have rows; their pictures by their names."""
    drawn = {}
    for plot in PLOTS:
        if given := arguments(plot, rows):
            folder.mkdir(parents=True, exist_ok=True)
            picture = drawn[plot.name] = draw.bars(**given)
            picture.save(folder / f"{plot.name}-light.svg", "light")
            picture.save(folder / f"{plot.name}-dark.svg", "dark")
    return drawn


def write_figures(rows: Sequence[Row], path: Path = FIGURES) -> None:
    """Write what chapter 15 draws by itself."""
    given = {plot.name: found for plot in PLOTS if (found := arguments(plot, rows))}
    text = json.dumps(given, ensure_ascii=False)
    path.write_text(text.replace('}, "', '},\n"') + "\n", "utf-8")
