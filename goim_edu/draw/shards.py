"""The picture of a sharded collection: which chunks each shard has, and how full they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from goim_edu.draw.picture import Picture
from goim_edu.draw.shapes import MARGIN, PAGE, fit, heading, label, legend, swatch, tooltip
from goim_edu.draw.svg import element, text
from goim_edu.websocket.wanted import rows

__all__ = ["shards"]

_NAMES: Final = 100.0  # pixels at the left, for the names of the shards
_TOTALS: Final = 120.0  # at the right, for how many documents they have
_ROW: Final = 58.0
_BAR: Final = 34.0
_LEAST: Final = 3.0  # pixels of a chunk, so that an empty one is seen
_MOST_CHUNKS: Final = 60  # of one shard


def shards(
    chunks: Sequence[tuple[str, str, int]],
    *,
    names: Iterable[str] = (),
    hot: Collection[str] = (),
    title: str = "Chunks of a sharded collection",
) -> Picture:
    """Draw the chunks of a collection, a row for each shard, as wide as they have documents.

    Args:
        chunks: lower bound, shard and number of documents of each, in the order of their bounds.
        names: all shards, so that those without a chunk are drawn too.
        hot: the bounds of chunks to mark, such as those that the last writes went to.
        title: the heading.

    Raises:
        ValueError: there is no chunk, or a shard has more than can be drawn.

    >>> picture = shards([("", "A", 100), ("m", "B", 50)], hot=["m"])
    >>> picture.fields[1]
    {'from': 'm', 'shard': 'B', 'documents': 50, 'hot': True}
    """
    lanes: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    facts: list[dict[str, Any]] = []
    chunks = rows(chunks, 3, "chunks is a list of (lower bound, shard, documents)")
    for bound, shard, documents in chunks:
        fact = {"from": bound, "shard": shard, "documents": documents, "hot": bound in hot}
        facts.append(fact)
        lanes.setdefault(shard, []).append(fact)
    if not facts:
        raise ValueError("there is no chunk to draw")
    if max(map(len, lanes.values())) > _MOST_CHUNKS:
        raise ValueError(f"a shard has more than {_MOST_CHUNKS} chunks: draw a smaller model")
    lanes = dict(sorted(lanes.items()))
    totals = {name: sum(one["documents"] for one in row) for name, row in lanes.items()}
    said = "; ".join(f"{name}: {total:,}" for name, total in totals.items())
    markup, y = heading(title, f"documents on each shard: {said}")
    y += 10
    room = PAGE - 2 * MARGIN - _NAMES - _TOTALS - _LEAST * max(map(len, lanes.values()))
    scale = room / max(*totals.values(), 1)
    for name, row in lanes.items():
        markup += _draw_row(name, row, totals[name], scale, y)
        y += _ROW
    colours = {"sky": "a chunk, with its lower bound"}
    colours |= {"vermillion": "a chunk that the last writes went to"} if hot else {}
    markup += legend(MARGIN, y, colours)
    return Picture(
        markup, PAGE, y + 24, title=f"{title}: {said}", alt=_words(title, lanes), fields=facts
    )


def _draw_row(name: str, row: Sequence[dict[str, Any]], total: int, scale: float, y: float) -> str:
    out = [text(MARGIN, y + 22, fit(name, _NAMES - 20, bold=True), "t b")]
    x = MARGIN + _NAMES
    for chunk in row:
        width = _LEAST + chunk["documents"] * scale
        colour = "vermillion" if chunk["hot"] else "sky"
        bound = chunk["from"] or "lowest"
        drawn = tooltip(f"from {bound}: {chunk['documents']:,} documents")
        drawn += swatch(x, y, width, _BAR, colour)
        for line, said in enumerate((bound, f"{chunk['documents']:,}")):
            shown = fit(said, width - 6, 11, bold=line == 0)
            if shown not in ("", "…"):
                at = y + 15 + 14 * line
                drawn += label(x + width / 2, at, shown, colour, size=11, bold=line == 0)
        out.append(element("g", drawn))
        x += width
    return "".join(out) + text(x + 10, y + 22, _count(total, len(row)), "s")


def _in_brackets(parts: Iterable[str]) -> str:
    joined = "; ".join(parts)
    return f" ({joined})" if joined else ""


def _count(documents: int, chunks: int) -> str:
    return f"{documents:,} in {chunks} chunk{'' if chunks == 1 else 's'}"


def _words(title: str, rows: Mapping[str, Sequence[dict[str, Any]]]) -> str:
    said = []
    for name, row in rows.items():
        parts = (
            f"from {one['from'] or 'the lowest key'}: {one['documents']:,} documents"
            f"{', just written to' if one['hot'] else ''}"
            for one in row
        )
        total = sum(one["documents"] for one in row)
        said.append(f"shard {name} has {_count(total, len(row))}{_in_brackets(parts)}")
    return f"{title}. {'. '.join(said)}."
