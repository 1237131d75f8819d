"""The appendices: complete, up to date, and every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

from tools import appendices

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
KNOWN_OTHERWISE = {"interleaved", "unique", "pool"}
"""Bold words that have a row under a longer name."""
CLAIMS = {claim.id: claim for part in appendices.claims().values() for claim in part}


def headings(path: Path) -> set[str]:
    """The anchors of a notebook, as JupyterLab and nbconvert make them."""
    cells = nbformat.read(path, as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    found = re.findall(r"^#+ +(.+?) *$", appendices.without_code(text), re.MULTILINE)
    return {title.replace("`", "").replace("*", "").replace(" ", "-") for title in found}


def test_they_are_up_to_date(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["appendices", "--check"])
    assert appendices.main() == 0, capsys.readouterr().out


def test_every_claim_of_the_notes_is_there() -> None:
    numbered = [f"{part}{number}" for part, last in (("A", 45), ("B", 12), ("C", 12))
                for number in range(1, last + 1)]  # fmt: skip
    assert set(CLAIMS) == {*numbered, "D"}
    assert {claim.verdict for claim in CLAIMS.values()} == set(appendices.VERDICTS)


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_is_taught_in_one_place(claim: str) -> None:
    assert len(appendices.places_of_claims().get(claim, [])) == 1


def test_no_cell_teaches_a_claim_that_is_none() -> None:
    assert set(appendices.places_of_claims()) <= set(CLAIMS)


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_link_to_a_heading_resolves(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            for name, fragment in re.findall(r"\]\(([^)#]*\.ipynb)?#([^\s)]+)\)", cell.source):
                there = NOTEBOOKS / name if name else path
                assert unquote(fragment) in headings(there), f"{name}#{fragment}"


def test_each_bold_word_with_its_chinese_has_a_row() -> None:
    rows = {appendices.plain(word.word) for word in appendices.words()}
    missing = []
    for path in appendices.chapters():
        for place, text in appendices.passages(path):
            for bold in re.findall(r'\*\*([A-Za-z][^*\n"]*)\*\* ?[\u4e00-\u9fff]', text):
                word = appendices.plain(bold)
                forms = {word, word.removesuffix("s"), f"{word.removesuffix('ies')}y"}
                if not forms & rows and word not in KNOWN_OTHERWISE:
                    missing.append(f"{bold} ({place.title})")
    assert missing == []


def test_a_row_of_the_glossary_stands_alone() -> None:
    leaning = re.compile(
        r"(one (that|on|in)\b|the one that|these|those|this|that|it|they|them|who|where|on|entries "
        r"(only|for|by|of))\b"
        r"|the answer,"
    )
    assert [word.word for word in appendices.words() if leaning.match(word.means)] == []


@pytest.mark.parametrize(
    ("word", "section"),
    [
        ("covered query", "11.6 "),  # stands in a cell that begins 11.7 further down
        ("hot shard", "14.3 "),
        ("regression", "16.2 "),
        ("masking key", "3.6 "),
        ("long polling", "1.5 "),
        ("database", "What a database is"),
        ("term", "13.3 "),
        ("token bucket", "9.9 "),  # in italics, with its Chinese
        ("sparse index", "11.8 "),  # has no bold word, only a row
    ],
)
def test_a_word_leads_to_the_section_that_explains_it(word: str, section: str) -> None:
    (row,) = [row for row in appendices.words() if appendices.plain(row.word) == word]
    assert row.place.title.startswith(section)


def test_a_cell_that_ends_a_section_belongs_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "This is a **tie** 并列.\n\n## 1.2 Next\n\nAnd a **knot** 结."
    cells = [nbformat.v4.new_markdown_cell(text) for text in ("# 1 · One", "## 1.1 First", source)]
    path = tmp_path / "01-one.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    texts = list(appendices.passages(path))
    tie, knot = appendices.first_use("tie", texts), appendices.first_use("knot", texts)
    assert (tie and tie.title, knot and knot.title) == ("1.1 First", "1.2 Next")


def test_the_glossary_has_the_chinese_word_of_each() -> None:
    words = appendices.words()
    assert len({word.word for word in words}) == len(words)
    for word in words:
        assert word.chinese, word
        assert word.means, word
