"""Rows of the report: what was measured, of which program, and the figure of each round.

Each benchmark offers ``rows(quick, progress)``, which measures some rounds of all its subjects in
turns and returns a row for each figure. The report calls it several times over the whole run, and
joins what comes: so the rounds of a row are spread over the run, and so is what else the machine
does. What a benchmark needs and this machine lacks, it says by ``Missing``.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypeVar

OURS: Final = "goim_edu"

Progress = Callable[[str], object]
"""Is told what is measured next."""
Better = Literal["higher", "lower"]
_T = TypeVar("_T")


class Missing(RuntimeError):
    """A program or a package is not here; the message says which, and how to get it."""


class Key(NamedTuple):
    """What tells one row from another."""

    group: str
    what: str
    subject: str
    unit: str


@dataclass(frozen=True)
class Row:
    """One figure of one subject.

    Attributes:
        group: rows of one group stand in one table, as in "echo".
        what: the task, as in "100 connections, 32 B".
        subject: "goim_edu", or the name of a peer.
        unit: of the values, as in "messages per CPU second".
        values: one for each round; the rounds of all subjects of a task belong together.
        better: which values are the better ones.
    """

    group: str
    what: str
    subject: str
    unit: str
    values: tuple[float, ...]
    better: Better = "higher"

    @property
    def key(self) -> Key:
        return Key(self.group, self.what, self.subject, self.unit)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)


def join(rows: Iterable[Row]) -> list[Row]:
    """One row for all of the same name, with the rounds of all of them."""
    found: dict[Key, Row] = {}
    for row in rows:
        before = found.get(row.key)
        values = (*before.values, *row.values) if before else row.values
        found[row.key] = Row(*row.key, values=values, better=row.better)
    return list(found.values())


def times_as_good(one: Row, other: Row) -> float:
    """How many times as good one is: the median of the ratios within one round."""
    pairs = list(zip(one.values, other.values, strict=False))
    if one.better == "lower":
        pairs = [(second, first) for first, second in pairs]
    return statistics.median(first / second if second else 0.0 for first, second in pairs)


def in_turns(subjects: Mapping[str, Callable[[], _T]], rounds: int) -> dict[str, list[_T]]:
    """Let the subjects take turns, each round in another order; what each gave in each round."""
    given: dict[str, list[_T]] = {name: [] for name in subjects}
    order = list(subjects)
    for _ in range(rounds):
        for name in order:
            given[name].append(subjects[name]())
        order.append(order.pop(0))
    return given


def as_plain(row: Row) -> dict[str, Any]:
    """The row as JSON has it; six digits say all that a measurement knows."""
    values = [float(f"{value:.6g}") for value in row.values]
    return {**row.key._asdict(), "better": row.better, "values": values}


def from_plain(rows: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    for row in rows:
        yield Row(**{**row, "values": tuple(row["values"])})
