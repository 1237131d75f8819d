"""Plots: what matplotlib draws, as a picture that follows the theme and is the same every time."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from goim_edu.draw.svg import element

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FAINT", "INK", "LINE_COLOUR", "PAPER", "plain_axes", "plot"]

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

    Args:
        paint: draws on the figure that it is given; one unit of font size is one pixel.
        width: of the figure in pixels.
        height: likewise.
        y: where its top stands in the picture.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

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
    width, height = (72 * side for side in figure.get_size_inches())
    box = (left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height)
    axes = figure.add_axes(box)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis="y")
    return axes


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
