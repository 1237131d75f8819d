"""The page of the report: what was measured on what, plots, and a table for each group of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final

from benchmarks.report_plots import write_plots
from benchmarks.rows import OURS, Row, times_as_good
from goim_edu.draw import Picture
from goim_edu.draw.shapes import three_digits

_HEAD: Final = """# Benchmarks

Made by `make bench`, from {name}.json beside it; nothing on this page was written by hand. All that
is compared was measured in turns within one run, so compare within a table, and no figure with one
of another machine.

- **range** is the least and the largest of the rounds, whose median stands before it.
- **goim_edu is** says how many times as good as this peer our own is: the median of the ratios
  within the rounds, with the same event loop; where the peer has none, with asyncio / uvloop.
- `bare` is no peer, but a loop that makes the system calls and nothing else; `uwebsockets` is C and
  C++ with no Python in between. They show how far one could get.
- `goim_edu chat` is the whole chat room: checked, numbered, stored in memory, acknowledged.

"""


def write_page(
    out: Path, machine: Mapping[str, str], rows: Sequence[Row], missing: Sequence[str]
) -> None:
    """Write the page beside its JSON, and the plots into a folder of the same name.

    Args:
        out: path of both, without an ending.
        machine: what the figures depend on.
        rows: the figures.
        missing: what was not measured, and why.
    """
    pictures = write_plots(out, rows)
    parts = [_HEAD.format(name=out.name), _machine(machine)]
    parts += [_picture(out.name, name, picture) for name, picture in pictures.items()]
    for group in dict.fromkeys(row.group for row in rows):
        parts.append(_group(group, [row for row in rows if row.group == group]))
    if missing:
        parts.append("## Not measured\n\n" + "\n".join(f"- {line}" for line in missing) + "\n")
    out.with_suffix(".md").write_text("\n".join(parts), "utf-8")


def _machine(machine: Mapping[str, str]) -> str:
    lines = [f"| {name} | {value} |" for name, value in machine.items()]
    return "\n".join(["## The machine", "", "| | |", "|---|---|", *lines, ""])


def _picture(folder: str, name: str, picture: Picture) -> str:
    alt = escape(picture.alt, quote=True)
    return f"""<picture>
<source media="(prefers-color-scheme: dark)" srcset="{folder}/{name}-dark.svg">
<img src="{folder}/{name}-light.svg" alt="{alt}" width="960">
</picture>
"""


def _group(group: str, rows: Sequence[Row]) -> str:
    """One heading, and a table for each task and unit."""
    parts = [f"## {group[0].upper()}{group[1:]}", ""]
    for what, unit in dict.fromkeys((row.what, row.unit) for row in rows):
        task = [row for row in rows if (row.what, row.unit) == (what, unit)]
        better = f"{task[0].better} is better"
        parts += [f"**{what}**: {unit}; {better}.", "", *table(task), ""]
    return "\n".join(parts)


def table(rows: Sequence[Row]) -> list[str]:
    """The rows of one task, the best first, each peer beside ours."""
    ours = [row for row in rows if row.subject.startswith(OURS)]
    lines = ["| | median | range | rounds | goim_edu is |", "|---|---:|---:|---:|---|"]
    order = sorted(rows, key=lambda row: row.median, reverse=rows[0].better == "higher")
    for row in order:
        mine = row in ours
        name = f"**{row.subject}**" if mine else row.subject
        spread = f"{three_digits(row.low)} to {three_digits(row.high)}"
        beside = "" if mine else beside_ours(row, ours)
        cells = (name, three_digits(row.median), spread, str(len(row.values)), beside)
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def beside_ours(peer: Row, ours: Sequence[Row]) -> str:
    """How many times as good as a peer each of ours is, as in "0.93 / 0.97; chat 0.40 / 0.78"."""
    loop = peer.subject.partition("/")[2]
    found: dict[str, list[str]] = {}
    for row in ours:
        name, _, own = row.subject.partition("/")
        if not loop or own == loop:
            kind = name.removeprefix(OURS).strip()
            found.setdefault(kind, []).append(f"{times_as_good(row, peer):.2f}")
    return "; ".join(f"{kind} {' / '.join(ratios)}".strip() for kind, ratios in found.items())
