"""The figures of several workers as one: what Prometheus would add up, added up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

__all__ = ["sum_health", "sum_metrics"]

_GREATEST: Final = (
    *("goim_queued_bytes_max", "goim_stream_lag_seconds", "goim_uptime_seconds", "goim_peers"),
)
"""Of these the greatest counts; the others are added up, rooms at two workers among them."""


def sum_metrics(texts: Iterable[str]) -> bytes:
    """Add up figures in the text format of Prometheus.

    Args:
        texts: of each worker.

    >>> print(sum_metrics(["goim_sessions 2.0", "goim_sessions 3.0"]).decode().splitlines()[-1])
    goim_sessions 5.0
    """
    families: dict[str, Metric] = {}
    values: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    order: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], None]] = {}
    for text in texts:
        for family in text_string_to_metric_families(text):
            families.setdefault(family.name, family)
            for sample in family.samples:
                key = sample.name, tuple(sorted(sample.labels.items()))
                order.setdefault(family.name, {})[key] = None
                known = values.get(key, 0.0)
                more = float(sample.value)
                values[key] = max(known, more) if sample.name in _GREATEST else known + more
    lines = []
    for name, family in families.items():
        shown = f"{name}_total" if family.type == "counter" else name
        lines += [f"# HELP {shown} {family.documentation}", f"# TYPE {shown} {family.type}"]
        lines += [
            f"{sample}{_labels(labels)} {values[sample, labels]}"
            for sample, labels in order.get(name, ())
        ]
    return "\n".join([*lines, ""]).encode()


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
