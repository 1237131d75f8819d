"""The picture of a replica set: which member was what, over time, and when nobody was primary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from goim_edu.draw.picture import Picture
from goim_edu.draw.plot import INK, LINE_COLOUR, plain_axes, plot
from goim_edu.draw.shapes import PAGE, heading, legend
from goim_edu.palette import OKABE_ITO, ink_on
from goim_edu.websocket.wanted import rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["replica_roles"]

Status = Mapping[str, str] | Mapping[str, Any] | Sequence[Any]
"""Member to state, or the answer to ``replSetGetStatus``, or a list with ``address``, ``state``."""

_COLOURS: Final = {
    "PRIMARY": "green",
    "SECONDARY": "sky",
    "ARBITER": "purple",
    "ROLLBACK": "vermillion",
    "RECOVERING": "orange",
    "STARTUP": "yellow",
    "STARTUP2": "yellow",
    "DOWN": "grey",
    "UNKNOWN": "grey",
}
_HATCH: Final = "#777777"
_LANE: Final = 46.0


class _Span(NamedTuple):
    """How long a member was something."""

    member: str
    state: str
    start: float
    end: float


def replica_roles(
    samples: Iterable[tuple[float, Status]], *, marks: Iterable[tuple[float, str]] = ()
) -> Picture:
    """Draw the role of each member over time, and mark when there was no primary.

    A state is taken to last until the next sample, so times are exact to the sampling only.

    Args:
        samples: times in seconds, each with the states at that time: member to state, the answer
            to ``replSetGetStatus``, or what ``LocalReplicaSet.status()`` returns.
        marks: times with what happened then, such as ``(3.2, "kill -9")``.

    Raises:
        ValueError: there are no two samples.

    Source: manual, "Replica Set Member States".

    >>> samples = [(0.0, {"a": "PRIMARY", "b": "SECONDARY"}),
    ...            (1.0, {"a": "DOWN", "b": "SECONDARY"}),
    ...            (3.5, {"a": "DOWN", "b": "PRIMARY"}), (5.0, {"a": "DOWN", "b": "PRIMARY"})]
    >>> [field["seconds"] for field in replica_roles(samples).fields if field["state"] == ""]
    [2.5]
    """
    samples = rows(samples, 2, "samples is a list of (time, states)")
    taken = sorted(((time, _states(status)) for time, status in samples), key=lambda one: one[0])
    if len(taken) < 2:
        raise ValueError("at least two samples are needed, to draw a time between them")
    words = "marks is a list of (time, what happened)"
    began = taken[0][0]
    moved = [(time - began, states) for time, states in taken]
    noted = [(time - began, what) for time, what in rows(marks, 2, words)]
    members = list(dict.fromkeys(member for _, states in moved for member in states))
    spans = _spans(moved, members)
    gaps = _gaps(moved)
    said = _said(moved, gaps)
    head, y = heading("The roles in the replica set", said)
    height = 92 + _LANE * len(members)
    body = plot(lambda figure: _paint(figure, members, spans, gaps, noted), PAGE, height, y)
    seen = {span.state for span in spans}
    names = {colour: state.lower() for state, colour in _COLOURS.items() if state in seen}
    return Picture(
        head + body + legend(150, y + height, names),
        PAGE,
        y + height + 24,
        title=f"Replica set: {said}",
        alt=_words(said, spans, noted),
        fields=[_plain(span) for span in [*spans, *gaps]],
    )


def _states(status: Status) -> dict[str, str]:
    """Return member to state, whatever form the sample has."""
    if isinstance(status, Mapping):
        members: Any = status.get("members")
        if isinstance(members, list | tuple):
            return {str(one["name"]): _short(str(one["stateStr"])) for one in members}
        return {str(member): str(state) for member, state in status.items()}
    return {str(one.address): str(one.state) for one in status}


def _short(state: str) -> str:
    """Return DOWN for what ``replSetGetStatus`` calls ``(not reachable/healthy)``."""
    return "DOWN" if state.startswith("(") else state


def _spans(samples: Sequence[tuple[float, dict[str, str]]], members: Sequence[str]) -> list[_Span]:
    """Return for each member one span for each stretch of the same state."""
    spans = []
    for member in members:
        states = [(time, sample.get(member, "UNKNOWN")) for time, sample in samples]
        start, current = states[0]
        for time, state in states[1:]:
            if state != current:
                spans.append(_Span(member, current, start, time))
                start, current = time, state
        spans.append(_Span(member, current, start, states[-1][0]))
    return [span for span in spans if span.end > span.start]


def _gaps(samples: Sequence[tuple[float, dict[str, str]]]) -> list[_Span]:
    """Return when nobody was primary."""
    has = [(time, {"": "" if "PRIMARY" in sample.values() else "none"}) for time, sample in samples]
    spans = _spans(has, [""])
    return [_Span("no primary", "", span.start, span.end) for span in spans if span.state]


def _said(samples: Sequence[tuple[float, dict[str, str]]], gaps: Sequence[_Span]) -> str:
    took = samples[-1][0]
    if not gaps:
        return f"{took:.1f} s, always with a primary"
    lost = sum(gap.end - gap.start for gap in gaps)
    times = "once" if len(gaps) == 1 else f"{len(gaps)} times"
    without = f"{took:.1f} s, of which {lost:.1f} s without a primary ({times})"
    return f"{without}: no write is possible then"


def _words(said: str, spans: Sequence[_Span], marks: Sequence[tuple[float, str]]) -> str:
    lines = [
        f"{span.member} {span.state} from {span.start:.1f} to {span.end:.1f} s" for span in spans
    ]
    lines += [f"at {time:.1f} s: {what}" for time, what in marks]
    return f"The roles in the replica set: {said}. {'; '.join(lines)}."


def _plain(span: _Span) -> dict[str, Any]:
    return {**span._asdict(), "seconds": round(span.end - span.start, 6)}


def _colour(state: str) -> str:
    return _COLOURS.get(state, "grey")


# ---------------------------------------------------------------------- the plot


def _paint(
    figure: Figure,
    members: Sequence[str],
    spans: Sequence[_Span],
    gaps: Sequence[_Span],
    marks: Sequence[tuple[float, str]],
) -> None:
    axes = plain_axes(figure, left=150, bottom=44, top=48)
    axes.grid(visible=False)
    end = max(span.end for span in spans)
    for gap in gaps:
        _paint_gap(axes, gap, end)
    for span in spans:
        _paint_span(axes, span, len(members) - 1 - members.index(span.member), end)
    for time, what in marks:
        axes.axvline(time, color=OKABE_ITO["vermillion"], linewidth=2.5)
        _note(axes, what, time, end, above=26)
    axes.set_yticks(range(len(members)), labels=list(reversed(members)))
    axes.tick_params(axis="y", length=0, labelsize=12, labelcolor=INK)
    axes.set_ylim(-0.5, len(members) - 0.5)
    axes.set_xlim(0, end)
    axes.set_xlabel("seconds")


def _paint_gap(axes: Axes, gap: _Span, end: float) -> None:
    axes.axvspan(gap.start, gap.end, color=OKABE_ITO["vermillion"], alpha=0.2, linewidth=0)
    if gap.end - gap.start > 0.08 * end:
        said = f"no primary {gap.end - gap.start:.1f} s"
        _note(axes, said, (gap.start + gap.end) / 2, end, above=8)


def _note(axes: Axes, what: str, time: float, end: float, *, above: float) -> None:
    """Write something above the lanes, inside of the picture."""
    side = "left" if time < 0.08 * end else "right" if time > 0.92 * end else "center"
    axes.annotate(
        what,
        (time, 1),
        (0, above),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha=side,
        color=INK,
    )


def _paint_span(axes: Axes, span: _Span, lane: int, end: float) -> None:
    colour = OKABE_ITO[_colour(span.state)]
    gone = span.state in ("DOWN", "UNKNOWN")
    width = span.end - span.start
    axes.broken_barh(
        [(span.start, width)],
        (lane - 0.34, 0.68),
        facecolor=colour,
        edgecolor=_HATCH if gone else LINE_COLOUR,
        hatch="///" if gone else None,
        linewidth=1,
    )
    if width > 0.012 * end * len(span.state):
        axes.text(
            span.start + width / 2,
            lane,
            span.state.lower(),
            ha="center",
            va="center_baseline",
            color=ink_on(colour),
            fontweight="bold" if span.state == "PRIMARY" else "normal",
            zorder=5,
        )
