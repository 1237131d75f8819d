"""A picture that shows itself in a notebook, says in words what it shows, and saves itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from xml.sax.saxutils import escape

from goim_edu.errors import needs_extra
from goim_edu.palette import ROLES, THEMES, ink_on

__all__ = ["Fitted", "Picture", "Theme"]

Theme = Literal["auto", "light", "dark"]

_SANS: Final = "'DejaVu Sans',system-ui,'Segoe UI',Helvetica,Arial,'Noto Sans CJK SC',sans-serif"
_MONO: Final = "'DejaVu Sans Mono',ui-monospace,Menlo,Consolas,'Noto Sans Mono CJK SC',monospace"
_EAST: Final = re.compile(r"NotoSans(Mono)?(CJK|SC)|PingFang|msyh|SourceHanSans")
_WIDE: Final = re.compile("[\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\uffef]")
_IN_QUOTES: Final = {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
_TINT: Final = {"light": "0.26", "dark": "0.38"}
_TABLE: Final = (
    ".goim-fit table{border-collapse:separate;border-spacing:0 3px;margin:0 0 6px 34px;"
    f"font:12px/1.4 {_SANS};color:var(--goim-ink);table-layout:auto}}"
    ".goim-fit tr{background:none!important}"
    ".goim-fit td{padding:1px 12px 1px 0;border:0;text-align:left!important;vertical-align:top}"
    ".goim-fit .k{width:13px;min-width:13px;padding:0;border:3px solid transparent;border-left:0}"
    ".goim-fit .k::before{content:'';display:block;width:13px;height:13px;"
    "background:var(--goim-key);border:1px solid var(--goim-line)}"
    f".goim-fit .k.bad::before{{outline:3px solid {ROLES['wrong']}}}"
    ".goim-fit .k.gap::before{border-style:dashed}"
    ".goim-fit .n{font-weight:bold;padding-left:9px}.goim-fit .m{overflow-wrap:anywhere}"
    ".goim-fit :is(.p,.c){color:var(--goim-faint);white-space:nowrap}"
    "@container (width<700px){.goim-fit table{margin-left:0}.goim-fit tr{display:grid;"
    "grid-template-columns:16px 1fr auto;margin-bottom:6px}"
    ".goim-fit .m,.goim-fit .w{grid-column:2/4;padding-left:9px}.goim-fit .m:empty{display:none}"
    ".goim-fit .c{grid-column:2/4;padding-left:9px}}"
)
_SMALLEST: Final = 11.0  # pixels: no text is shown smaller
_WIDEST: Final = 1.2  # how much a drawing for a width may grow to fill a greater one
# How pages say which theme they show: JupyterLab, VS Code, Furo and others, MyST.
_DARK_PAGE: Final = (
    "[data-jp-theme-light='false'],.vscode-dark,.vscode-high-contrast,[data-theme=dark],.dark"
)
_LIGHT_PAGE: Final = (
    "[data-jp-theme-light='true'],.vscode-light,.vscode-high-contrast-light,"
    "[data-theme=light],.light"
)


class Fitted(NamedTuple):
    """A drawing for pages that have so much room.

    Args:
        room: the least width in pixels for which it is meant.
        width: its own width; from there on its letters can be read.
        body: SVG markup.
        height: its own height.
    """

    room: int
    width: float
    body: str
    height: float


class Picture:
    """One drawing: SVG inside, words and plain data beside it.

    Args:
        body: SVG markup inside the root element, coloured by class names only.
        width: in pixels of its own coordinates.
        height: likewise.
        title: one line that names the picture.
        alt: the whole content in words, for screen readers and for pages without pictures.
        fields: the drawn data, one plain dictionary each, for tests and for curious readers.
        fitted: drawings of the same for pages of other widths, the widest first.
        below: rows of an HTML table below these.

    Attributes:
        alt, title, fields, width, height: as given.

    >>> picture = Picture("<rect class='r-fin' width='8' height='8'/>", 8, 8,
    ...                   title="a square", alt="A yellow square.")
    >>> picture
    <Picture: a square>
    >>> 'role="img"' in picture.svg()
    True
    """

    def __init__(
        self,
        body: str,
        width: float,
        height: float,
        *,
        title: str,
        alt: str,
        fields: Sequence[dict[str, Any]] = (),
        fitted: Sequence[Fitted] = (),
        below: str = "",
    ) -> None:
        self._body = body
        self._fitted = tuple(fitted)
        self._below = below
        self.width = width
        self.height = height
        self.title = title
        self.alt = alt
        self.fields = list(fields)

    def svg(self, theme: Theme = "auto") -> str:
        """Return the whole ``<svg>`` element.

        Args:
            theme: ``"auto"`` follows the page it is shown in (JupyterLab, VS Code, the switch of a
                site) or else the system's preference; ``"light"`` and ``"dark"`` are fixed and
                have a background.
        """
        background = "" if theme == "auto" else '<rect width="100%" height="100%" class="paper"/>'
        least = self.width * min(1, _SMALLEST / _smallest_in(self._body))
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="goim" role="img" '
            f'aria-label="{escape(self.alt, _IN_QUOTES)}" '
            f'viewBox="0 0 {self.width:g} {self.height:g}" width="{self.width:g}" '
            f'style="max-width:100%;min-width:{least:.0f}px;height:auto">'
            f"<title>{escape(self.title)}</title><desc>{escape(self.alt)}</desc>"
            f"<style>{_style(theme, _roles_in(self._body))}</style>{background}{self._body}</svg>"
        )

    def html(self) -> str:
        """Return the picture for a page: it follows the width and the theme that it finds there.

        No text is smaller than 11 pixels: where the page is too narrow for that, it can be
        scrolled. A picture of bits has 32 of them in a row from 700 pixels on, 16 from 400, else 8.

        >>> Picture("", 8, 8, title="nothing", alt="Nothing.").html()[:10]
        '<svg xmlns'
        """
        if not self._fitted:
            return self.svg()
        roles = frozenset().union(*(_roles_in(one.body) for one in self._fitted))
        roles |= _roles_in(self._below)
        drawings = []
        for number, one in enumerate(self._fitted):
            drawings.append(
                f'<svg xmlns="http://www.w3.org/2000/svg" class="goim w{number}" '
                f'aria-hidden="true" viewBox="0 0 {one.width:g} {one.height:g}" '
                f'width="{one.width:g}" style="display:{"none" if number else "block"}">'
                f"{one.body}</svg>"
            )
        return (
            f'<div class="goim goim-fit" role="img" aria-label="{escape(self.alt, _IN_QUOTES)}">'
            f"<style>{_style('auto', roles)}{_fit_rules(self._fitted)}</style>"
            f'{"".join(drawings)}<table aria-hidden="true">{self._below}</table></div>'
        )

    def png(self, theme: Theme = "light", scale: float = 2) -> bytes:
        """Return the picture as PNG, ``scale`` pixels for each of its own.

        Raises:
            MissingExtra: resvg is not installed.
        """
        with needs_extra("png"):
            import resvg_py

        fixed: Theme = "light" if theme == "auto" else theme
        svg = re.sub(r' style="max-width:[^"]*"', "", self.svg(fixed), count=1)
        fonts, complete = _fonts(east=bool(_WIDE.search(svg)))
        return bytes(
            resvg_py.svg_to_bytes(
                svg_string=svg, zoom=scale, font_files=fonts, skip_system_fonts=complete
            )
        )

    def save(self, path: str | Path, theme: Theme = "light", scale: float = 2) -> Path:
        """Write the picture to ``path`` and return it; the ending says how: .svg or .png.

        Raises:
            ValueError: for any other ending.
        """
        path = Path(path)
        if path.suffix == ".svg":
            path.write_text(self.svg(theme) + "\n", encoding="utf-8")
        elif path.suffix == ".png":
            path.write_bytes(self.png(theme, scale))
        else:
            raise ValueError(f"cannot save a picture as {path.suffix!r}: use .svg or .png")
        return path

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        # Inline in HTML: JupyterLab puts image/svg+xml into an <img>, where neither its theme nor
        # a screen reader reaches the inside.
        return {"text/html": self.html(), "text/plain": self.alt}

    def __repr__(self) -> str:
        return f"<Picture: {self.title}>"


@cache
def _fonts(*, east: bool) -> tuple[list[str], bool]:
    """Return the fonts for PNG, and whether they are enough without those of the system.

    Left alone, resvg takes the first font of the system that has a character, often one with
    serifs, and sets the whole line in it. So East Asian text gets a font without. Our own come
    with matplotlib; without it the fonts of the system have to do.

    Args:
        east: whether such text has to be written.
    """
    try:
        from matplotlib import font_manager, get_data_path
    except ImportError:
        return [], False
    ours = sorted(Path(get_data_path(), "fonts", "ttf").glob("DejaVuSans*.ttf"))
    fonts = [str(path) for path in ours]
    if not east:
        return fonts, True
    found = [path for path in font_manager.findSystemFonts() if _EAST.search(path)]
    return fonts + sorted(found, key=lambda path: ("Bold" in path, path)), bool(found)


def _smallest_in(body: str) -> float:
    """The size of the smallest letters of a drawing, in pixels."""
    sizes = [float(size) for size in re.findall(r"font-size:\s*([\d.]+)px", body)]
    return min([12.0, *sizes, *([_SMALLEST] if 'class="q ' in body else [])])


def _roles_in(body: str) -> frozenset[str]:
    """The roles whose colours a drawing uses."""
    return frozenset(role for role in ROLES if re.search(rf"\b(r|on)-{role}\b", body))


@cache
def _style(theme: Theme, roles: frozenset[str]) -> str:
    """Return the style sheet: every rule is for .goim, since inline styles reach the page."""
    shared = (
        f".goim text{{font-family:{_SANS};font-size:12px;stroke:none}}"
        f".goim .m{{font-family:{_MONO}}}"
        ".goim .b{font-weight:bold}.goim .mid{text-anchor:middle}.goim .end{text-anchor:end}"
        f".goim .q{{font-size:{_SMALLEST:g}px}}"
        ".goim .box{stroke-width:1}.goim .gap{fill:none;stroke-dasharray:4 3}"
        ".goim .bad{fill:none;stroke-width:3}"
        f".goim .bad,.goim .s-wrong{{stroke:{ROLES['wrong']}}}"
    )
    for role, colour in ROLES.items():
        if role in roles:
            shared += f".goim .r-{role}{{fill:{colour};--goim-key:{colour}}}"
            shared += f".goim .on-{role}{{fill:{ink_on(colour)}}}"
    if theme != "auto":
        return shared + _theme_rules(theme_colours(theme))
    names = ("ink", "faint", "line", "paper", "tint")
    # On a page that says nothing the system decides, and the background comes along: whatever the
    # page has, it can be read.
    return (
        shared
        + _theme_rules({name: f"var(--goim-{name})" for name in names})
        + f".goim{{{_variables('light')};background:var(--goim-paper)}}"
        + f"@media(prefers-color-scheme:dark){{.goim{{{_variables('dark')}}}}}"
        + f":is({_LIGHT_PAGE}) .goim{{{_variables('light')};background:none}}"
        + f":is({_DARK_PAGE}) .goim{{{_variables('dark')};background:none}}"
        + ".vscode-high-contrast-light .goim.goim{"
        + _variables("light")
        + "}"
        + ".goim .goim,[data-theme=auto] .goim{background:none}"
    )


def theme_colours(theme: Literal["light", "dark"]) -> dict[str, str]:
    """What differs between a light and a dark page: four colours, and how strong a tint is."""
    return {**THEMES[theme], "tint": _TINT[theme]}


def _variables(theme: Literal["light", "dark"]) -> str:
    return ";".join(f"--goim-{name}:{value}" for name, value in theme_colours(theme).items())


def _theme_rules(colours: dict[str, str]) -> str:
    return (
        f".goim .t{{fill:{colours['ink']}}}.goim .s{{fill:{colours['faint']}}}"
        f".goim .box,.goim .gap,.goim .line{{stroke:{colours['line']}}}"
        f".goim .paper{{fill:{colours['paper']}}}.goim .tint{{fill-opacity:{colours['tint']}}}"
    )


def _fit_rules(fitted: Sequence[Fitted]) -> str:
    """Show the drawing that fits into the room there is, and set the table below it."""
    rules = ".goim-fit{container-type:inline-size;overflow-x:auto}"
    for number, one in enumerate(fitted):
        most = f"<{fitted[number - 1].room}px" if number else ""
        others = ",".join(f".w{at}" for at in range(len(fitted)) if at != number)
        rules += (
            f"@container ({one.room}px<=width{most}){{"
            f".goim-fit .w{number}{{display:block!important}}"
            f".goim-fit :is({others}){{display:none!important}}}}"
            f".goim-fit .w{number}{{width:100%;min-width:{one.width:g}px;"
            f"max-width:{one.width * _WIDEST:g}px;height:auto}}"
        )
    return rules + _TABLE
