"""What tests and notebooks share: what is missing here is skipped, unless nothing may be."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

from goim_edu.mongod import why_no_mongod
from goim_edu.websocket import masking

REQUIRE_ALL = os.environ.get("GOIM_REQUIRE_ALL") == "1"


def pytest_report_header() -> str:
    """Say whether the source or what was compiled from it is tested."""
    return f"masking: {masking.__file__}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where everything is required (``GOIM_REQUIRE_ALL=1``)."""
    report = yield
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.longrepr = f"GOIM_REQUIRE_ALL=1 forbids skips. {reason}"
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the cells of a notebook from ``need_mongod()`` on, where no mongod can run.

    For a reader such a cell shows a card, and the later ones say that they are skipped.
    """
    why = why_no_mongod() if any(map(_needs_mongod, items)) else None
    if why is None:
        return
    skipped: set[pytest.Collector | None] = set()
    for item in items:
        if _needs_mongod(item):
            skipped.add(item.parent)
        if item.parent in skipped:
            item.add_marker(pytest.mark.skip(reason=f"needs a mongod: {why}"))


def _needs_mongod(item: pytest.Item) -> bool:
    """Whether it is a cell, one of nbval's items, that asks for a mongod."""
    return "need_mongod()" in getattr(getattr(item, "cell", None), "source", "")
