"""axe-core looks for what keeps people out: missing names, weak contrast, wrong roles."""

from __future__ import annotations

from importlib import resources
from typing import Any

from playwright.sync_api import Page

__all__ = ["serious"]

_SCRIPT = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
_RUN = """async (selector) => {
    const found = await axe.run(selector, {resultTypes: ["violations"]});
    return found.violations.map(({id, impact, nodes}) => ({
        id, impact, nodes: nodes.map(({html, failureSummary}) => `${html}: ${failureSummary}`)}));
}"""


def serious(page: Page, selector: str = "html") -> list[dict[str, Any]]:
    """What axe-core calls serious or critical in a part of a page."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_SCRIPT)
    found: list[dict[str, Any]] = page.evaluate(_RUN, selector)
    return [one for one in found if one["impact"] in ("serious", "critical")]
