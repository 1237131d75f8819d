"""The picture of a story: who did what, one step below the other, with a lane for each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from goim_edu.draw.picture import Picture
from goim_edu.draw.shapes import LINE, MARGIN, PAGE, fit, heading, label, line, paragraph, swatch
from goim_edu.draw.shapes import verdict as verdict_box
from goim_edu.draw.svg import text
from goim_edu.websocket.wanted import items, rows, wanted

__all__ = ["story"]

_COLOURS: Final = ("sky", "orange", "green", "purple", "blue", "grey")
_NUMBERS: Final = 34.0  # pixels at the left, for the numbers of the steps ...
_TIMES: Final = 74.0  # ... or for their times
_REMARK: Final = "each step in the lane of the one that takes it, from top to bottom"
_HEAD: Final = 26.0
_GAP: Final = 10.0
_MOST: Final = 100  # steps


def story(
    steps: Sequence[tuple[str, str]],
    *,
    lanes: Iterable[str] = (),
    times: Iterable[float] = (),
    end: str = "",
    good: bool = False,
    title: str = "What happened",
) -> Picture:
    """Draw steps from top to bottom, each in the lane of the one that takes it.

    Args:
        steps: who, and what, in their order.
        lanes: their names from left to right; others follow as they come.
        times: when each step was, in seconds of any clock; then the steps are put in that order,
            and the time since the first stands beside each. Empty if there are none.
        end: what came of it; empty for nothing to say.
        good: whether that is as it should be.
        title: the heading.

    Raises:
        ValueError: there is no step, or there are more than 100, or not one time for each.

    >>> picture = story([("A", "takes 11"), ("B", "takes 12"), ("B", "stores 12")])
    >>> picture.fields[2]
    {'step': 3, 'who': 'B', 'what': 'stores 12'}
    """
    words = "steps is a list of (who, what)"
    steps = rows(steps, 2, words)
    if not 1 <= len(steps) <= _MOST:
        raise ValueError(f"a story has 1 to {_MOST} steps, not {len(steps)}")
    for who, what in steps:
        wanted(who, str, words)
        wanted(what, str, words)
    wanted(end, str, "end is a text")
    moments = items(times, (int, float), "times is a list of seconds")
    if moments and len(moments) != len(steps):
        raise ValueError(f"there are {len(steps)} steps and {len(moments)} times")
    if moments:
        order = sorted(range(len(steps)), key=moments.__getitem__)
        steps, moments = [steps[at] for at in order], [moments[at] for at in order]
    names = list(dict.fromkeys([*items(lanes, str, "lanes is a list of names"), *_who(steps)]))
    facts = _facts(steps, moments)
    markup, y = heading(title, _REMARK + (", with its time" if moments else ""))
    drawn, y = _draw(facts, names, y + 8)
    if end:
        box, height = verdict_box(
            MARGIN, y + 4, PAGE - 2 * MARGIN, end, "green" if good else "vermillion"
        )
        drawn += box
        y += height + 10
    said = "; ".join(map(_said, facts))
    ends = f" In the end: {end}." if end else ""
    return Picture(
        markup + drawn,
        PAGE,
        y + 8,
        title=f"{title}: {said}",
        alt=f"{title}. {said}.{ends}",
        fields=facts,
    )


def _facts(steps: Sequence[tuple[str, str]], moments: Sequence[float]) -> list[dict[str, Any]]:
    facts: list[dict[str, Any]] = [
        {"step": number, "who": who, "what": what} for number, (who, what) in enumerate(steps, 1)
    ]
    for fact, moment in zip(facts, moments, strict=False):
        fact["time"] = moment - moments[0]
    return facts


def _said(fact: dict[str, Any]) -> str:
    when = f" (after {_clock(fact['time'])})" if "time" in fact else ""
    return f"{fact['step']}. {fact['who']} {fact['what']}{when}"


def _clock(seconds: float) -> str:
    """A time since the first step.

    >>> _clock(0.00123), _clock(2.5)
    ('1.2 ms', '2.5 s')
    """
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _who(steps: Sequence[tuple[str, str]]) -> list[str]:
    return [who for who, _ in steps]


def _draw(facts: Sequence[dict[str, Any]], names: Sequence[str], y: float) -> tuple[str, float]:
    margin = MARGIN + (_TIMES if "time" in facts[0] else _NUMBERS)
    width = (PAGE - MARGIN - margin) / len(names)
    left = {name: margin + at * width for at, name in enumerate(names)}
    colours = {name: _COLOURS[at % len(_COLOURS)] for at, name in enumerate(names)}
    out = []
    for name in names:
        out.append(swatch(left[name] + 4, y, width - 8, _HEAD - 4, colours[name]))
        shown = fit(name, width - 16, bold=True)
        out.append(label(left[name] + width / 2, y + 15, shown, colours[name]))
    y += _HEAD + _GAP
    ends = dict.fromkeys(names, y - _GAP - 4)  # of the line of each lane, so far
    for fact in facts:
        name = fact["who"]
        x = left[name]
        words, height = paragraph(x + 16, y + 3, fact["what"], width - 32)
        beside = _clock(fact["time"]) if "time" in fact else f"{fact['step']}"
        out.append(text(MARGIN, y + LINE, beside, "s"))
        out.append(line(x + width / 2, ends[name], x + width / 2, y))
        out.append(swatch(x + 8, y, width - 16, height + 10, colours[name], tint=True))
        out.append(words)
        ends[name] = y + height + 10
        y += height + 10 + _GAP
    out += [line(left[name] + width / 2, ends[name], left[name] + width / 2, y) for name in names]
    return "".join(out), y
