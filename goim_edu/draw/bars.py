"""The picture of several that do the same task: a bar for each, and how far its rounds spread."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from statistics import median
from typing import Final

from goim_edu.draw.picture import Picture
from goim_edu.draw.shapes import MARGIN, PAGE, fit, heading, legend, three_digits
from goim_edu.draw.svg import rect, text
from goim_edu.palette import OKABE_ITO
from goim_edu.websocket.wanted import items, wanted

__all__ = ["bars"]

_NAMES: Final = 200.0
_WIDTH: Final = 520.0
_STEP: Final = 22.0
_SHAPE: Final = "tasks maps each task to a mapping of names to lists of numbers"


def bars(
    tasks: Mapping[str, Mapping[str, Iterable[float]]],
    *,
    title: str = "How much each does",
    unit: str = "in a second",
    ours: Collection[str] = (),
    limits: Collection[str] = (),
) -> Picture:
    """Draw how much each of several does of the same task, by the median of some rounds.

    A thin line over the end of a bar goes from the worst round to the best one. Each task has a
    scale of its own, which begins at 0.

    Args:
        tasks: name of a task -> name of who does it -> what was done in each round, 0 or more.
        title: what is measured.
        unit: of the numbers; longer bars are better.
        ours: the names whose bars are blue; the others are sky blue.
        limits: the names that show how far one could get; their bars are grey.

    Raises:
        ValueError: there is nothing to draw, or a number is less than 0.

    >>> picture = bars({"echo": {"one": [9.0, 10.0, 14.0], "other": [5.0]}}, ours=["one"])
    >>> picture.fields[0]
    {'task': 'echo', 'name': 'one', 'low': 9.0, 'median': 10.0, 'high': 14.0}
    """
    fields = _read(tasks)
    said = f"{unit}; longer is better. Medians of the rounds, lines from the worst to the best one"
    markup, y = heading(title, said)
    for task in dict.fromkeys(field["task"] for field in fields):
        markup += text(MARGIN, y + 24, str(task), "t b")
        y += 32
        found = [field for field in fields if field["task"] == task]
        scale = _WIDTH / (max(float(field["high"]) for field in found) or 1.0)
        for field in found:
            markup += _bar(field, y, scale, _colour(str(field["name"]), ours, limits))
            y += _STEP
    colours = {"blue": "ours", "sky": "others"} | ({"grey": "the limit"} if limits else {})
    markup += legend(MARGIN, y + 12, colours)
    return Picture(
        markup,
        PAGE,
        y + 34,
        title=title,
        alt=f"{title}, {said}. {_words(fields)}.",
        fields=fields,
    )


def _read(
    tasks: Mapping[str, Mapping[str, Iterable[float]]],
) -> list[dict[str, str | float]]:
    """One plain dictionary for each bar."""
    wanted(tasks, Mapping, _SHAPE)
    fields: list[dict[str, str | float]] = []
    for task, names in tasks.items():
        wanted(names, Mapping, _SHAPE)
        for name, values in names.items():
            rounds = [float(value) for value in items(values, (int, float), _SHAPE)]
            if not rounds:
                continue
            if min(rounds) < 0:
                raise ValueError("no number may be less than 0")
            middle = {"low": min(rounds), "median": float(median(rounds)), "high": max(rounds)}
            fields.append({"task": task, "name": name, **middle})
    if not fields:
        raise ValueError("there is no number to draw")
    return fields


def _colour(name: str, ours: Collection[str], limits: Collection[str]) -> str:
    return OKABE_ITO["blue" if name in ours else "grey" if name in limits else "sky"]


def _bar(field: dict[str, str | float], y: float, scale: float, colour: str) -> str:
    """Name, bar, range and number."""
    low, middle, high = (_NAMES + scale * float(field[one]) for one in ("low", "median", "high"))
    name = fit(str(field["name"]), _NAMES - MARGIN - 8)
    spread = rect(low, y + 7.2, high - low, 1.6, "t")
    ends = rect(low, y + 3, 1.6, 10, "t") + rect(high, y + 3, 1.6, 10, "t")
    return (
        text(_NAMES - 8, y + 12, name, "t end")
        + rect(_NAMES, y, max(1.0, middle - _NAMES), 16, "", fill=colour)
        + spread
        + ends
        + text(max(high, middle) + 8, y + 12, three_digits(float(field["median"])), "t")
    )


def _words(fields: list[dict[str, str | float]]) -> str:
    by_task: dict[str | float, list[str]] = {}
    for field in fields:
        said = f"{field['name']} {three_digits(float(field['median']))}"
        by_task.setdefault(field["task"], []).append(said)
    return "; ".join(f"{task}: {', '.join(said)}" for task, said in by_task.items())
