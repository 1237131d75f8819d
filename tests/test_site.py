"""The site: pictures and stand-ins are there, links lead somewhere, nothing is remote."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest

import goim_edu
from tests import site_pages
from tests.site_pages import Found
from tools import diagrams, site, site_sources

NOTEBOOKS = site_sources.notebooks()
by_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def outputs(path: Path) -> Iterator[dict[str, str]]:
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            yield output.get("data", {})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, made once; a warning of Sphinx is an error."""
    target = tmp_path_factory.mktemp("site")
    done = site_pages.make(target, "--url", "https://course.example/goim/")
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def pages(made: Path) -> dict[str, Found]:
    return site_pages.read(made)


def test_links_lead_somewhere_and_nothing_is_loaded_from_elsewhere(
    made: Path, pages: dict[str, Found]
) -> None:
    assert site_pages.lost(made, pages) == []


def test_a_link_that_leads_nowhere_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "a.html").write_text("<h1 id=x></h1><a href='#x'></a><a href='docs/b.html#y'></a>")
    (tmp_path / "docs" / "b.html").write_text(
        "<a href='../a.html#x'></a><a href='c.html'></a><script src='//cdn.example/x.js'></script>"
    )
    found = site_pages.lost(tmp_path, site_pages.read(tmp_path))
    expected = ["a: docs/b.html#y", "docs/b: //cdn.example/x.js", "docs/b: c.html"]
    assert sorted(found) == expected


@by_notebook
def test_pictures_and_stand_ins_are_there(path: Path, pages: dict[str, Found]) -> None:
    saved = sum(len(re.findall(r'<\w+[^>]*class="goim[^>]*role="img"', one.get("text/html", "")))
                for one in outputs(path))  # fmt: skip
    assert pages[path.stem].pictures == saved


@by_notebook
def test_a_chapter_is_described_by_its_question(path: Path, pages: dict[str, Found]) -> None:
    told = pages[path.stem].told
    question = site_sources.plain(site_sources.question_of(nbformat.read(path, as_version=4)))
    assert told["description"] == told["og:description"] == question
    assert told["og:image"] == "https://course.example/goim/preview.png"


@by_notebook
def test_every_outcome_with_an_output_is_folded(path: Path, made: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    shown = [one for one in cells if "outcome" in one.metadata.get("tags", []) and one.outputs]
    page = (made / f"{path.stem}.html").read_text("utf-8")
    assert len(re.findall(r'<details class="[^"]*\bhide\b', page)) == len(shown)


def test_the_index_lists_all_with_their_questions(made: Path, pages: dict[str, Found]) -> None:
    assert {f"{path.stem}.html" for path in NOTEBOOKS} <= pages["index"].links
    text = re.sub(r"<[^>]+>", "", (made / "index.html").read_text("utf-8"))
    said = " ".join(html.unescape(text).split())
    for path in NOTEBOOKS:
        question = site_sources.question_of(nbformat.read(path, as_version=4))
        assert " ".join(site_sources.plain(question).split()) in said


def test_every_document_and_face_has_its_page(pages: dict[str, Found], root: Path) -> None:
    documents = {f"docs/{path.stem}" for path in (root / "docs").glob("*.md")}
    assert {"docs/architecture", "docs/operations", "docs/capacity", "docs/library"} <= documents
    assert documents | {"reference/protocol", "docs/gallery", "docs/readme"} <= pages.keys()


def test_a_page_has_version_date_and_icon(made: Path, pages: dict[str, Found]) -> None:
    text = (made / "03-frames.html").read_text("utf-8")
    assert f"goim_edu {goim_edu.__version__}, " in text
    assert str(datetime.now(UTC).year) in text
    assert any("favicon.svg" in one for one in pages["03-frames"].loaded)
    assert (made / "preview.png").read_bytes().startswith(b"\x89PNG")


def test_the_notebook_of_a_page_can_be_taken_along(made: Path, pages: dict[str, Found]) -> None:
    assert "03-frames.ipynb" in pages["03-frames"].links
    assert (made / "03-frames.ipynb").read_bytes() == NOTEBOOKS[3].read_bytes()


def test_code_is_left_alone_and_links_are_led_anew() -> None:
    source = site_sources.DOCUMENTS / "library.md"
    text = "[a](../notebooks/03-frames.ipynb#x) [b](../Makefile) [c](https://x.example)\n"
    made = site_sources.on_the_site(f"{text}```\n{text}```\n", source)
    assert made == (
        f"[a](<../03-frames.ipynb#x>) b (`Makefile`) [c](https://x.example)\n```\n{text}```\n"
    )


def test_a_diagram_that_is_not_drawn_says_what_to_do() -> None:
    with pytest.raises(FileNotFoundError, match="make diagrams"):
        site_sources.show_diagram("graph LR\n", NOTEBOOKS[0])


def test_every_diagram_is_drawn_and_no_other() -> None:
    wanted = {diagrams.path_of(text) for text in diagrams.diagrams()}
    assert wanted == set(diagrams.FOLDER.glob("*.svg")), "run `make diagrams`"


def test_the_browser_edition_comes_along_and_is_offered(tmp_path: Path) -> None:
    target = tmp_path / "site"
    edition = tmp_path / "edition"
    (edition / "lab").mkdir(parents=True)
    (edition / "lab" / "index.html").write_text("<!doctype html>")
    for place, there in ((None, False), (tmp_path / "none", False), (edition, True)):
        (target / "_static").mkdir(parents=True)
        assert site.take_in(place, target) is there
        said = (target / "_static" / "lite.js").read_text()
        assert ("dataset.lite" in said) is there
        assert (target / site.LITE / "lab" / "index.html").is_file() is there
        shutil.rmtree(target)


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("mine")
    done = site_pages.make(tmp_path)
    assert done.returncode == 1
    assert "holds something else" in done.stderr
    assert (tmp_path / "diary.txt").read_text() == "mine"
