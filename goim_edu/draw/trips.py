"""The picture of trips to a database: every command of several ways, on one scale."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from goim_edu.draw.picture import Picture
from goim_edu.draw.plot import INK, plain_axes, plot
from goim_edu.draw.shapes import PAGE, heading, legend, three_digits
from goim_edu.palette import OKABE_ITO
from goim_edu.websocket.wanted import items, wanted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Trip", "trips"]

_LANE: Final = 54.0
_COLOURS: Final = ("orange", "blue", "green", "purple", "sky", "grey")


class Trip(Protocol):
    """One question and its answer, as ``goim_edu.mongod.Command`` has them."""

    @property
    def name(self) -> str:
        """What was asked."""

    @property
    def began(self) -> float:
        """When, in seconds of any clock."""

    @property
    def seconds(self) -> float:
        """How long until the answer."""


def trips(ways: Mapping[str, Iterable[Trip]]) -> Picture:
    """Draw every trip of each way as a bar, all from the same start and on the same scale.

    Args:
        ways: the name of a way to its trips.

    Raises:
        ValueError: there is no trip.

    >>> from collections import namedtuple
    >>> Asked = namedtuple("Asked", "name began seconds")
    >>> picture = trips({"one by one": [Asked("insert", 5.0, 0.25), Asked("insert", 5.5, 0.25)],
    ...                  "in groups": [Asked("insert", 9.0, 0.5)]})
    >>> picture.fields  # doctest: +NORMALIZE_WHITESPACE
    [{'way': 'one by one', 'trips': 2, 'seconds': 0.75},
     {'way': 'in groups', 'trips': 1, 'seconds': 0.5}]
    """
    words = "ways maps names to lists of trips"
    wanted(ways, Mapping, words)
    for trip in (trip for taken in ways.values() for trip in items(taken, object, words)):
        wanted(getattr(trip, "seconds", None), (int, float), f"{words}: each takes seconds")
    lanes = {name: sorted(taken, key=lambda trip: trip.began) for name, taken in ways.items()}
    lanes = {name: taken for name, taken in lanes.items() if taken}
    if not lanes:
        raise ValueError("there is no trip to draw")
    facts: list[dict[str, Any]] = [
        {"way": name, "trips": len(taken), "seconds": round(_took(taken), 6)}
        for name, taken in lanes.items()
    ]
    said = "; ".join(f"{fact['way']}: {_trips(fact['trips'], fact['seconds'])}" for fact in facts)
    head, y = heading("Trips to the database", said)
    names = list(dict.fromkeys(trip.name for taken in lanes.values() for trip in taken))
    colours = {name: _COLOURS[at % len(_COLOURS)] for at, name in enumerate(names)}
    height = 64 + _LANE * len(lanes)
    body = plot(lambda figure: _paint(figure, lanes, colours), PAGE, height, y)
    return Picture(
        head + body + legend(120, y + height, {colour: name for name, colour in colours.items()}),
        PAGE,
        y + height + 24,
        title=f"Trips to the database: {said}",
        alt=f"Trips to the database, each a bar as long as it took. {said}.",
        fields=facts,
    )


def _took(taken: Sequence[Trip]) -> float:
    """Return the time from the first question to the last answer."""
    return max(trip.began + trip.seconds for trip in taken) - taken[0].began


def _trips(count: int, seconds: float) -> str:
    """Return how many, and in which time.

    >>> _trips(1, 0.0123), _trips(1200, 2)
    ('1 trip in 12.3 ms', '1,200 trips in 2,000 ms')
    """
    return f"{count:,} trip{'s'[: count != 1]} in {three_digits(seconds * 1000)} ms"


# ---------------------------------------------------------------------- the plot


def _paint(figure: Figure, lanes: Mapping[str, Sequence[Trip]], colours: Mapping[str, str]) -> None:
    axes = plain_axes(figure, left=120, bottom=44)
    axes.grid(visible=False)
    end = max(map(_took, lanes.values())) * 1000
    for at, taken in enumerate(lanes.values()):
        _paint_lane(axes, taken, len(lanes) - 1 - at, colours)
    axes.set_yticks(range(len(lanes)), labels=list(lanes)[::-1])
    axes.tick_params(axis="y", length=0, labelsize=12, labelcolor=INK)
    axes.set_ylim(-0.5, len(lanes) - 0.5)
    axes.set_xlim(0, end * 1.02)
    axes.set_xlabel("milliseconds")


def _paint_lane(axes: Axes, taken: Sequence[Trip], lane: int, colours: Mapping[str, str]) -> None:
    began = taken[0].began
    for name, colour in colours.items():
        bars = [
            ((trip.began - began) * 1000, trip.seconds * 1000)
            for trip in taken
            if trip.name == name
        ]
        axes.broken_barh(bars, (lane - 0.32, 0.64), facecolor=OKABE_ITO[colour], linewidth=0)
