"""What an exercise says: paragraphs, code, tables and a picture, as text, Markdown and HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from goim_edu.draw.picture import Picture
from goim_edu.palette import OKABE_ITO

__all__ = ["Card"]

_EDGES: Final = {True: OKABE_ITO["green"], False: OKABE_ITO["vermillion"], None: OKABE_ITO["sky"]}
_SIGNS: Final = {True: "✓ ", False: "✗ ", None: ""}
_STYLE: Final = (
    ".goim-card{border-left:5px solid;padding:.1em 0 .1em .9em;margin:.3em 0}"
    ".goim-card code{white-space:pre-wrap}.goim-card table{margin:.3em 0}"
    # JupyterLab puts numbers to the right, by a more specific rule.
    ".goim-card th,.goim-card td{text-align:left !important}"
)
_LINE_END: Final = re.compile(r"\s*\n\s*")
_CODE_OR_STRESS: Final = re.compile(r"`([^`]+)`|(?<![\w*])\*(\w[^*`]*)\*(?![\w*])")


@dataclass(frozen=True)
class _Words:
    text: str

    def plain(self) -> str:
        return self.text

    def markdown(self) -> str:
        return self.text

    def html(self) -> str:
        return f"<p>{_inline(self.text)}</p>"


@dataclass(frozen=True)
class _Code:
    text: str
    language: str

    def plain(self) -> str:
        return "\n".join(f"    {line}".rstrip() for line in self.text.splitlines())

    def markdown(self) -> str:
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", self.text)), default=0))
        return f"{fence}{self.language}\n{self.text}\n{fence}"

    def html(self) -> str:
        # JupyterLab leaves no room below it, so the words that follow would stick to the code.
        return f'<pre style="margin-bottom:1em"><code>{escape(self.text)}</code></pre>'


@dataclass(frozen=True)
class _Table:
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def plain(self) -> str:
        rows = [self.head, *self.rows] if any(self.head) else self.rows
        widths = [max(len(row[column]) for row in rows) for column in range(len(self.head))]
        widths[-1] = 0
        padded = (
            "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True))
            for row in rows
        )
        return "\n".join(f"    {line}".rstrip() for line in padded)

    def markdown(self) -> str:
        rows = [self.head, ["---"] * len(self.head), *self.rows]
        cells = ([cell.replace("|", "\\|") for cell in row] for row in rows)
        return "\n".join(f"| {' | '.join(row)} |" for row in cells)

    def html(self) -> str:
        out = ["<table>"]
        if any(self.head):
            cells = "".join(f"<th scope='col'>{_inline(cell)}</th>" for cell in self.head)
            out.append(f"<thead><tr>{cells}</tr></thead>")
        out.append("<tbody>")
        for first, *rest in self.rows:
            cells = "".join(f"<td>{_inline(cell)}</td>" for cell in rest)
            head = f"<th scope='row'>{_inline(first)}</th>"
            out.append(f"<tr>{head}{cells}</tr>")
        return "".join([*out, "</tbody></table>"])


@dataclass(frozen=True)
class _Drawing:
    picture: Picture

    def plain(self) -> str:
        return self.picture.alt

    def markdown(self) -> str:
        return self.picture.alt

    def html(self) -> str:
        return f"<div>{self.picture.html()}</div>"


_Block = _Words | _Code | _Table | _Drawing


class Card:
    """One answer to a learner, which shows itself in a notebook and prints as text elsewhere.

    Args:
        title: its first line.
        passed: True for a right answer, False for a wrong one, None where nothing was judged.

    Attributes:
        passed: as given; a card is true exactly if this is True.

    >>> card = Card("03.2 Read the first two bytes", passed=True).say("Done: `7` checks.")
    >>> print(card)
    ✓ 03.2 Read the first two bytes
    Done: `7` checks.
    >>> bool(card)
    True
    """

    def __init__(self, title: str, *, passed: bool | None = None) -> None:
        self.title = _SIGNS[passed] + title
        self.passed = passed
        self._blocks: list[_Block] = []

    def say(self, text: str) -> Card:
        """Add a paragraph; code in it stands between backquotes. Empty text adds nothing.

        A text may be broken over lines.
        """
        if words := _LINE_END.sub(" ", text).strip():
            self._blocks.append(_Words(words))
        return self

    def code(self, text: str, language: str = "python") -> Card:
        """Add lines of code or of output."""
        if text:
            self._blocks.append(_Code(text, language))
        return self

    def table(self, rows: Sequence[Sequence[str]], head: Sequence[str] = ()) -> Card:
        """Add a table; without ``head`` its first column names the rows."""
        if rows:
            self._blocks.append(_Table(head or [""] * len(rows[0]), rows))
        return self

    def draw(self, picture: Picture | None) -> Card:
        """Add a picture, if there is one."""
        if picture is not None:
            self._blocks.append(_Drawing(picture))
        return self

    @property
    def picture(self) -> Picture | None:
        """The first picture on it."""
        return next((b.picture for b in self._blocks if isinstance(b, _Drawing)), None)

    def plain(self) -> str:
        """The card as text."""
        return "\n".join([self.title, *(block.plain() for block in self._blocks)])

    def markdown(self) -> str:
        """The card as Markdown."""
        return "\n\n".join([f"**{self.title}**", *(block.markdown() for block in self._blocks)])

    def html(self) -> str:
        """The card as HTML: an edge whose colour repeats what sign and words say."""
        edge = f"border-left-color:{_EDGES[self.passed]}"
        body = "".join(block.html() for block in self._blocks)
        title = f"<p><strong>{_inline(self.title)}</strong></p>"
        return (
            f'<div class="goim-card" role="status" aria-label="{escape(self.title)}" '
            f'style="{edge}"><style>{_STYLE}</style>{title}{body}</div>'
        )

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        # A judged card may hold pictures; the others are text, which Markdown colours by theme.
        if self.passed is None and self.picture is None:
            return {"text/markdown": self.markdown(), "text/plain": self.plain()}
        return {"text/html": self.html(), "text/plain": self.plain()}

    def __repr__(self) -> str:
        return self.plain()

    def __bool__(self) -> bool:
        return self.passed is True


def _inline(text: str) -> str:
    """Return HTML for the two marks that words may have, `code` and *stress*.

    >>> _inline("`2 * 3 * 4` is *not* 2 * 3 < 4")
    '<code>2 * 3 * 4</code> is <em>not</em> 2 * 3 &lt; 4'
    """

    def mark(found: re.Match[str]) -> str:
        code, stress = found.groups()
        return f"<code>{code}</code>" if code else f"<em>{stress}</em>"

    return _CODE_OR_STRESS.sub(mark, escape(text, quote=False))
