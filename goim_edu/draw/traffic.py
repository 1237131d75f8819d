"""The picture of traffic: every write and read of several connections, on one clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from goim_edu.capture import Record
from goim_edu.draw.picture import Picture
from goim_edu.draw.plot import INK, LINE_COLOUR, plain_axes, plot
from goim_edu.draw.shapes import PAGE, heading, legend, three_digits
from goim_edu.palette import OKABE_ITO
from goim_edu.websocket.wanted import items, wanted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Lane", "traffic"]

_LANE: Final = 74.0


class Lane(Protocol):
    """One way to hear news, as ``goim_edu.lab.news.Lane`` has it."""

    @property
    def way(self) -> str:
        """Its name."""

    @property
    def records(self) -> list[Record]:
        """Its writes and reads."""

    @property
    def delays(self) -> list[float]:
        """Seconds from the appearance of each message until it was heard."""


def traffic(lanes: Iterable[Lane], appeared: Iterable[float] = ()) -> Picture:
    """Draw what each connection carried and when: what the client sent upwards, the answers down.

    Each bar is as high as it has bytes, on the same scale for all.

    Args:
        lanes: what a ``goim_edu.lab.news.race`` gave.
        appeared: when the messages appeared at the server, on the clock of the records.

    Raises:
        ValueError: nothing was carried.

    >>> from collections import namedtuple
    >>> Heard = namedtuple("Heard", "way records delays")
    >>> lane = Heard("one poll", [Record(1, "in", 5.0, b"?" * 80), Record(1, "out", 5.1, b"!")], [])
    >>> traffic([lane]).fields
    [{'way': 'one poll', 'sent': 80, 'received': 1, 'requests': 1, 'late': None}]
    """
    words = "lanes is a list of lanes, such as race gave"
    for lane in (lanes := items(lanes, object, words)):
        wanted(getattr(lane, "records", None), list, f"{words}: each has a list of records")
    shown = [lane for lane in lanes if lane.records]
    if not shown:
        raise ValueError("nothing was carried: there is no traffic to draw")
    facts = [_facts(lane) for lane in shown]
    moments = sorted(appeared)
    said = "what the client sends goes up, what the server sends goes down, as high as it has bytes"
    head, y = heading("Traffic", said)
    height = 56 + _LANE * len(shown)
    body = plot(lambda figure: _paint(figure, shown, facts, moments), PAGE, height, y)
    names = {"orange": "client to server", "blue": "server to client"}
    title = "Traffic: " + "; ".join(f"{fact['way']}: {_words(fact)}" for fact in facts)
    return Picture(
        head + body + legend(120, y + height, names),
        PAGE,
        y + height + 24,
        title=title,
        alt=f"{title}. Messages that appeared meanwhile: {len(moments)}.",
        fields=facts,
    )


def _facts(lane: Lane) -> dict[str, Any]:
    sizes = {
        way: [len(record.data) for record in lane.records if record.direction == way]
        for way in ("in", "out")
    }
    return {
        "way": lane.way,
        "sent": sum(sizes["in"]),
        "received": sum(sizes["out"]),
        "requests": len(sizes["in"]),
        "late": sum(lane.delays) / len(lane.delays) if lane.delays else None,
    }


def _words(fact: dict[str, Any]) -> str:
    """Return a lane in numbers.

    >>> _words({"sent": 900, "received": 400, "requests": 1, "late": 0.0123})
    '1 request, 1,300 bytes, 12.3 ms late'
    """
    words = f"{fact['requests']:,} request{'s'[: fact['requests'] != 1]}, "
    words += f"{fact['sent'] + fact['received']:,} bytes"
    if fact["late"] is None:
        return words
    return f"{words}, {three_digits(fact['late'] * 1000)} ms late"


# ---------------------------------------------------------------------- the plot


def _paint(
    figure: Figure, lanes: Sequence[Lane], facts: Sequence[dict[str, Any]], moments: Sequence[float]
) -> None:
    axes = plain_axes(figure, left=120, bottom=42, right=150)
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    times = [record.time for lane in lanes for record in lane.records]
    began, end = min(times), max([*times, *moments])
    highest = max(len(record.data) for lane in lanes for record in lane.records)
    span = max(end - began, 0.001)
    for moment in moments:
        axes.axvline(
            moment - began, color=LINE_COLOUR, linewidth=1.2, linestyle=(0, (2, 3)), zorder=0
        )
    for at, (lane, fact) in enumerate(zip(lanes, facts, strict=True)):
        level = float(len(lanes) - 1 - at)
        axes.axhline(level, color=LINE_COLOUR, linewidth=0.8)
        for direction, colour, sign in (("in", "orange", 1), ("out", "blue", -1)):
            records = [record for record in lane.records if record.direction == direction]
            axes.bar(
                [record.time - began for record in records],
                [sign * 0.42 * len(record.data) / highest for record in records],
                bottom=level,
                width=span / 130,
                color=OKABE_ITO[colour],
                linewidth=0,
            )
        _name_lane(axes, level, _words(fact).split(", "))
    axes.set_yticks(range(len(lanes)), labels=[lane.way for lane in lanes][::-1])
    axes.tick_params(axis="y", length=0, labelsize=12, labelcolor=INK)
    axes.set_ylim(-0.5, len(lanes) - 0.5)
    axes.set_xlim(-span * 0.02, span * 1.02)
    axes.set_xlabel("seconds; a dotted line: a message appears" if moments else "seconds")


def _name_lane(axes: Axes, level: float, words: Sequence[str]) -> None:
    """Write its numbers beside the end of a lane, one below the other."""
    axes.annotate(
        "\n".join(words),
        (1, level),
        (10, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        va="center",
        color=INK,
        fontsize=12,
        linespacing=1.35,
    )
