"""The appendices: complete, up to date, and every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

from tools import appendices

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
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


def test_the_glossary_has_the_chinese_word_of_each() -> None:
    words = appendices.words()
    assert len({word.word for word in words}) == len(words)
    for word in words:
        assert word.chinese, word
        assert word.means, word
