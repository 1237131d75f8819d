"""Every picture in a real browser: nothing cut off or over another, legible in both themes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from goim_edu import draw
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
        assert min(text["size"] for text in texts) >= 11


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


# What a page says of its theme, whether that is dark, and whether the system is.
THEMED = [
    ("data-jp-theme-light=true", False, True),
    ("data-jp-theme-light=false", True, False),
    ("class=vscode-light", False, True),
    ("class=vscode-dark", True, False),
    ("class=vscode-high-contrast", True, False),
    ("class='vscode-high-contrast vscode-high-contrast-light'", False, True),
    ("data-theme=light", False, True),
    ("data-theme=dark", True, False),
    ("data-theme=auto", True, True),
    ("data-theme=auto", False, False),
    ("class=dark", True, False),
    ("class=light", False, True),
    ("", True, True),
    ("", False, False),
]


@pytest.mark.parametrize(("says", "dark", "system_dark"), THEMED)
@pytest.mark.parametrize("make", [Picture.svg, Picture.html], ids=["svg", "html"])
def test_a_picture_follows_whoever_names_a_theme(
    make: Callable[[Picture], str], says: str, dark: bool, system_dark: bool, page: Page
) -> None:
    page.emulate_media(color_scheme="dark" if system_dark else "light")
    drawn = make(draw.frame(bytes.fromhex("810548656c6c6f")))
    page.set_content(
        f"<!doctype html><meta name=color-scheme content='light dark'><body {says}>{drawn}"
    )
    fill = page.evaluate("getComputedStyle(document.querySelector('svg .t')).fill")
    assert fill == ("rgb(240, 240, 240)" if dark else "rgb(26, 26, 26)")
    ground = page.evaluate("getComputedStyle(document.querySelector('.goim')).backgroundColor")
    own = ("rgb(17, 17, 17)" if dark else "rgb(255, 255, 255)") if not says else "rgba(0, 0, 0, 0)"
    assert ground == own
    page.emulate_media(color_scheme="light")


ROOMS = [(1100, 32), (960, 32), (700, 32), (699, 16), (400, 16), (399, 8), (300, 8), (200, 8)]


@pytest.mark.parametrize(("room", "bits"), ROOMS)
@pytest.mark.parametrize("name", ["frame", "frame-broken", "frame-in-part"])
def test_a_frame_takes_the_rows_that_fit(name: str, room: int, bits: int, page: Page) -> None:
    page.set_viewport_size({"width": 1200, "height": 700})
    [exhibit] = [one for one in PICTURES if one.name == name]
    picture = exhibit.make()
    assert isinstance(picture, Picture)
    page.set_content(f"<!doctype html><body><div style='width:{room}px'>{picture.html()}</div>")
    texts = [
        one for one in page.evaluate(TEXTS) if one["right"] > one["left"] and one["said"].strip()
    ]
    numbers = [int(one["said"]) for one in texts if one["said"].isdecimal() and one["size"] == 11]
    assert max(number for number in numbers if number < 32) >= bits - 1
    assert str(bits) not in [one["said"] for one in texts[: bits + 4]]
    assert overlaps(texts) == []
    scale = page.evaluate(
        "[...document.querySelectorAll('svg')].find(one => one.clientWidth).getScreenCTM().a"
    )
    assert min(one["size"] for one in texts) * scale >= 10.99
    box = page.locator(".goim-fit").bounding_box()
    assert box is not None
    assert box["width"] == room


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
