"""The picture of a heartbeat: round-trip times, pings without pong, and the verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from goim_edu.capture import Capture, CapturedFrame
from goim_edu.draw.picture import Picture
from goim_edu.draw.plot import FAINT, INK, LINE_COLOUR, plain_axes, plot
from goim_edu.draw.shapes import PAGE, heading, legend, three_digits
from goim_edu.palette import OKABE_ITO
from goim_edu.websocket.heartbeat import RoundTrips, Verdict
from goim_edu.websocket.wanted import rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["round_trips"]

Ping = tuple[float, float | None]
"""When a ping was sent, in seconds, and its round-trip time in seconds; None: no pong came."""

_HEIGHT: Final = 240.0
_VERDICTS: Final = {
    Verdict.ALIVE: "green",
    Verdict.SILENT: "vermillion",
    Verdict.WE_WERE_LATE: "orange",
}


def round_trips(
    pings: Capture | Iterable[Ping],
    *,
    verdicts: Iterable[tuple[float, Verdict]] = (),
    connection: int | None = None,
) -> Picture:
    """Draw how long each pong took, which pings were never answered, and the verdicts on it.

    The statistics are those of ``heartbeat.RoundTrips``.

    Args:
        pings: the pings in order of time, or a recording, out of which the server's are read.
        verdicts: when ``Heartbeat.verdict`` said what, on the same clock; ALIVE is not drawn.
        connection: of a recording, only this one.

    Raises:
        ValueError: there is no ping.

    >>> picture = round_trips([(0.0, 0.0004), (20.0, 0.0006), (40.0, None)],
    ...                       verdicts=[(50.0, Verdict.SILENT)])
    >>> picture.title
    'Round trips: 2 of 3 pings answered'
    """
    if isinstance(pings, Capture):
        pings = _from_capture(pings, connection)
    sent = sorted(rows(pings, 2, "pings is a Capture, or a list of (time, seconds or None)"))
    if not sent:
        raise ValueError("there is no ping to draw")
    said = [(time, verdict) for time, verdict in verdicts if verdict is not Verdict.ALIVE]
    stats = _statistics(sent)
    answered = sum(rtt is not None for _, rtt in sent)
    title = f"Round trips: {answered} of {len(sent)} pings answered"
    head, y = heading(title, _in_numbers(stats))
    body = plot(lambda figure: _paint(figure, sent, said), PAGE, _HEIGHT, y)
    names = {"blue": "pong", "vermillion": "no pong, or silence"}
    if any(verdict is Verdict.WE_WERE_LATE for _, verdict in said):
        names["orange"] = "we looked too late ourselves"
    return Picture(
        head + body + legend(76, y + _HEIGHT + 2, names),
        PAGE,
        y + _HEIGHT + 24,
        title=title,
        alt=_words(title, sent, said, stats),
        fields=[
            *({"sent": time, "rtt": rtt} for time, rtt in sent),
            *({"at": time, "verdict": verdict.name} for time, verdict in said),
            *([stats._asdict()] if stats else []),
        ],
    )


def _from_capture(capture: Capture, connection: int | None) -> Iterator[Ping]:
    """Yield the server's pings with the time until the pong of the same payload came."""
    waiting: dict[tuple[int, bytes], float] = {}
    for frame in capture.frames(connection=connection):
        if frame.name == "PING" and frame.sender == "server":
            waiting[_mark(frame)] = frame.time
        elif frame.name == "PONG" and frame.sender == "client" and _mark(frame) in waiting:
            sent = waiting.pop(_mark(frame))
            yield sent, frame.time - sent
    for sent in waiting.values():
        yield sent, None


def _mark(frame: CapturedFrame) -> tuple[int, bytes]:
    return frame.connection, frame.payload


def _statistics(sent: Sequence[Ping]) -> RoundTrips | None:
    stats: RoundTrips | None = None
    for _, rtt in sent:
        if rtt is not None:
            stats = RoundTrips.of(rtt) if stats is None else stats.add(rtt)
    return stats


def _in_numbers(stats: RoundTrips | None) -> str:
    if stats is None:
        return "no pong ever came"
    return (
        f"fastest {_time(stats.min)}, mean {_time(stats.mean)}, slowest {_time(stats.max)}, "
        f"jitter {_time(stats.jitter)}"
    )


def _time(seconds: float) -> str:
    """Return a time with three digits that count.

    >>> _time(0.000412), _time(0.25), _time(2), _time(1e-18)
    ('412 µs', '250 ms', '2 s', '0 µs')
    """
    if seconds < 1e-9:  # no clock is so fine: it is what floats lose on the way
        seconds = 0.0
    for unit, factor in (("µs", 1e6), ("ms", 1e3)):
        if seconds * factor < 999.5:
            return f"{three_digits(seconds * factor)} {unit}"
    return f"{three_digits(seconds)} s"


def _words(
    title: str,
    sent: Sequence[Ping],
    said: Sequence[tuple[float, Verdict]],
    stats: RoundTrips | None,
) -> str:
    lines = [f"{title}: {_in_numbers(stats)}"]
    lines += [f"ping at {time:.3f} s never answered" for time, rtt in sent if rtt is None][:20]
    lines += [f"at {time:.3f} s: {verdict.value}" for time, verdict in said]
    return ". ".join(lines) + "."


# ---------------------------------------------------------------------- the plot


def _paint(figure: Figure, sent: Sequence[Ping], said: Sequence[tuple[float, Verdict]]) -> None:
    axes = plain_axes(figure, left=76, bottom=44, right=56, top=34)
    unit, factor = _unit(sent)
    answered = [(time, rtt * factor) for time, rtt in sent if rtt is not None]
    lost = [time for time, rtt in sent if rtt is None]
    top = max([rtt for _, rtt in answered], default=1.0) * 1.12
    _paint_pongs(axes, answered)
    axes.scatter(
        lost, [top] * len(lost), marker="x", s=60, color=OKABE_ITO["vermillion"], clip_on=False
    )
    for time in lost:
        axes.axvline(time, color=OKABE_ITO["vermillion"], linewidth=1, linestyle=":")
    for time, verdict in said:
        _paint_verdict(axes, time, verdict, _silent_since(sent, time))
    axes.set_ylim(0, top)
    times = [time for time, _ in sent] + [time for time, _ in said]
    margin = max((max(times) - min(times)) * 0.02, 0.01)
    axes.set_xlim(min(times) - margin, max(times) + margin)
    axes.set_xlabel("when the ping was sent, in seconds")
    axes.set_ylabel(f"round trip in {unit}")


def _unit(sent: Sequence[Ping]) -> tuple[str, float]:
    longest = max((rtt for _, rtt in sent if rtt is not None), default=1.0)
    if longest < 0.001:
        return "µs", 1e6
    return ("ms", 1e3) if longest < 1 else ("s", 1.0)


def _paint_pongs(axes: Axes, answered: Sequence[tuple[float, float]]) -> None:
    if not answered:
        return
    times, rtts = zip(*answered, strict=True)
    axes.vlines(times, 0, rtts, color=OKABE_ITO["blue"], linewidth=2)
    axes.scatter(times, rtts, s=28, color=OKABE_ITO["blue"], zorder=3)
    mean = sum(rtts) / len(rtts)
    axes.axhline(mean, color=LINE_COLOUR, linewidth=1.2, linestyle="--")
    axes.annotate(
        "mean",
        (1, mean),
        (5, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        va="center",
        color=FAINT,
        fontsize=11,
    )


def _silent_since(sent: Sequence[Ping], time: float) -> float:
    """Return when the first of the unanswered pings right before ``time`` was sent."""
    start = time
    for ping, rtt in reversed([one for one in sent if one[0] < time]):
        if rtt is not None:
            break
        start = ping
    return start


def _paint_verdict(axes: Axes, time: float, verdict: Verdict, start: float) -> None:
    """A band over the silence before the verdict, and what it said."""
    colour = OKABE_ITO[_VERDICTS[verdict]]
    axes.axvspan(start, time, color=colour, alpha=0.22, linewidth=0)
    axes.axvline(time, color=colour, linewidth=2.5)
    axes.annotate(
        verdict.value,
        (time, 1),
        (0, 14),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="right",
        color=INK,
        fontweight="bold",
    )
