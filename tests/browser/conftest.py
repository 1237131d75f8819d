"""A JupyterLab in each theme with an empty notebook, and pages whose console must stay clean."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.jupyter import JupyterLab, new_page

FIRST = Path(__file__).resolve().parents[2] / "notebooks" / "00-start-here.ipynb"

REFUSED = re.compile(r"^WebSocket connection to 'ws://127\.0\.0\.1:\d+/chat' failed")


@pytest.fixture(scope="module", params=["light", "dark"])
def lab(
    request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[JupyterLab]:
    """A JupyterLab with the notebook scratch.ipynb; after ``browser``, which may skip."""
    root = tmp_path_factory.mktemp("notebooks")
    empty = nbformat.v4.new_notebook(
        metadata=nbformat.read(FIRST, as_version=4).metadata,
        cells=[nbformat.v4.new_markdown_cell("# Scratch")],
    )
    nbformat.write(empty, root / "scratch.ipynb")
    server = JupyterLab(root, tmp_path_factory.mktemp("jupyter"), request.param)
    try:
        yield server.wait()
    finally:
        server.stop()


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(locale="en-GB")
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page; the test fails if its console has shown an error.

    Where a test has the mark ``kills_a_server``, Chromium may say that nobody is there.
    """
    kills = request.node.get_closest_marker("kills_a_server") is not None
    with new_page(context) as (page, errors):
        yield page
        assert [error for error in errors if not (kills and REFUSED.search(error))] == []
