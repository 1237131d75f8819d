"""The API reference: it is made without a warning, every public name has its entry, offline."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import site_pages
from tests.site_pages import Found
from tools import reference

ENTRIES = reference.entries()


def build(target: Path, before: str = "") -> subprocess.CompletedProcess[str]:
    """Make the reference in a process of its own, in which ``before`` has been done."""
    code = f"""
import sys
from pathlib import Path
from goim_edu import errors
from tools import reference, site
{before}
sys.exit(site.build(Path({str(target)!r}), reference.write_sources))
"""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=reference.ROOT,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference, made once; a warning of Sphinx is an error."""
    target = tmp_path_factory.mktemp("reference")
    done = build(target)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def pages(made: Path) -> dict[str, Found]:
    return site_pages.read(made)


@pytest.mark.parametrize("face", reference.FACES)
def test_every_public_name_has_its_entry(face: str, pages: dict[str, Found]) -> None:
    assert len(ENTRIES[face]) == len(reference.face(face).__all__) > 0
    for entry in ENTRIES[face]:
        home = entry.home.removeprefix("goim_edu.")
        where = f"{entry.home}.{entry.name}"
        assert where in pages[home].ids
        assert home == face or f"{home}.html#{where}" in pages[face].links


@pytest.mark.parametrize("name", sorted({one.name for face in ENTRIES.values() for one in face}))
def test_every_public_name_is_described(name: str) -> None:
    value = next(one.value for face in ENTRIES.values() for one in face if one.name == name)
    if reference.has_a_docstring(value):
        assert value.__doc__
    else:
        assert reference.constant(name, value).text


def test_classes_that_only_signatures_name_have_entries(pages: dict[str, Found]) -> None:
    values = [one.value for face in ENTRIES.values() for one in face]
    named = reference.named_in_signatures(values)
    assert named
    assert not set(named) & {value for value in values if isinstance(value, type)}
    assert {f"{one.__module__}.{one.__qualname__}" for one in named} <= pages["types"].ids


def test_links_lead_somewhere_and_nothing_is_loaded_from_elsewhere(
    made: Path, pages: dict[str, Found]
) -> None:
    assert site_pages.lost(made, pages) == []


def test_code_in_a_docstring_is_code(made: Path) -> None:
    page = (made / "protocol.html").read_text("utf-8")
    before, _, _ = page.partition('id="goim_edu.protocol.CLOSE_CODES"')
    assert '<div class="highlight">' in before
    assert "<blockquote>" not in before


def test_signatures_can_be_read_and_what_is_returned_is_text(made: Path) -> None:
    for path in made.glob("*.html"):
        page = path.read_text("utf-8")
        assert "&lt;function" not in page
        assert "&lt;built-in" not in page
        assert "Return type" not in page
        assert not re.search(r'<dt class="field-\w+">Type<', page)
    assert "os.urandom" in (made / "protocol.html").read_text("utf-8")


def test_a_docstring_that_is_not_well_formed_is_an_error(tmp_path: Path) -> None:
    done = build(
        tmp_path / "out", "reference.FACES = ['errors']; errors.StoreError.__doc__ = 'See ``this.'"
    )
    assert done.returncode != 0
    assert "docstring of goim_edu.errors.StoreError" in done.stderr


def test_a_signature_closes_what_it_opens_and_shows_values(made: Path) -> None:
    shown = ""
    for page in made.glob("*.html"):
        for head in re.findall(r"<dt class=\"sig.*?</dt>", page.read_text("utf-8"), re.DOTALL):
            text = re.sub(r"<[^>]+>", "", head)
            assert text.count("(") == text.count(")"), f"{page.name}: {text}"
            shown += text
    assert "max_heard: int = 1000" in shown
