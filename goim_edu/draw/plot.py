"""Plots: what matplotlib draws, as a picture that follows the theme and is the same every time."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from math import log10
from typing import TYPE_CHECKING, Any, Final, cast

from goim_edu.draw.own_axes import OwnAxes, OwnFigure
from goim_edu.draw.svg import element
from goim_edu.palette import OKABE_ITO

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "FAINT",
    "INK",
    "LINE_COLOUR",
    "PAPER",
    "line_style",
    "name_lines",
    "plain_axes",
    "plot",
]

# Colours that stand for those of the theme; matplotlib writes them into the SVG, and there they
# become class names.
INK: Final = "#010203"
FAINT: Final = "#010204"
LINE_COLOUR: Final = "#010205"
PAPER: Final = "#010206"
_CLASSES: Final = {
    f"fill: {INK}": "t",
    f"fill: {FAINT}": "s",
    f"fill: {PAPER}": "paper",
    f"stroke: {LINE_COLOUR}": "line",
}
_STYLES: Final[tuple[tuple[str, Any, str], ...]] = (
    ("blue", "-", "o"),
    ("orange", "--", "s"),
    ("green", "-.", "^"),
    ("purple", ":", "D"),
    ("sky", (0, (6, 1, 1, 1)), "v"),
    ("grey", (0, (3, 3)), "P"),
)
_SETTINGS: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud, found and copied
    "svg.hashsalt": "goim_edu",  # the same names of clip paths every time
    "font.family": "DejaVu Sans",
    "font.size": 12,
    "text.color": INK,
    "axes.edgecolor": LINE_COLOUR,
    "axes.labelcolor": FAINT,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "grid.color": LINE_COLOUR,
    "grid.alpha": 0.35,
    "xtick.color": LINE_COLOUR,
    "ytick.color": LINE_COLOUR,
    "xtick.labelcolor": FAINT,
    "ytick.labelcolor": FAINT,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "hatch.linewidth": 0.8,
    "path.simplify": True,
}


def plot(paint: Callable[[Figure], None], width: float, height: float, y: float) -> str:
    """Return what ``paint`` draws on a figure, as markup for a picture.

    The figure is matplotlib's; where that is not installed, it is one of our own, plainer.

    Args:
        paint: draws on the figure that it is given; one unit of font size is one pixel.
        width: of the figure in pixels.
        height: likewise.
        y: where its top stands in the picture.
    """
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError:
        own = OwnFigure(width, height, _CLASSES)
        paint(cast("Figure", own))
        return element("g", own.svg(), transform=f"translate(0 {y:g})")

    written = io.StringIO()
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        FigureCanvasSVG(figure)
        paint(figure)
        figure.savefig(
            written, format="svg", metadata={"Date": None, "Creator": None}, transparent=True
        )
    return element("g", _inside(written.getvalue()), transform=f"translate(0 {y:g})")


def plain_axes(
    figure: Figure, *, left: float, bottom: float, right: float = 24, top: float = 10
) -> Axes:
    """Return axes with margins in pixels, open at the top and the right, with a faint grid."""
    axes: Axes
    given: object = figure  # by its type it is matplotlib's
    if isinstance(given, OwnFigure):
        axes = cast("Axes", OwnAxes(given, (left, top, right, bottom)))
    else:
        axes = figure.add_axes(_box(figure, left, bottom, right, top))
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis="y")
    return axes


def _box(
    figure: Figure, left: float, bottom: float, right: float, top: float
) -> tuple[float, float, float, float]:
    """Return the place of axes with these margins in pixels, as parts of the figure."""
    width, height = (72 * side for side in figure.get_size_inches())
    wide, high = 1 - (left + right) / width, 1 - (top + bottom) / height
    return left / width, bottom / height, wide, high


def line_style(number: int) -> dict[str, Any]:
    """Return colour, dashes and marks of a line: any one of them tells the lines apart.

    >>> line_style(1)["color"], line_style(1)["marker"]
    ('#E69F00', 's')
    """
    colour, dashes, mark = _STYLES[number % len(_STYLES)]
    look = {"color": OKABE_ITO[colour], "linestyle": dashes, "marker": mark}
    return {**look, "linewidth": 2.2, "markersize": 6}


def name_lines(axes: Axes, ends: Sequence[tuple[float, str, dict[str, Any]]]) -> None:
    """Write each name beside the end of its line, and no name over another.

    Args:
        axes: with their limits set, and 150 pixels free at the right.
        ends: the last value of each line, its name and its style.
    """
    apart, below = 0.08, -1.0
    for height, name, style in sorted(ends, key=lambda end: end[0]):
        at = below = max(_fraction(axes, height), below + apart)
        mark = {"transform": axes.transAxes, "clip_on": False, **style}
        axes.plot([1.015, 1.035, 1.055], [at] * 3, **mark)
        axes.text(1.068, at, name, transform=axes.transAxes, va="center_baseline", color=INK)


def _fraction(axes: Axes, value: float) -> float:
    """Return how far up in the axes a value stands, from 0 to 1."""
    low, high = axes.get_ylim()
    if axes.get_yscale() == "log":
        low, high, value = log10(low), log10(high), log10(value)
    return (value - low) / (high - low)


def _inside(svg: str) -> str:
    """Return what stands in matplotlib's <svg>, with classes in place of the theme's colours."""
    body = svg[svg.index('<g id="figure_1">') : svg.rindex("</svg>")]
    body = body.replace("xlink:href", "href").replace("\n", " ")
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', body))
    body = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", body)
    body = re.sub(r"<!--.*?-->", "", body)
    return re.sub(r' style="([^"]*)"', lambda found: _restyle(found[1]), re.sub(r"  +", " ", body))


def _restyle(style: str) -> str:
    """Return the attributes for one style of matplotlib's.

    >>> _restyle("fill: #010203; font: 12px 'DejaVu Sans'; opacity: 0.5")
    ' class="t" style="font-size: 12px; opacity: 0.5"'
    """
    classes, kept = [], []
    for declaration in filter(None, (piece.strip() for piece in style.split(";"))):
        if declaration in _CLASSES:
            classes.append(_CLASSES[declaration])
        elif declaration == f"fill: {LINE_COLOUR}":
            kept.append("fill: none")  # of marks that are lines
        elif declaration.startswith("font:"):
            if "bold" in declaration or " 700 " in declaration:
                classes.append("b")
            size = re.search(r"([\d.]+)px", declaration)
            kept += [f"font-size: {size[1]}px"] if size else []
        elif not declaration.startswith("font-family"):
            kept.append(declaration)
    return (f' class="{" ".join(classes)}"' if classes else "") + (
        f' style="{"; ".join(kept)}"' if kept else ""
    )
