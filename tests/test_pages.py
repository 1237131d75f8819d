"""The static export: pictures and stand-ins are there, links lead somewhere, nothing is remote."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

from tools import diagrams, pages

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))


class Found(HTMLParser):
    """What a test looks at in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.pictures = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        self.ids.add(unquote(values.get("id", "")))
        if tag == "a":
            self.links.append(values.get("href", ""))
        if tag in {"script", "link", "img", "iframe"}:
            self.loaded += [values[key] for key in ("src", "href") if key in values]
        self.pictures += tag == "svg" and values.get("role") == "img"


def outputs(path: Path) -> Iterator[dict[str, str]]:
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            yield output.get("data", {})


@pytest.fixture(scope="module")
def exported() -> dict[str, Found]:
    return {path.stem: Found(pages.export(path)) for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_pictures_and_stand_ins_are_there(path: Path, exported: dict[str, Found]) -> None:
    saved = sum(len(re.findall(r'<svg[^>]*role="img"', one.get("text/html", "")))
                for one in outputs(path))  # fmt: skip
    assert exported[path.stem].pictures == saved


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_between_pages_resolve(path: Path, exported: dict[str, Found]) -> None:
    for link in exported[path.stem].links:
        assert ".ipynb" not in link
        name, _, fragment = link.partition("#")
        if name.startswith(("http://", "https://")):
            continue
        there = exported[name.removesuffix(".html")] if name else exported[path.stem]
        assert not fragment or unquote(fragment) in there.ids, link


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nothing_is_loaded_from_elsewhere(path: Path, exported: dict[str, Found]) -> None:
    assert [one for one in exported[path.stem].loaded if not one.startswith(("data:", "#"))] == []


def test_the_index_lists_all_with_their_questions() -> None:
    found = Found(page := pages.index_of(NOTEBOOKS))
    assert found.links == [f"{path.stem}.html" for path in NOTEBOOKS]
    assert page.count("?</strong>") + page.count("?</p>") >= len(NOTEBOOKS)


def test_every_diagram_is_drawn_and_no_other() -> None:
    wanted = {diagrams.path_of(text) for text in diagrams.diagrams()}
    assert wanted == set(diagrams.FOLDER.glob("*.svg")), "run `make notebooks`"
