"""Axes of our own, for where matplotlib is not: as much of its interface as our plots use.

The painters of the plots draw on either. What they ask for is kept until all is known, and then
written as SVG with the classes of the theme.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import ceil, floor, log10
from typing import Any, Final

from goim_edu.draw.svg import element, text, text_width

__all__ = ["OwnAxes", "OwnFigure"]

_SIZE: Final = 12.0  # of text, in pixels
_DASHES: Final = {"--": "7.4 3.2", "-.": "6.4 1.6 1 1.6", ":": "1.5 3"}
_FULL: Final = 1.5  # a mark is drawn by its half width; matplotlib's size of a scatter is an area
_ANCHOR: Final = {"left": "start", "center": "middle", "right": "end"}
Limits = tuple[float, float]


class OwnFigure:
    """A figure of so many pixels.

    Args:
        width: in pixels.
        height: likewise.
        classes: colours that stand for those of the theme, and the class of each.
    """

    def __init__(self, width: float, height: float, classes: dict[str, str]) -> None:
        self.width, self.height, self.classes = width, height, classes
        self.axes: list[OwnAxes] = []

    def svg(self) -> str:
        """Return what was drawn, as markup."""
        return "".join(axes.svg() for axes in self.axes)


class _Spines:
    """The two lines at the left and below; which of them are shown."""

    def __init__(self) -> None:
        self.shown = {"left", "bottom", "top", "right"}

    def __getitem__(self, names: str | list[str]) -> Any:
        chosen = [names] if isinstance(names, str) else names
        return _Shown(lambda visible: self._set(chosen, visible))

    def _set(self, names: Sequence[str], visible: bool) -> None:
        self.shown = self.shown | set(names) if visible else self.shown - set(names)


class _Shown:
    def __init__(self, set_visible: Callable[[bool], None]) -> None:
        self.set_visible = set_visible


class OwnAxes:
    """Axes within margins.

    Args:
        figure: what they are in.
        margins: pixels at the left, top, right and below.
    """

    transAxes: Final = "axes"  # noqa: N815 - matplotlib's name

    def __init__(self, figure: OwnFigure, margins: tuple[float, float, float, float]) -> None:
        left, top, right, bottom = margins
        self._classes = figure.classes
        self._box = (left, top, figure.width - right, figure.height - bottom)
        self._layers: list[tuple[float, Callable[[], str]]] = []
        self._limits: dict[str, Limits] = {}
        self._seen: dict[str, list[float]] = {"x": [], "y": []}
        self._scales = {"x": "linear", "y": "linear"}
        self._ticks: dict[str, list[tuple[float, str]]] = {}
        self._labels = {"x": "", "y": ""}
        self._tick_look: dict[str, dict[str, Any]] = {"x": {}, "y": {}}
        self._grid = ""
        self.spines = _Spines()
        figure.axes.append(self)

    # ------------------------------------------------------------------ what is set

    def set_axisbelow(self, below: bool) -> None:
        """The grid is always below."""

    def minorticks_off(self) -> None:
        """There are none."""

    def grid(self, *, visible: bool, axis: str = "both") -> None:
        """Draw a faint grid, or none."""
        self._grid = axis if visible else ""

    def set_xscale(self, scale: str) -> None:
        """``log`` or ``linear``."""
        self._scales["x"] = scale

    def set_yscale(self, scale: str) -> None:
        """``log`` or ``linear``."""
        self._scales["y"] = scale

    def get_yscale(self) -> str:
        """Which it is."""
        return self._scales["y"]

    def set_xlim(self, low: float, high: float) -> None:
        """From where to where."""
        self._limits["x"] = (low, high)

    def set_ylim(self, low: float, high: float) -> None:
        """From where to where."""
        self._limits["y"] = (low, high)

    def get_ylim(self) -> Limits:
        """From where to where."""
        return self._range("y")

    def set_xticks(self, at: Sequence[float], labels: Sequence[str]) -> None:
        """Where something is written below the axis."""
        self._ticks["x"] = list(zip(at, labels, strict=True))

    def set_yticks(self, at: Sequence[float], labels: Sequence[str]) -> None:
        """Where something is written beside the axis."""
        self._ticks["y"] = list(zip(at, labels, strict=True))

    def set_xlabel(self, label: str) -> None:
        """What stands below the axis."""
        self._labels["x"] = label

    def set_ylabel(self, label: str) -> None:
        """What stands beside the axis."""
        self._labels["y"] = label

    def tick_params(self, axis: str, **look: Any) -> None:
        """How what is written at an axis looks."""
        self._tick_look[axis] |= look

    # ------------------------------------------------------------------ what is drawn

    def plot(
        self, xs: Sequence[float], ys: Sequence[float], *, transform: str = "", **look: Any
    ) -> None:
        """A line with marks."""
        if not transform:
            self._see(xs, ys)
        self._later(look, lambda: self._line(self._points(xs, ys, transform), look))

    def step(
        self, xs: Sequence[float], ys: Sequence[float], *, where: str, markevery: int, **look: Any
    ) -> None:
        """A line of steps: each value lasts until the next."""
        self._see(xs, ys)

        def draw() -> str:
            points = self._points(xs, ys)
            stairs = [points[0]]
            for x, y in points[1:]:
                stairs += [(x, stairs[-1][1]), (x, y)]
            return self._line(stairs, look, points[::markevery])

        self._later(look, draw)

    def bar(
        self,
        xs: Sequence[float],
        heights: Sequence[float],
        *,
        bottom: float,
        width: float,
        **look: Any,
    ) -> None:
        """Bars that stand on a level, or hang from it."""
        for x, height in zip(xs, heights, strict=True):
            self._rectangle(x - width / 2, x + width / 2, bottom, bottom + height, look)

    def broken_barh(
        self, spans: Iterable[tuple[float, float]], lane: tuple[float, float], **look: Any
    ) -> None:
        """Bars that lie in a lane: from where, and how long."""
        for start, length in spans:
            self._rectangle(start, start + length, lane[0], lane[0] + lane[1], look)

    def axvspan(self, start: float, end: float, **look: Any) -> None:
        """A band from the bottom to the top."""

        def draw() -> str:
            _, top, _, bottom = self._box
            left, right = self._x(start), self._x(end)
            size: dict[str, Any] = {"width": right - left, "height": bottom - top}
            return element("rect", x=left, y=top, **size, **self._fill(look))

        self._later({"zorder": 1} | look, draw)

    def axhline(self, y: float, **look: Any) -> None:
        """A line across."""
        left, _, right, _ = self._box
        self._later(look, lambda: self._line([(left, self._y(y)), (right, self._y(y))], look))

    def axvline(self, x: float, **look: Any) -> None:
        """A line from the bottom to the top."""
        _, top, _, bottom = self._box
        self._later(look, lambda: self._line([(self._x(x), top), (self._x(x), bottom)], look))

    def vlines(self, xs: Sequence[float], low: float, highs: Sequence[float], **look: Any) -> None:
        """Lines that stand."""
        for x, high in zip(xs, highs, strict=True):
            self.plot([x, x], [low, high], **look)

    def scatter(self, xs: Sequence[float], ys: Sequence[float], **look: Any) -> None:
        """Marks alone; ``s`` is the area of one."""
        self._see(xs, ys)
        size = look.get("s", 36) ** 0.5
        mark = {"marker": "o", **look, "markersize": size, "linestyle": ""}
        self._later(look, lambda: self._line(self._points(xs, ys), mark))

    def text(self, x: float, y: float, said: str, *, transform: str = "", **look: Any) -> None:
        """A text."""

        def draw() -> str:
            [(across, down)] = self._points([x], [y], transform)
            return self._text(across, down, said, {"va": "center", **look})

        self._later({"zorder": 4} | look, draw)

    def annotate(
        self,
        said: str,
        xy: Limits,
        away: Limits,
        *,
        xycoords: Any,
        textcoords: str = "offset points",
        **look: Any,
    ) -> None:
        """A text some pixels away from a point; each coordinate is of the data or of the axes."""
        across, up = (xycoords, xycoords) if isinstance(xycoords, str) else xycoords

        def draw() -> str:
            x = self._points([xy[0]], [0.0], "axes" if "axes" in across else "")[0][0]
            y = self._points([0.0], [xy[1]], "axes" if "axes" in up else "")[0][1]
            return self._text(x + away[0], y - away[1], said, look)

        self._later({"zorder": 4} | look, draw)

    # ------------------------------------------------------------------ where it is

    def _see(self, xs: Sequence[float], ys: Sequence[float]) -> None:
        self._seen["x"] += xs
        self._seen["y"] += ys

    def _range(self, axis: str) -> Limits:
        if axis in self._limits:
            return self._limits[axis]
        low, high = min(self._seen[axis], default=0.0), max(self._seen[axis], default=1.0)
        margin = (high - low) * 0.05 or 0.5
        return low - margin, high + margin

    def _share(self, axis: str, value: float) -> float:
        """How far along an axis a value stands, from 0 to 1."""
        low, high = self._range(axis)
        if self._scales[axis] == "log":
            low, high, value = log10(low), log10(high), log10(max(value, 1e-300))
        return (value - low) / (high - low or 1.0)

    def _x(self, value: float) -> float:
        left, _, right, _ = self._box
        return left + self._share("x", value) * (right - left)

    def _y(self, value: float) -> float:
        _, top, _, bottom = self._box
        return bottom - self._share("y", value) * (bottom - top)

    def _points(
        self, xs: Sequence[float], ys: Sequence[float], transform: str = ""
    ) -> list[tuple[float, float]]:
        left, top, right, bottom = self._box
        if transform:
            pairs = zip(xs, ys, strict=True)
            return [(left + x * (right - left), bottom - y * (bottom - top)) for x, y in pairs]
        return [(self._x(x), self._y(y)) for x, y in zip(xs, ys, strict=True)]

    # ------------------------------------------------------------------ as SVG

    def _later(self, look: dict[str, Any], draw: Callable[[], str]) -> None:
        self._layers.append((look.get("zorder", 2), draw))

    def _paint(self, what: str, colour: str) -> dict[str, Any]:
        """The attributes that give something a colour, or the class of a colour of the theme."""
        name = self._classes.get(f"{what}: {colour}")
        return {"class_": name} if name else {what: colour}

    def _fill(self, look: dict[str, Any]) -> dict[str, Any]:
        colour = look.get("facecolor") or look["color"]
        return {**self._paint("fill", colour), "opacity": look.get("alpha")}

    def _rectangle(
        self, start: float, end: float, low: float, high: float, look: dict[str, Any]
    ) -> None:
        self._see([start, end], [low, high])

        def draw() -> str:
            (left, bottom), (right, top) = self._points([start, end], [low, high])
            left, right = sorted((left, right))
            top, bottom = sorted((top, bottom))
            box: dict[str, Any] = {
                "x": left,
                "y": top,
                "width": max(right - left, 0.8),
                "height": bottom - top,
            }
            edge: dict[str, Any] = {}
            if "edgecolor" in look:
                edge = {"stroke": look["edgecolor"]} if look.get("hatch") else {"stroke": "none"}
                edge |= {"stroke_dasharray": "4 3"} if look.get("hatch") else {}
            return element("rect", **box, **self._fill(look), **edge)

        self._later({"zorder": 1} | look, draw)

    def _line(
        self,
        points: Sequence[tuple[float, float]],
        look: dict[str, Any],
        marked: Sequence[tuple[float, float]] | None = None,
    ) -> str:
        style = look.get("linestyle", "-")
        drawn = []
        if style:
            dashes = _DASHES.get(style) if isinstance(style, str) else _spaced(style[1])
            path = " ".join(f"{round(x, 2):g},{round(y, 2):g}" for x, y in points)
            stroke = self._paint("stroke", look["color"])
            width = {"stroke_width": look.get("linewidth", 1.5), "stroke_dasharray": dashes}
            drawn.append(element("polyline", points=path, fill="none", **stroke, **width))
        if "marker" in look:
            half = look.get("markersize", 6) / 2
            places = points if marked is None else marked
            drawn += [_mark(look["marker"], x, y, half, look["color"]) for x, y in places]
        return "".join(drawn)

    def _text(self, x: float, y: float, said: str, look: dict[str, Any]) -> str:
        size, lines = float(look.get("fontsize", _SIZE)), said.split("\n")
        apart = size * look.get("linespacing", 1.2)
        if str(look.get("va", "")).startswith("center"):
            y += size * 0.36 - apart * (len(lines) - 1) / 2
        anchor = _ANCHOR[look.get("ha", "left")]
        paint = self._paint("fill", look["color"])
        if look.get("fontweight") == "bold":
            paint["class_"] = f"{paint.get('class_', 't')} b"
        paint.setdefault("class_", "" if "fill" in paint else "t")
        more = {"font_size": size, "text_anchor": anchor, **paint}
        return "".join(text(x, y + apart * n, line, **more) for n, line in enumerate(lines))

    def svg(self) -> str:
        """Return the axes and all that was drawn in them, what is further below first."""
        layers = sorted(self._layers, key=lambda layer: layer[0])
        return self._frame() + "".join(draw() for _, draw in layers)

    def _frame(self) -> str:
        left, top, right, bottom = self._box
        stroke = self._classes_of_lines()
        drawn = []
        for at, said in self._written("y"):
            y = self._y(at)
            if self._grid in ("y", "both"):
                drawn.append(element("line", x1=left, x2=right, y1=y, y2=y, opacity=0.35, **stroke))
            drawn.append(self._tick(left - 8, y, said, "y"))
        for at, said in self._written("x"):
            x = self._x(at)
            drawn.append(element("line", x1=x, x2=x, y1=bottom, y2=bottom + 4, **stroke))
            drawn.append(self._tick(x, bottom + 17, said, "x"))
        if "left" in self.spines.shown:
            drawn.append(element("line", x1=left, x2=left, y1=top, y2=bottom, **stroke))
        drawn.append(element("line", x1=left, x2=right, y1=bottom, y2=bottom, **stroke))
        drawn.append(text((left + right) / 2, bottom + 36, self._labels["x"], **_middle("s")))
        if self._labels["y"]:
            longest = max((text_width(said, 11.0) for _, said in self._written("y")), default=0.0)
            x, y = left - 14 - longest, (top + bottom) / 2
            turned = f"rotate(-90 {round(x, 2):g} {round(y, 2):g})"
            drawn.append(text(x, y, self._labels["y"], transform=turned, **_middle("s")))
        return "".join(drawn)

    def _tick(self, x: float, y: float, said: str, axis: str) -> str:
        look = self._tick_look[axis]
        size = float(look.get("labelsize", 11.0))
        colour = self._classes.get(f"fill: {look.get('labelcolor')}", "s")
        anchor, down = ("end", size * 0.36) if axis == "y" else ("middle", 0.0)
        return text(x, y + down, said, colour, font_size=size, text_anchor=anchor)

    def _classes_of_lines(self) -> dict[str, Any]:
        names = [name for colour, name in self._classes.items() if colour.startswith("stroke")]
        return {"class_": names[0]}

    def _written(self, axis: str) -> list[tuple[float, str]]:
        """Where something is written at an axis; round numbers unless it was said."""
        if axis not in self._ticks:
            self._ticks[axis] = [(at, f"{at:g}") for at in _round_numbers(*self._range(axis))]
        low, high = self._range(axis)
        return [one for one in self._ticks[axis] if low <= one[0] <= high]


def _middle(class_: str) -> dict[str, Any]:
    return {"class_": class_, "font_size": _SIZE, "text_anchor": "middle"}


def _spaced(dashes: Iterable[float]) -> str:
    return " ".join(f"{2 * dash:g}" for dash in dashes)


def _round_numbers(low: float, high: float) -> list[float]:
    """Four to nine round numbers between two bounds.

    >>> _round_numbers(0, 1), _round_numbers(-3, 47)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 10.0, 20.0, 30.0, 40.0])
    """
    rough = (high - low) / 6
    power = 10.0 ** floor(log10(rough)) if rough > 0 else 1.0
    step = next(times * power for times in (1, 2, 5, 10) if times * power >= rough)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _mark(mark: str, x: float, y: float, half: float, colour: str) -> str:
    if mark == "x":
        path = f"M{x - half:.2f},{y - half:.2f}l{2 * half:.2f},{2 * half:.2f}"
        path += f"m0,{-2 * half:.2f}l{-2 * half:.2f},{2 * half:.2f}"
        return element("path", d=path, stroke=colour, stroke_width=_FULL, fill="none")
    if mark == "o":
        return element("circle", cx=x, cy=y, r=half, fill=colour)
    shapes: dict[str, list[tuple[float, float]]] = {
        "s": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
        "^": [(0, -1), (1, 1), (-1, 1)],
        "v": [(0, 1), (1, -1), (-1, -1)],
        "D": [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
    }
    arm = 1 / 3
    plus: list[tuple[float, float]] = [
        (-arm, -1),
        (arm, -1),
        (arm, -arm),
        (1, -arm),
        (1, arm),
        (arm, arm),
    ]
    plus += [(arm, 1), (-arm, 1), (-arm, arm), (-1, arm), (-1, -arm), (-arm, -arm)]
    corners = shapes.get(mark, plus)
    points = " ".join(f"{x + half * dx:.2f},{y + half * dy:.2f}" for dx, dy in corners)
    return element("polygon", points=points, fill=colour)
