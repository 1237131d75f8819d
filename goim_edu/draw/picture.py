"""A picture that shows itself in a notebook, says in words what it shows, and saves itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal
from xml.sax.saxutils import escape

from goim_edu.errors import needs_extra
from goim_edu.palette import ROLES, THEMES, ink_on

__all__ = ["Picture", "Theme"]

Theme = Literal["auto", "light", "dark"]

_SANS: Final = "'DejaVu Sans',system-ui,'Segoe UI',Helvetica,Arial,'Noto Sans CJK SC',sans-serif"
_MONO: Final = "'DejaVu Sans Mono',ui-monospace,Menlo,Consolas,'Noto Sans Mono CJK SC',monospace"
_EAST: Final = re.compile(r"NotoSans(Mono)?(CJK|SC)|PingFang|msyh|SourceHanSans")
_WIDE: Final = re.compile("[\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\uffef]")
_IN_QUOTES: Final = {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
_TINT: Final = {"light": "0.26", "dark": "0.38"}


class Picture:
    """One drawing: SVG inside, words and plain data beside it.

    Args:
        body: SVG markup inside the root element, coloured by class names only.
        width: in pixels of its own coordinates.
        height: likewise.
        title: one line that names the picture.
        alt: the whole content in words, for screen readers and for pages without pictures.
        fields: the drawn data, one plain dictionary each, for tests and for curious readers.

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
    ) -> None:
        self._body = body
        self.width = width
        self.height = height
        self.title = title
        self.alt = alt
        self.fields = list(fields)

    def svg(self, theme: Theme = "auto") -> str:
        """Return the whole ``<svg>`` element.

        Args:
            theme: ``"auto"`` follows the page it is shown in (JupyterLab, VS Code, or the system's
                preference); ``"light"`` and ``"dark"`` are fixed and have a background.
        """
        background = "" if theme == "auto" else '<rect width="100%" height="100%" class="paper"/>'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="goim" role="img" '
            f'aria-label="{escape(self.alt, _IN_QUOTES)}" '
            f'viewBox="0 0 {self.width:g} {self.height:g}" width="{self.width:g}" '
            f'style="max-width:100%;height:auto">'
            f"<title>{escape(self.title)}</title><desc>{escape(self.alt)}</desc>"
            f"<style>{_style(theme)}</style>{background}{self._body}</svg>"
        )

    def png(self, theme: Theme = "light", scale: float = 2) -> bytes:
        """Return the picture as PNG, ``scale`` pixels for each of its own.

        Raises:
            MissingExtra: resvg is not installed.
        """
        with needs_extra("png"):
            import resvg_py

        fixed: Theme = "light" if theme == "auto" else theme
        svg = self.svg(fixed).replace('style="max-width:100%;height:auto"', "")
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
        return {"text/html": self.svg(), "text/plain": self.alt}

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


@cache
def _style(theme: Theme) -> str:
    """Return the style sheet: every rule starts with .goim, since inline styles reach the page."""
    shared = (
        f".goim text{{font-family:{_SANS};font-size:12px;stroke:none}}"
        f".goim .m{{font-family:{_MONO}}}"
        ".goim .b{font-weight:bold}.goim .mid{text-anchor:middle}.goim .end{text-anchor:end}"
        ".goim .box{stroke-width:1}.goim .gap{fill:none;stroke-dasharray:4 3}"
        ".goim .bad{fill:none;stroke-width:3}"
        f".goim .bad,.goim .s-wrong{{stroke:{ROLES['wrong']}}}"
    )
    for role, colour in ROLES.items():
        shared += f".goim .r-{role}{{fill:{colour}}}.goim .on-{role}{{fill:{ink_on(colour)}}}"
    if theme != "auto":
        return shared + _theme_rules(theme, "")
    # The page decides: JupyterLab and VS Code name their theme on <body>.
    return (
        shared
        + _theme_rules("light", "")
        + _theme_rules("dark", "[data-jp-theme-light='false'] ")
        + _theme_rules("dark", ".vscode-dark ")
    )


def _theme_rules(theme: Literal["light", "dark"], scope: str) -> str:
    colours = THEMES[theme]
    at = f"{scope}.goim "
    return (
        f"{at}.t{{fill:{colours['ink']}}}{at}.s{{fill:{colours['faint']}}}"
        f"{at}.box,{at}.gap,{at}.line{{stroke:{colours['line']}}}"
        f"{at}.paper{{fill:{colours['paper']}}}{at}.tint{{fill-opacity:{_TINT[theme]}}}"
    )
