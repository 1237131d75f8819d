"""The picture of how MongoDB found its answer: an index scan beside a collection scan."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from goim_edu.draw.picture import Picture
from goim_edu.draw.shapes import (
    MARGIN,
    PAGE,
    arrow,
    fit,
    heading,
    label,
    legend,
    paragraph,
    swatch,
    tooltip,
)
from goim_edu.draw.svg import element, text
from goim_edu.palette import OKABE_ITO
from goim_edu.printable import printable
from goim_edu.websocket.wanted import wanted

__all__ = ["scans"]

_COLOURS: Final = {
    "COLLSCAN": "vermillion",
    "SORT": "orange",
    "IXSCAN": "green",
    "IDHACK": "green",
    "COUNT_SCAN": "green",
    "DISTINCT_SCAN": "green",
    "FETCH": "sky",
}
_MEANINGS: Final = {
    "COLLSCAN": "reads every document of the collection",
    "IXSCAN": "walks along the index",
    "COUNT_SCAN": "counts in the index, reads no document",
    "DISTINCT_SCAN": "jumps from value to value in the index",
    "IDHACK": "looks one _id up in its index",
    "FETCH": "gets the document that a key points to",
    "SORT": "collects all, then sorts them in memory",
    "SORT_MERGE": "merges streams that are sorted already",
    "LIMIT": "passes on this many, then stops the rest",
    "SKIP": "throws the first ones away",
    "PROJECTION_SIMPLE": "keeps the fields that were asked for",
    "PROJECTION_DEFAULT": "computes the fields that were asked for",
    "PROJECTION_COVERED": "answers from the keys, reads no document",
    "COUNT": "counts what arrives",
    "GROUP": "puts together what has the same value",
    "SUBPLAN": "plans each branch of $or by itself",
    "OR": "joins several streams, each document once",
    "EOF": "knows that there is nothing",
}


@dataclass(slots=True)
class _Stage:
    """One stage of a plan, with the stages that feed it."""

    name: str
    detail: str
    returned: int | None
    examined: str
    index: str = ""
    inputs: list[_Stage] = field(default_factory=list)

    def walk(self) -> Iterator[_Stage]:
        """Yield the stages in the order in which documents pass through them."""
        for one in self.inputs:
            yield from one.walk()
        yield self


@dataclass(slots=True)
class _Plan:
    """What one ``explain`` says."""

    name: str
    query: str
    root: _Stage
    documents: int
    keys: int
    returned: int
    milliseconds: float


def scans(
    explained: Mapping[str, Any], *, documents: int | None = None, times: bool = False
) -> Picture:
    """Draw how one query, or several, were answered: stages, and what had to be read.

    Args:
        explained: what ``explain`` with ``executionStats`` returned (``cursor.explain()`` in
            pymongo), or a mapping of names to several of them, drawn with the same scale.
        documents: how many the collection has; by default the most that one of them examined.
        times: whether to show the milliseconds, which differ from run to run.

    Raises:
        ValueError: it is not a result of ``explain``, or one without ``executionStats``.

    Source: manual, "Explain Results", "Interpret Explain Plan Results".

    >>> stats = {"nReturned": 1, "totalKeysExamined": 0, "totalDocsExamined": 500,
    ...          "executionTimeMillis": 1, "executionStages": {"stage": "COLLSCAN",
    ...          "nReturned": 1, "docsExamined": 500}}
    >>> picture = scans({"queryPlanner": {"winningPlan": {"stage": "COLLSCAN"}},
    ...                  "executionStats": stats})
    >>> picture.fields[0]["documents_examined"], picture.fields[0]["stages"]
    (500, ['COLLSCAN'])
    """
    wanted(explained, Mapping, "explained is what explain returned, or a mapping of names to such")
    several = not any(key in explained for key in ("queryPlanner", "stages", "executionStats"))
    named = explained if several else {"": explained}
    plans = [_read(name, one) for name, one in named.items()]
    if not plans:
        raise ValueError("there is no explain to draw")
    total = max([documents or 0, *(max(plan.documents, plan.returned) for plan in plans)])
    markup, y = heading("How MongoDB found the answer", _sizes(plans, total))
    for plan in plans:
        drawn, y = _draw_plan(plan, total, y + 8, times=times)
        markup += drawn
    names = {"vermillion": "examined by a scan of all", "green": "examined through an index"}
    markup += legend(MARGIN, y + 4, {**names, "blue": "returned"})
    return Picture(
        markup,
        PAGE,
        y + 26,
        title=f"How MongoDB found the answer: {_sizes(plans, total)}",
        alt=_words(plans, total, times=times),
        fields=[_plain(plan, total) for plan in plans],
    )


# ---------------------------------------------------------------------- reading explain


def _read(name: str, explained: Mapping[str, Any]) -> _Plan:
    if not isinstance(explained, Mapping):
        raise ValueError(f"an explain is a document, not {type(explained).__name__}")
    if "stages" in explained:  # an aggregation that does more than a find could
        explained = {**explained, **explained["stages"][0].get("$cursor", {})}
    planner, stats = explained.get("queryPlanner"), explained.get("executionStats")
    if not isinstance(planner, Mapping) or not isinstance(stats, Mapping):
        raise ValueError("no explain with executionStats: ask for that verbosity")
    if "winningPlan" not in planner or "executionStages" not in stats:
        raise ValueError("an explain of a sharded cluster has a plan for each shard: draw one")
    plan = planner["winningPlan"]
    # Version 2 comes from the newer engine, whose own stages say nothing to people.
    root = _stage(plan["queryPlan"] if "queryPlan" in plan else stats["executionStages"])
    return _Plan(
        name,
        _query(explained),
        root,
        int(stats["totalDocsExamined"]),
        int(stats["totalKeysExamined"]),
        int(stats["nReturned"]),
        float(stats["executionTimeMillis"]),
    )


def _stage(node: Mapping[str, Any]) -> _Stage:
    inputs = node.get("inputStages") or [node[key] for key in ("inputStage",) if key in node]
    examined = []
    if "keysExamined" in node:
        examined.append(f"{node['keysExamined']:,} keys")
    if "docsExamined" in node:
        examined.append(f"{node['docsExamined']:,} documents")
    return _Stage(
        str(node["stage"]),
        _detail(node),
        int(node["nReturned"]) if "nReturned" in node else None,
        " and ".join(examined),
        str(node.get("indexName", "")),
        [_stage(one) for one in inputs],
    )


def _detail(node: Mapping[str, Any]) -> str:
    """Return what is particular to a stage: its index, its order, its number."""
    if "indexName" in node:
        keys = ", ".join(f"{key} {way}" for key, way in node.get("keyPattern", {}).items())
        back = ", backwards" if node.get("direction") == "backward" else ""
        return f"{node['indexName']} ({keys}){back}"
    if "sortPattern" in node:
        return ", ".join(f"{key} {way}" for key, way in node["sortPattern"].items())
    number = node.get("limitAmount", node.get("skipAmount"))
    return "" if number is None else f"at most {number:,}"


def _query(explained: Mapping[str, Any]) -> str:
    """Return the query as one line."""
    command = explained.get("command", {})
    parts = {
        key: command[key]
        for key in ("filter", "sort", "projection", "limit", "skip", "pipeline")
        if command.get(key)
    }
    return ", ".join(f"{key} {json.dumps(value, default=str)}" for key, value in parts.items())


# ---------------------------------------------------------------------- words


def _sizes(plans: Sequence[_Plan], total: int) -> str:
    said = [
        f"{plan.name + ': ' if plan.name else ''}{plan.documents:,} of {total:,} documents "
        f"examined for {plan.returned:,}"
        for plan in plans
    ]
    return "; ".join(said)


def _words(plans: Sequence[_Plan], total: int, *, times: bool) -> str:
    lines = [f"How MongoDB found the answer. {_sizes(plans, total)}"]
    for plan in plans:
        stages = ", then ".join(_stage_words(stage) for stage in plan.root.walk())
        took = f" in {plan.milliseconds:g} ms" if times else ""
        name = f"{plan.name}: " if plan.name else ""
        lines.append(f"{name}{plan.query or 'a query'}: {stages}; {plan.keys:,} keys{took}")
    return printable(". ".join(lines) + ".")


def _stage_words(stage: _Stage) -> str:
    meaning = _MEANINGS.get(stage.name, "")
    parts = [stage.name, f"({meaning})" if meaning else "", stage.detail]
    if stage.examined:
        parts.append(f"examines {stage.examined}")
    if stage.returned is not None:
        parts.append(f"passes on {stage.returned:,}")
    return " ".join(part for part in parts if part)


def _plain(plan: _Plan, total: int) -> dict[str, Any]:
    return {
        "name": plan.name,
        "query": plan.query,
        "stages": [stage.name for stage in plan.root.walk()],
        "indexes": [stage.index for stage in plan.root.walk() if stage.index],
        "documents": total,
        "documents_examined": plan.documents,
        "keys_examined": plan.keys,
        "returned": plan.returned,
        "milliseconds": plan.milliseconds,
    }


# ---------------------------------------------------------------------- drawing

_WIDTH: Final = PAGE - 2 * MARGIN
_DOT: Final = 9.0  # from one square to the next
_ACROSS, _DOWN = 103, 6


def _draw_plan(plan: _Plan, total: int, y: float, *, times: bool) -> tuple[str, float]:
    out = []
    if plan.name:
        out.append(text(MARGIN, y + 14, plan.name, "t b", style="font-size:14px"))
        y += 22
    if plan.query:
        words, height = paragraph(MARGIN, y - 2, plan.query, _WIDTH, "s m", size=11)
        out.append(words)
        y += height + 4
    drawn, y = _draw_stages(plan, y)
    out.append(drawn)
    squares, y = _draw_squares(plan, total, y + 10)
    out.append(squares)
    said = (
        f"{plan.documents:,} documents and {plan.keys:,} index keys examined, "
        f"{plan.returned:,} returned{_ratio(plan)}"
    )
    if times:
        said += f", {plan.milliseconds:g} ms"
    out.append(text(MARGIN, y + 14, said, "t b"))
    return "".join(out), y + 30


def _ratio(plan: _Plan) -> str:
    if not plan.returned or plan.documents < 2 * plan.returned:
        return ""
    return f": {plan.documents / plan.returned:,.0f} read for each that was wanted"


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where the stages of a plan stand: the last one to the right, inputs above each other."""

    depth: int
    width: float
    between: float
    height: float
    top: float

    def x(self, level: int) -> float:
        """Return the left edge of a stage that has ``level`` stages after it."""
        return MARGIN + (self.depth - 1 - level) * (self.width + self.between)


def _draw_stages(plan: _Plan, y: float) -> tuple[str, float]:
    """Draw the stages from left to right."""
    depth = _depth(plan.root)
    between = 78.0 if depth < 4 else 48.0
    width = min(210.0, (_WIDTH - between * depth) / depth)
    height = max(_content(stage, 0, 0, width)[1] for stage in plan.root.walk())
    grid = _Grid(depth, width, between, height, y)
    drawn, rows, middle = _place(plan.root, 0, 0, grid)
    end = grid.x(0) + width
    last = _draw_arrow(end, middle, end + between, middle, plan.root)
    return drawn + last, y + rows * (height + 8)


def _place(stage: _Stage, level: int, row: int, grid: _Grid) -> tuple[str, int, float]:
    """Draw a stage and all before it; return also how many rows they took, and its middle."""
    out, used, starts = [], 0, []
    for one in stage.inputs:
        drawn, rows, start = _place(one, level + 1, row + used, grid)
        out.append(drawn)
        starts.append(start)
        used += rows
    used = max(used, 1)
    middle = grid.top + (row + used / 2) * (grid.height + 8) - 4
    x = grid.x(level)
    for start, one in zip(starts, stage.inputs, strict=True):
        out.append(_draw_arrow(x - grid.between, start, x, middle, one))
    out.append(_draw_stage(stage, x, middle - grid.height / 2, grid))
    return "".join(out), used, middle


def _depth(stage: _Stage) -> int:
    return 1 + max((_depth(one) for one in stage.inputs), default=0)


def _draw_arrow(x1: float, y1: float, x2: float, y2: float, source: _Stage) -> str:
    drawn = arrow(x1 + 3, y1, x2 - 3, y2)
    if source.returned is None:
        return drawn
    x, y = x1 + 0.4 * (x2 - x1), y1 + 0.4 * (y2 - y1)
    y += -7 if y2 >= y1 else 18
    aside = x + (8 if y1 != y2 else 0)
    return drawn + text(aside, y, f"{source.returned:,}", "t b mid")


def _draw_stage(stage: _Stage, x: float, y: float, grid: _Grid) -> str:
    colour = _COLOURS.get(stage.name, "grey")
    out = [
        tooltip(_stage_words(stage)),
        swatch(x, y, grid.width, grid.height, colour, tint=True),
        swatch(x, y, grid.width, 20, colour),
        label(x + grid.width / 2, y + 14.5, fit(stage.name, grid.width - 6, bold=True), colour),
        _content(stage, x, y, grid.width)[0],
    ]
    return element("g", "".join(out))


def _content(stage: _Stage, x: float, y: float, width: float) -> tuple[str, float]:
    """Return what stands in the box of a stage, and how high the box has to be."""
    out, used = [], 22.0
    rows = ((_MEANINGS.get(stage.name, ""), "t"), (stage.detail, "t m"), (stage.examined, "t b"))
    for content, class_ in rows:
        words, height = paragraph(x + 6, y + used, content, width - 12, class_, size=11)
        out.append(words)
        used += height
    return "".join(out), used + 8


def _draw_squares(plan: _Plan, total: int, y: float) -> tuple[str, float]:
    """Draw the collection as squares: those examined coloured, of these those returned blue."""
    each = max(1, -(-total // (_ACROSS * _DOWN)))
    scanned = any(stage.name == "COLLSCAN" for stage in plan.root.walk())
    rows = -(-max(1, -(-total // each)) // _ACROSS)
    out = [_rows_of_squares(0, -(-total // each), y, None)]
    examined = -(-plan.documents // each)
    out.append(_rows_of_squares(0, examined, y, "vermillion" if scanned else "green"))
    returned = min(-(-plan.returned // each), max(examined - 1, 1)) if plan.returned else 0
    out.append(_rows_of_squares(0, min(returned, max(examined, 1)), y, "blue", size=4.0))
    said = "a square is a document" if each == 1 else f"a square is {each:,} documents"
    y += rows * _DOT
    out.append(text(PAGE - MARGIN, y + 14, said, "s end"))
    return "".join(out), y


def _rows_of_squares(
    first: int, count: int, y: float, colour: str | None, size: float = 7.0
) -> str:
    """Draw squares as dashed lines: one element a row."""
    out = []
    for row in range(-(-count // _ACROSS)):
        here = min(_ACROSS, count - row * _ACROSS)
        inset = (7.0 - size) / 2
        at = y + (row + first) * _DOT + 3.5
        out.append(
            element(
                "line",
                x1=MARGIN + inset,
                x2=MARGIN + (here - 1) * _DOT + inset + size,
                y1=at,
                y2=at,
                stroke_width=size,
                stroke_dasharray=f"{size:g} {_DOT - size:g}",
                class_=None if colour else "line",
                stroke=OKABE_ITO[colour] if colour else None,
                stroke_opacity=None if colour else 0.45,
            )
        )
    return "".join(out)
