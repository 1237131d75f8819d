"""The figures of several workers as one: what Prometheus would add up, added up."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

__all__ = ["Figures", "sum_health", "sum_metrics"]

_GREATEST: Final = ("_max", "_lag_seconds", "_uptime_seconds", "_peers")
"""Of what ends like this the greatest counts; all else is added up, a room at two workers twice."""


def sum_metrics(texts: Iterable[str], kinds: Collection[str] = ()) -> str:
    """Add up figures in the text format of Prometheus.

    Args:
        texts: of each worker.
        kinds: of metrics, such as ``counter``; the others are left out. Default: all.

    >>> print(sum_metrics(["goim_sessions 2.0", "goim_sessions 3.0"]).splitlines()[-1])
    goim_sessions 5.0
    """
    families: dict[str, Metric] = {}
    values: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    order: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], None]] = {}
    for text in texts:
        for family in text_string_to_metric_families(text):
            if kinds and family.type not in kinds:
                continue
            families.setdefault(family.name, family)
            for sample in family.samples:
                key = sample.name, tuple(sorted(sample.labels.items()))
                order.setdefault(family.name, {})[key] = None
                known = values.get(key, 0.0)
                more = float(sample.value)
                greatest = sample.name.endswith(_GREATEST)
                values[key] = max(known, more) if greatest else known + more
    lines = []
    for name, family in families.items():
        shown = f"{name}_total" if family.type == "counter" else name
        lines += [f"# HELP {shown} {family.documentation}", f"# TYPE {shown} {family.type}"]
        lines += [
            f"{sample}{_labels(labels)} {values[sample, labels]}"
            for sample, labels in order.get(name, ())
        ]
    return "\n".join([*lines, ""])


class Figures:
    r"""The figures of one worker in all its lives: what it has counted stays counted.

    Else the sum would fall when a worker dies, and Prometheus would take that for a new start of
    all of them.

    >>> figures = Figures()
    >>> text = "# TYPE goim_refused_total counter\ngoim_refused_total 3.0"
    >>> figures.take(text)
    >>> figures.bury()
    >>> sum_metrics(figures.texts(None)).splitlines()[-1]
    'goim_refused_total 3.0'
    """

    def __init__(self) -> None:
        self._past = ""
        self._last = ""

    def take(self, text: str) -> None:
        """It said this just now."""
        self._last = text

    def bury(self) -> None:
        """It has died."""
        self._past = sum_metrics([self._past, self._last], ("counter",))
        self._last = ""

    def texts(self, answer: str | None) -> list[str]:
        """What counts for it now.

        Args:
            answer: what it said when it was asked for this; None if it did not answer.
        """
        if answer is not None and answer is self._last:
            return [self._past, answer]
        return [self._past, sum_metrics([self._last], ("counter",))]


def _labels(labels: Sequence[tuple[str, str]]) -> str:
    if not labels:
        return ""
    escaped = ((name, _escape(value)) for name, value in labels)
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def sum_health(each: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    """The health of all workers together: well if each is.

    Args:
        each: what ``/healthz`` of each says; None of one that did not answer.

    >>> sum_health([{"status": "ok", "sessions": 2}, None])["status"]
    'a worker is down'
    """
    there = [one for one in each if one is not None]
    bad = [str(one["status"]) for one in there if one["status"] != "ok"]
    status = "ok" if not bad else bad[0]
    if len(there) < len(each) and not bad:
        status = "a worker is down"
    total: dict[str, Any] = {"status": status}
    if there:
        total["store"] = there[0].get("store")
    for name in ("connections", "sessions", "rooms"):
        total[name] = sum(one.get(name, 0) for one in there)
    return {**total, "workers": list(each)}
