"""Every picture in a real browser: nothing cut off or over another, legible in both themes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from goim_edu.draw import Picture
from goim_edu.palette import THEMES, contrast
from tools import exhibits, gallery

PICTURES = [exhibit for exhibit in exhibits.EXHIBITS if not exhibit.missing()]

# What a text covers: its box, less the room above and below the letters.
TEXTS = """() => [...document.querySelectorAll('svg text')].map(node => {
    const box = node.getBoundingClientRect(), style = getComputedStyle(node);
    return {said: node.textContent, left: box.left, right: box.right,
            top: box.top + box.height * 0.2, bottom: box.bottom - box.height * 0.2,
            size: parseFloat(style.fontSize), fill: style.fill};
})"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1000, "height": 700})
    yield page
    page.close()


def show(page: Page, picture: Picture, *, light: bool) -> list[dict[str, Any]]:
    """Show a picture as JupyterLab does, return its texts."""
    paper = THEMES["light" if light else "dark"]["paper"]
    body = f"<div style='width:960px'>{picture.svg()}</div>"
    head = f"<body data-jp-theme-light={json.dumps(str(light).lower())}"
    page.set_content(f"<!doctype html>{head} style='margin:0;background:{paper}'>{body}</body>")
    texts: list[dict[str, Any]] = page.evaluate(TEXTS)
    return [text for text in texts if text["said"].strip()]


@pytest.mark.parametrize("exhibit", PICTURES, ids=lambda exhibit: exhibit.name)
def test_a_picture_is_legible(exhibit: exhibits.Exhibit, page: Page) -> None:
    picture = exhibit.make()
    if not isinstance(picture, Picture):
        pytest.fail("a widget: it has a test of its own in a real JupyterLab")
    for light in (True, False):
        texts = show(page, picture, light=light)
        assert texts
        box = page.locator("svg").bounding_box()
        assert box is not None
        assert box["width"] == 960
        outside = [t["said"] for t in texts if t["left"] < 0 or t["right"] > box["width"]]
        outside += [t["said"] for t in texts if t["top"] < 0 or t["bottom"] > box["height"]]
        assert outside == []
        assert overlaps(texts) == []
        assert min(text["size"] for text in texts) >= 8


def overlaps(texts: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Pairs of texts that stand over each other."""
    texts = sorted(texts, key=lambda text: text["top"])
    found = []
    for number, one in enumerate(texts):
        for other in texts[number + 1 :]:
            if other["top"] >= one["bottom"]:
                break
            if min(one["right"], other["right"]) - max(one["left"], other["left"]) > 1.5:
                found.append((one["said"], other["said"]))
    return found


@pytest.mark.parametrize("light", [True, False], ids=["light", "dark"])
def test_text_on_paper_follows_the_theme(light: bool, page: Page) -> None:
    texts = show(page, exhibits.heartbeat(), light=light)
    paper = THEMES["light" if light else "dark"]["paper"]
    for text in texts:
        red, green, blue = (int(part) for part in text["fill"][4:-1].split(","))
        assert contrast(f"#{red:02x}{green:02x}{blue:02x}", paper) >= 4.5, text["said"]


def test_the_gallery_writes_small_files_and_an_index(tmp_path: Path) -> None:
    assert gallery.main(["masking", "object", "--folder", str(tmp_path)]) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "README.md",
        *(f"{n}-{theme}.png" for n in ("masking", "object-ids") for theme in gallery.THEMES),
    }
    assert all(path.stat().st_size < gallery.MOST_BYTES for path in tmp_path.iterdir())
    index = (tmp_path / "README.md").read_text()
    assert "masking-dark.png" in index
    assert "handshake" not in index, "what was not drawn is not shown"


def test_the_gallery_in_the_repository_is_complete(root: Path) -> None:
    folder = root / "docs" / "gallery"
    index = (folder / "README.md").read_text()
    for exhibit in exhibits.EXHIBITS:
        for theme in gallery.THEMES:
            assert (folder / f"{exhibit.name}-{theme}.png").is_file(), exhibit.name
        assert f"## {exhibit.title}\n" in index
