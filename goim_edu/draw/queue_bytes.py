"""The picture of slow readers: how many bytes wait for each of them, over time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from goim_edu.draw.picture import Picture
from goim_edu.draw.plot import (
    FAINT,
    INK,
    LINE_COLOUR,
    line_style,
    name_lines,
    plain_axes,
    plot,
)
from goim_edu.draw.shapes import PAGE, heading, three_digits
from goim_edu.palette import OKABE_ITO
from goim_edu.websocket.wanted import rows, wanted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["queue_bytes"]

_HEIGHT: Final = 300.0
_UNITS: Final = (("MiB", 1 << 20), ("KiB", 1 << 10), ("bytes", 1))


def queue_bytes(
    samples: Mapping[str, Iterable[tuple[float, int]]],
    *,
    bound: int | None = None,
    marks: Iterable[tuple[float, str]] = (),
) -> Picture:
    """Draw how many bytes wait in the queue of each reader, over time.

    Args:
        samples: name of a reader to times in seconds and bytes that wait for it then.
        bound: how many may wait before the reader is closed with 1013.
        marks: times with what happened then, such as ``(2.5, "closed 1013")``.

    Raises:
        ValueError: there is no sample.

    >>> picture = queue_bytes({"slow": [(0, 0), (1, 40_000)], "fast": [(0, 0), (1, 120)]})
    >>> picture.fields
    [{'reader': 'slow', 'most': 40000, 'samples': 2}, {'reader': 'fast', 'most': 120, 'samples': 2}]
    """
    words = "samples maps names to lists of (time, bytes)"
    wanted(samples, Mapping, words)
    series = {str(name): sorted(rows(points, 2, words)) for name, points in samples.items()}
    series = {name: points for name, points in series.items() if points}
    if not series:
        raise ValueError("there is no sample to draw")
    noted = rows(marks, 2, "marks is a list of (time, what happened)")
    facts: list[dict[str, Any]] = [
        {"reader": name, "most": max(size for _, size in points), "samples": len(points)}
        for name, points in series.items()
    ]
    said = "; ".join(f"{fact['reader']}: at most {_size(fact['most'])}" for fact in facts)
    limit = f"; the bound is {_size(bound)}" if bound is not None else ""
    head, y = heading("Bytes that wait for slow readers", said + limit)
    body = plot(lambda figure: _paint(figure, series, bound, noted), PAGE, _HEIGHT, y)
    return Picture(
        head + body,
        PAGE,
        y + _HEIGHT + 4,
        title=f"Queue bytes: {said}{limit}",
        alt=_words(series, said + limit, noted),
        fields=facts,
    )


def _size(octets: int) -> str:
    """Return a number of bytes with a unit.

    >>> _size(100), _size(65_536), _size(1_500_000)
    ('100 bytes', '64 KiB', '1.43 MiB')
    """
    for unit, factor in _UNITS:
        if octets >= factor:
            return f"{three_digits(octets / factor)} {unit}"
    return "0 bytes"


def _words(
    series: Mapping[str, Sequence[tuple[float, int]]], said: str, marks: Sequence[tuple[float, str]]
) -> str:
    lines = []
    for name, points in series.items():
        last = points[-1]
        lines.append(f"{name} has {_size(last[1])} waiting at {last[0]:.2f} s")
    lines += [f"at {time:.2f} s: {what}" for time, what in marks]
    return f"Bytes that wait for slow readers: {said}. {'; '.join(lines)}."


# ---------------------------------------------------------------------- the plot


def _paint(
    figure: Figure,
    series: Mapping[str, Sequence[tuple[float, int]]],
    bound: int | None,
    marks: Sequence[tuple[float, str]],
) -> None:
    axes = plain_axes(figure, left=84, bottom=46, right=150, top=30)
    most = max([bound or 0, *(size for points in series.values() for _, size in points), 1])
    unit, factor = next((unit, factor) for unit, factor in _UNITS if most >= factor)
    ends = []
    for number, (name, points) in enumerate(series.items()):
        style = line_style(number)
        times, sizes = [time for time, _ in points], [size / factor for _, size in points]
        every = max(1, len(points) // 8)
        axes.step(times, sizes, where="post", markevery=every, **style)
        ends.append((sizes[-1], name, style))
    if bound is not None:
        _paint_bound(axes, bound / factor)
    for time, what in marks:
        _paint_mark(axes, time, what)
    axes.set_ylim(0, most / factor * 1.12)
    name_lines(axes, ends)
    axes.set_xlabel("seconds")
    axes.set_ylabel(f"bytes waiting, in {unit}" if factor > 1 else "bytes waiting")


def _paint_bound(axes: Axes, bound: float) -> None:
    axes.axhline(bound, color=OKABE_ITO["vermillion"], linewidth=2)
    axes.annotate(
        "the bound",
        (0, bound),
        (6, 5),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        color=INK,
        fontweight="bold",
    )


def _paint_mark(axes: Axes, time: float, what: str) -> None:
    axes.axvline(time, color=LINE_COLOUR, linewidth=1.4, linestyle=":")
    axes.annotate(
        what,
        (time, 1),
        (0, 6),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="center",
        color=FAINT,
    )
