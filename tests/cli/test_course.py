"""The learner's own copy of the course: what it leaves out, and that it loses nothing."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from goim_edu.cli.course import Copied, copy_course, without_answers
from tests.cli.notebooks import cells, notebook


@pytest.fixture
def mine(course: Path) -> Path:
    folder = course.parent / "course"
    done = copy_course(course, folder)
    assert done == Copied(written=["00-start.ipynb", "03-frames.ipynb"])
    return folder


def run_it(path: Path) -> None:
    """Leave the outputs that running leaves."""
    content = json.loads(path.read_bytes())
    for cell in content["cells"]:
        cell |= {"execution_count": 9, "outputs": [{"output_type": "stream", "text": "mine"}]}
    path.write_text(json.dumps(content))


def test_a_copy_has_no_answers_and_all_cells(course: Path, mine: Path) -> None:
    for path in sorted(course.glob("*.ipynb")):
        copied, original = cells(mine / path.name), cells(path)
        assert [cell["source"] for cell in copied] == [cell["source"] for cell in original]
        assert [cell["metadata"] for cell in copied] == [cell["metadata"] for cell in original]
        assert all(cell["outputs"] == [] for cell in copied)
        assert all(cell["execution_count"] is None for cell in copied)
        assert any(cell["outputs"] for cell in original), "the course keeps them"


def test_the_real_course_has_no_answers_either(root: Path, tmp_path: Path) -> None:
    copy_course(root / "notebooks", tmp_path)
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        copied = nbformat.read(tmp_path / path.name, nbformat.NO_CONVERT)
        nbformat.validate(copied)
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in copied.cells)
        assert len(copied.cells) == len(cells(path))


def test_with_answers_it_is_the_course_as_it_is(course: Path, tmp_path: Path) -> None:
    copy_course(course, tmp_path / "all", answers=True)
    for path in course.glob("*.ipynb"):
        assert (tmp_path / "all" / path.name).read_bytes() == path.read_bytes()


def test_a_second_time_nothing_happens(course: Path, mine: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in mine.glob("*.ipynb")}
    assert copy_course(course, mine) == Copied()
    assert {path: path.stat().st_mtime_ns for path in mine.glob("*.ipynb")} == before


def test_what_a_learner_wrote_stays_when_the_course_changes(course: Path, mine: Path) -> None:
    wrote = notebook("2 + 2", "my answer")
    (mine / "03-frames.ipynb").write_bytes(wrote)
    assert copy_course(course, mine) == Copied(), "nothing newer, so nothing is said"
    (course / "03-frames.ipynb").write_bytes(notebook("new"))
    newer = without_answers(notebook("new"))
    kept, beside = ["03-frames.ipynb"], "03-frames.new.ipynb"
    assert copy_course(course, mine) == Copied(kept=kept, beside=[beside])
    assert (mine / beside).read_bytes() == newer
    assert copy_course(course, mine) == Copied(kept=kept)
    assert (mine / "03-frames.ipynb").read_bytes() == wrote
    assert (mine / beside).read_bytes() == newer


@pytest.fixture
def laid(course: Path, mine: Path) -> Path:
    """A newer chapter 03, beside the one that the learner changed."""
    (mine / "03-frames.ipynb").write_bytes(notebook("my answer"))
    (course / "03-frames.ipynb").write_bytes(notebook("second"))
    copy_course(course, mine)
    return mine / "03-frames.new.ipynb"


def test_what_was_laid_beside_and_thrown_away_stays_away(course: Path, laid: Path) -> None:
    laid.unlink()
    assert copy_course(course, laid.parent) == Copied(kept=["03-frames.ipynb"])
    assert not laid.exists()


def test_a_still_newer_one_takes_the_place_of_what_lies_beside(course: Path, laid: Path) -> None:
    (course / "03-frames.ipynb").write_bytes(notebook("third"))
    done = copy_course(course, laid.parent)
    assert done == Copied(kept=["03-frames.ipynb"], beside=[laid.name])
    assert cells(laid)[0]["source"] == "third"


def test_work_in_what_lies_beside_is_not_lost(course: Path, laid: Path) -> None:
    laid.write_bytes(notebook("work in the new one"))
    (course / "03-frames.ipynb").write_bytes(notebook("third"))
    done = copy_course(course, laid.parent)
    aside = "earlier/03-frames.new-1.ipynb"
    assert done == Copied(kept=["03-frames.ipynb"], beside=[laid.name], moved=[aside])
    assert cells(laid.parent / aside)[0]["source"] == "work in the new one"


@pytest.mark.parametrize("ran", [False, True])
def test_the_newer_one_can_be_taken_over(course: Path, laid: Path, ran: bool) -> None:
    mine = laid.rename(laid.with_name("03-frames.ipynb"))
    if ran:
        run_it(mine)
    before = mine.read_bytes()
    assert copy_course(course, mine.parent) == Copied()
    assert mine.read_bytes() == before
    (course / "03-frames.ipynb").write_bytes(notebook("third"))
    assert copy_course(course, mine.parent).written == [mine.name], "it is the course's again"
    assert not laid.exists()


def test_what_lies_beside_goes_when_the_chapter_is_got_fresh(course: Path, laid: Path) -> None:
    done = copy_course(course, laid.parent, fresh=["03"])
    assert done == Copied(written=["03-frames.ipynb"], moved=["earlier/03-frames-1.ipynb"])
    assert not laid.exists()


def test_a_file_of_the_learners_with_such_a_name_is_set_aside(course: Path, mine: Path) -> None:
    (mine / "03-frames.ipynb").write_bytes(notebook("my answer"))
    (mine / "03-frames.new.ipynb").write_bytes(notebook("mine, too"))
    assert copy_course(course, mine) == Copied()
    (course / "03-frames.ipynb").write_bytes(notebook("second"))
    [aside] = copy_course(course, mine).moved
    assert cells(mine / aside)[0]["source"] == "mine, too"


def test_a_chapter_that_the_course_has_no_more(course: Path, mine: Path) -> None:
    (course / "03-frames.ipynb").rename(course / "03-the-frames.ipynb")
    (course / "00-start.ipynb").rename(course / "00-begin.ipynb")
    (mine / "00-start.ipynb").write_bytes(notebook("mine"))
    done = copy_course(course, mine)
    assert done == Copied(
        written=["00-begin.ipynb", "03-the-frames.ipynb"],
        moved=["earlier/03-frames-1.ipynb"],
        gone=["00-start.ipynb", "03-frames.ipynb"],
    )
    assert cells(mine / "00-start.ipynb")[0]["source"] == "mine"
    assert copy_course(course, mine) == Copied(), "it is said once"


def test_a_newer_course_replaces_what_nobody_touched(course: Path, mine: Path) -> None:
    (course / "00-start.ipynb").write_bytes(notebook("new"))
    assert copy_course(course, mine) == Copied(written=["00-start.ipynb"])
    assert cells(mine / "00-start.ipynb")[0]["source"] == "new"


def test_what_was_only_run_is_set_aside_for_a_newer_course(course: Path, mine: Path) -> None:
    run_it(mine / "00-start.ipynb")
    ran = (mine / "00-start.ipynb").read_bytes()
    assert copy_course(course, mine) == Copied()
    (course / "00-start.ipynb").write_bytes(notebook("new"))
    done = copy_course(course, mine)
    assert done == Copied(written=["00-start.ipynb"], moved=["earlier/00-start-1.ipynb"])
    assert (mine / "earlier" / "00-start-1.ipynb").read_bytes() == ran


def test_a_chapter_can_be_had_fresh_as_often_as_one_likes(course: Path, mine: Path) -> None:
    for number in (1, 2):
        wrote = notebook(f"attempt {number}")
        (mine / "03-frames.ipynb").write_bytes(wrote)
        done = copy_course(course, mine, fresh=["03"])
        aside = f"earlier/03-frames-{number}.ipynb"
        assert done == Copied(written=["03-frames.ipynb"], moved=[aside])
        assert (mine / aside).read_bytes() == wrote
        assert [cell["source"] for cell in cells(mine / "03-frames.ipynb")] == ["2 + 2", "3 + 3"]
    assert copy_course(course, mine, fresh=["all"]) == Copied(), "it is fresh"


def test_a_file_that_is_no_copy_stays(course: Path, mine: Path) -> None:
    (mine / ".course.json").unlink()
    (mine / "00-start.ipynb").write_bytes(b"this is no notebook")
    done = copy_course(course, mine)
    assert done == Copied(kept=["00-start.ipynb"], beside=["00-start.new.ipynb"])
    assert (mine / "00-start.ipynb").read_bytes() == b"this is no notebook"


@pytest.mark.parametrize("manifest", [b"", b"[]", b'{"00-start.ipynb": 5}', b"\xff", b"null"])
def test_a_damaged_manifest_costs_no_file(course: Path, mine: Path, manifest: bytes) -> None:
    (mine / "03-frames.ipynb").write_bytes(notebook("mine"))
    (mine / ".course.json").write_bytes(manifest)
    done = copy_course(course, mine)
    assert done == Copied(kept=["03-frames.ipynb"], beside=["03-frames.new.ipynb"])
    assert cells(mine / "03-frames.ipynb")[0]["source"] == "mine"


def test_the_manifest_of_an_earlier_version_is_read(course: Path, mine: Path) -> None:
    manifest = json.loads((mine / ".course.json").read_bytes())
    assert manifest.keys() == {"version", "answers", "files"}
    (mine / ".course.json").write_text(json.dumps(manifest["files"]))
    (course / "00-start.ipynb").write_bytes(notebook("new"))
    assert copy_course(course, mine) == Copied(written=["00-start.ipynb"])


def test_a_manifest_that_names_files_elsewhere_harms_none(course: Path, mine: Path) -> None:
    (mine.parent / "treasure.ipynb").write_bytes(b"not a notebook")
    manifest = json.loads((mine / ".course.json").read_bytes())
    manifest["files"]["../treasure.ipynb"] = {"file": "", "cells": ""}
    (mine / ".course.json").write_text(json.dumps(manifest))
    assert copy_course(course, mine) == Copied()
    assert (mine.parent / "treasure.ipynb").exists()


def test_a_copy_with_answers_keeps_them(course: Path, tmp_path: Path) -> None:
    copy_course(course, tmp_path / "all", answers=True)
    (course / "00-start.ipynb").write_bytes(notebook("new"))
    assert copy_course(course, tmp_path / "all") == Copied(written=["00-start.ipynb"])
    assert cells(tmp_path / "all" / "00-start.ipynb")[0]["outputs"] != []


def test_the_course_is_not_its_own_copy(course: Path) -> None:
    with pytest.raises(ValueError, match="is the course itself"):
        copy_course(course, course.parent / "notebooks")
    assert not (course / ".course.json").exists()


def test_a_chapter_that_was_thrown_away_comes_again(course: Path, mine: Path) -> None:
    (mine / "00-start.ipynb").unlink()
    assert copy_course(course, mine) == Copied(written=["00-start.ipynb"])


def test_an_unknown_chapter_is_named_with_those_that_there_are(course: Path, mine: Path) -> None:
    with pytest.raises(ValueError, match=r"no chapter '99': say one of 00, 03, or all"):
        copy_course(course, mine, fresh=["99"])


def test_a_chapter_in_two_parts_is_got_fresh_whole_or_in_part(course: Path, mine: Path) -> None:
    (course / "03b-more.ipynb").write_bytes(notebook("5 + 5"))
    assert copy_course(course, mine) == Copied(written=["03b-more.ipynb"])
    for name in ("03-frames.ipynb", "03b-more.ipynb"):
        (mine / name).write_bytes(notebook("mine"))
    part = copy_course(course, mine, fresh=["03b"])
    assert (part.written, part.moved) == (["03b-more.ipynb"], ["earlier/03b-more-1.ipynb"])
    whole = copy_course(course, mine, fresh=["03"])
    assert whole.written == ["03-frames.ipynb"], "the other is as the course has it"
    with pytest.raises(ValueError, match=r"say one of 00, 03, 03b, or all"):
        copy_course(course, mine, fresh=["3"])


def test_what_is_done_is_taken_along_once(course: Path, tmp_path: Path) -> None:
    (course / ".progress.txt").write_text("03.2 done\n")
    mine = tmp_path / "mine"
    copy_course(course, mine)
    assert (mine / ".progress.txt").read_text() == "03.2 done\n"
    (mine / ".progress.txt").write_text("03.2 done\n03.4 done\n")
    copy_course(course, mine)
    assert (mine / ".progress.txt").read_text() == "03.2 done\n03.4 done\n"
    (mine / ".progress.txt").unlink()
    copy_course(course, mine)
    assert not (mine / ".progress.txt").exists(), "a learner may begin anew"


def test_what_is_no_notebook_is_refused() -> None:
    for wrong in (b"", b"[]", b'{"cells": 5}'):
        with pytest.raises(ValueError, match=r"notebook|Expecting"):
            without_answers(wrong)
