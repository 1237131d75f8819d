"""The picture of how a time grows with the size of the task, for several ways to do it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from goim_edu.draw.picture import Picture
from goim_edu.draw.plot import line_style, name_lines, plain_axes, plot
from goim_edu.draw.shapes import PAGE, heading
from goim_edu.websocket.wanted import rows, wanted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["growth"]

_HEIGHT: Final = 340.0
_UNITS: Final = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9))


def growth(
    times: Mapping[str, Iterable[tuple[float, float]]],
    *,
    title: str = "How the time grows",
    across: str = "bytes",
) -> Picture:
    """Draw measured times over the size of the task, both by powers of ten.

    A straight line that rises by a factor of ten where the size does so means: so much for each
    byte. A level line means: the size does not matter yet.

    Args:
        times: name of a way to do it -> pairs of size and seconds, each more than 0.
        title: what is measured.
        across: what the size counts.

    Raises:
        ValueError: there is nothing to draw, or a size or a time is not more than 0.

    >>> picture = growth({"loop": [(10, 1e-6), (1000, 1e-4)], "one XOR": [(10, 5e-7)]})
    >>> picture.fields[0]
    {'name': 'loop', 'points': [(10, 1e-06), (1000, 0.0001)]}
    """
    words = "times maps names to lists of (size, seconds)"
    wanted(times, Mapping, words)
    series = {str(name): sorted(rows(points, 2, words)) for name, points in times.items()}
    series = {name: points for name, points in series.items() if points}
    if not series:
        raise ValueError("there is no time to draw")
    if min(min(point) for points in series.values() for point in points) <= 0:
        raise ValueError("sizes and times must be more than 0")
    said = f"both scales go by powers of ten; {_at_the_end(series, across)}"
    head, y = heading(title, said)
    body = plot(lambda figure: _paint(figure, series, across), PAGE, _HEIGHT, y)
    return Picture(
        head + body,
        PAGE,
        y + _HEIGHT + 4,
        title=title,
        alt=f"{title}: {said}. {_words(series, across)}.",
        fields=[{"name": name, "points": points} for name, points in series.items()],
    )


def _at_the_end(series: Mapping[str, Sequence[tuple[float, float]]], across: str) -> str:
    """Say which way is the quickest for the largest size, and how many times as quick.

    >>> _at_the_end({"a": [(9, 3.0)], "b": [(9, 1.5)]}, "bytes")
    'quickest for 9 bytes: b; slowest: a, 2.0 times as long'
    """
    largest = max(points[-1][0] for points in series.values())
    last = {n: points[-1][1] for n, points in series.items() if points[-1][0] == largest}
    best, worst = min(last, key=last.__getitem__), max(last, key=last.__getitem__)
    said = f"quickest for {largest:,} {across}: {best}"
    ratio = last[worst] / last[best]
    shown = f"{ratio:.1f}" if ratio < 10 else f"{ratio:,.0f}"
    return said + (f"; slowest: {worst}, {shown} times as long" if worst != best else "")


def _time(seconds: float) -> str:
    """Return a time with two digits and its unit.

    >>> _time(0.000041), _time(2.0)
    ('41 µs', '2 s')
    """
    unit, factor = next((one for one in _UNITS if seconds >= one[1]), _UNITS[-1])
    value = seconds / factor
    return f"{value:.2g} {unit}" if value < 99.5 else f"{value:.0f} {unit}"


def _words(series: Mapping[str, Sequence[tuple[float, float]]], across: str) -> str:
    return ". ".join(
        f"{name}: " + ", ".join(f"{_time(time)} for {size:,} {across}" for size, time in points)
        for name, points in series.items()
    )


def _paint(
    figure: Figure, series: Mapping[str, Sequence[tuple[float, float]]], across: str
) -> None:
    axes = plain_axes(figure, left=84, bottom=46, right=176)
    axes.set_xscale("log")
    axes.set_yscale("log")
    ends: list[tuple[float, str, dict[str, Any]]] = []
    for number, (name, points) in enumerate(series.items()):
        style = line_style(number)
        axes.plot([size for size, _ in points], [time for _, time in points], **style)
        ends.append((points[-1][1], name, style))
    _scale_sizes(axes, [size for points in series.values() for size, _ in points])
    _scale_times(axes, [time for points in series.values() for _, time in points])
    axes.minorticks_off()
    name_lines(axes, ends)
    axes.set_xlabel(across)
    axes.set_ylabel("time")


def _scale_sizes(axes: Axes, sizes: Sequence[float]) -> None:
    """Write the powers of ten between the smallest and the largest size below the axis."""
    low, high = min(sizes), max(sizes)
    axes.set_xlim(low / 1.3, high * 1.3)
    shown = [10**power for power in range(16) if low / 1.3 <= 10**power <= high * 1.3]
    axes.set_xticks(shown, [f"{size:,}" for size in shown])


def _scale_times(axes: Axes, times: Sequence[float]) -> None:
    """Write whole powers of ten beside the axis, as times with a unit."""
    powers = [10.0**power for power in range(-9, 4)]
    low = max([power for power in powers if power <= min(times)], default=powers[0])
    high = min([power for power in powers if power >= max(times)], default=powers[-1])
    axes.set_ylim(low, max(high, 10 * low))
    shown = [power for power in powers if low <= power <= max(high, 10 * low)]
    axes.set_yticks(shown, [_time(power) for power in shown])
