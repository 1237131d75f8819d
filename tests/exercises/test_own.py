"""Exercises of one's own: out of Python and out of Markdown, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goim_edu import exercises
from goim_edu.exercises import (
    Case,
    Exercise,
    Function,
    Measure,
    Predict,
    Section,
    Text,
    Wrong,
    add,
    catalogue,
    check,
    hint,
    predict,
    progress,
    solution,
    starter,
    statement,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "exercises-of-your-own.md"


def twice(number: int) -> int:
    return 2 * number


TWICE = Function(
    id="my.1",
    text=Text(title="Twice", statement="Write `twice(number)`."),
    reference=twice,
    cases=[Case(3, title="three", why="Twice 3 is 6."), (2,)],
    wrong=[Wrong("2 *", "2 +", words="should give", tip="This adds two.")],
)


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test adds is forgotten after it, and no learner's file is written."""
    monkeypatch.setattr(catalogue, "_own", {})
    monkeypatch.setenv("GOIM_PROGRESS", str(tmp_path / "progress.txt"))


def blocks(language: str, fence: str = "```") -> Iterator[str]:
    """The code of a language on the page."""
    for found in re.finditer(rf"^{fence}{language}\n(.*?)^{fence}$", PAGE.read_text(), re.M | re.S):
        yield found[1]


def test_the_page_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (text,) = blocks("markdown", "~~~~")
    Path("my_exercises.md").write_text(text, "utf-8")
    outside = re.sub(r"^~~~~.*?^~~~~$", "", PAGE.read_text(), flags=re.M | re.S)
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", outside, re.M | re.S))
    path = tmp_path / "cells.py"
    path.write_text(code)
    exec(compile(code, str(path), "exec"), {"__name__": "cells"})
    shown = capsys.readouterr().out
    assert "my.1 Control frames: not yet (case 3 of 3)" in shown
    assert "It looks like this: This leaves out the Close" in shown
    assert [one.id for one in catalogue.own_exercises()] == ["my.1", "my.2", "my.3"]
    found = catalogue.find("my.2")
    assert isinstance(found, Function)
    assert check("my.2", found.reference)
    tried = check("my.2", lambda length: 2 if length < 126 else 4)
    assert "case 3 of 3" in tried.title
    assert "You stopped at 16 bits" in tried.plain()
    assert "not yet" in predict("my.3", "a").title
    assert "my.3" in progress().plain()


def test_its_cards_look_like_those_of_the_course() -> None:
    assert add(TWICE).title == "Added: my.1 Twice"
    assert statement("my.1").title == "my.1 Twice"
    assert "def twice(number):\n        ..." in starter("my.1").plain()
    assert "return 2 * number" in solution("my.1").plain()
    assert "There is no hint" not in hint("my.1").plain()
    right = check("my.1", lambda number: number + number)
    assert right.title == "✓ my.1 Twice: done"
    wrong = check("my.1", lambda number: number + 2)
    assert wrong.title == "✗ my.1 Twice: not yet (case 1 of 2)"
    for words in ("Tried: three.", "Why: Twice 3 is 6.", "This adds two.", 'solution("my.1")'):
        assert words in wrong.plain()
    unnamed = check("my.1", lambda number: 6)
    assert "Tried: `twice(2)`." in unnamed.plain()
    assert "goim-card" in wrong.html()


def test_what_is_done_is_remembered() -> None:
    add(TWICE)
    assert "· my.1" in progress().plain()
    assert check("my.1", twice)
    assert "✓ my.1" in progress().plain()


def test_an_exercise_can_be_tried_without_being_added() -> None:
    assert check(TWICE, twice)
    assert not check(TWICE, abs)
    assert catalogue.own_exercises() == ()


def test_added_again_it_takes_the_place_of_the_old_one() -> None:
    add(TWICE)
    add(replace(TWICE, text=replace(TWICE.text, title="Double")))
    assert statement("my.1").title == "my.1 Double"
    assert len(catalogue.own_exercises()) == 1


def test_predictions_and_measurements_can_be_ones_own() -> None:
    words = Text(title="T", statement="S", options=(Section("1", "no"), Section("2", "yes")))
    add(Predict(id="my.2", text=words, right="b"))
    assert predict("my.2", "b")
    assert "no" in predict("my.2", "a").plain()
    typed = Text(title="T", statement="S", guesses=(Section("1", "too few"),), otherwise="no")
    add(Predict(id="my.3", text=typed, answer=2))
    assert predict("my.3", 2)
    assert "too few" in predict("my.3", 1).plain()
    add(
        Measure(
            id="my.4",
            text=Text(title="T", statement="S"),
            starter="answer = 0",
            judge=lambda given: None if given == 3 else "It is more.",
            solved=("0", "3"),
            wrong=((0, "more"),),
        )
    )
    assert check("my.4", 3)
    assert "It is more." in check("my.4", 0).plain()


@pytest.mark.parametrize("number", ["03.2", "3.2", "99.1", "my", "My.1", "my.one", "", "1.my.1"])
def test_a_number_that_could_be_the_courses_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="a number of your own is a word, a dot and a number"):
        add(replace(TWICE, id=number))
    found = catalogue.find("03.2")
    assert isinstance(found, Function)
    assert found.name != "twice"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"cases": []}, "has no case"),
        ({"text": Text(statement="S")}, "without title"),
        ({"text": Text(title="T")}, "without title or statement"),
        ({"wrong": [Wrong("2 *", "number + 1 *")]}, "wrong answer 1 is right on each case"),
        ({"wrong": [Wrong("3 *", "2 *")]}, "'3 \\*' is not in the program"),
        ({"wrong": [Wrong("2 *", "2 +", words="too long")]}, "does not say 'too long', but: "),
        ({"text": replace(TWICE.text, cases=(Section("a", "b"),))}, "has 1 sections 'case'"),
        ({"text": replace(TWICE.text, also=(Section("a", "b"),))}, "'a' has no code 'also 1'"),
        ({"reference": eval("lambda number: 2"), "called": "f"}, "give it as source"),
    ],
)
def test_what_is_not_complete_is_refused(change: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        add(replace(TWICE, **change))
    assert catalogue.own_exercises() == ()


@pytest.mark.parametrize("other", [None, 5, twice, Case(3)])
def test_something_else_is_not_an_exercise(other: Any) -> None:
    with pytest.raises(TypeError, match="a Function, a Predict or a Measure, not"):
        add(other)


FILE = next(blocks("markdown", "~~~~"))


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("# my Frames", "# 03 Frames", r"my\.md:1: # 03 Frames, once more: not a chapter"),
        ("## my.2", "## 03.2", r"my\.md:3: .*not an exercise"),
        ("## my.2", "## your.2", r"my\.md:3: .*not an exercise of chapter my"),
        ("## my.3", "## my.2", r"my\.md:\d+: .*here for the second time"),
        ("def header_size(length):\n    if", "header_size = 5\nif", r"my\.md:3: .*does not run"),
        ("header_size(5)", "header_sizes(5)", r"my\.md:3: the code of case 1 is a call"),
        ("header_size(5)", "header_size(five)", r"my\.md:3: case 1 cannot be called: NameError"),
        ("wrong 1: more", "wrong 1: less", r"my\.md:3: .*does not say 'less than 16 bits', but: "),
        (
            "126 else 4\n",
            "126 else 4 if length < 65_536 else 10\n",
            r"my\.md:3: .*is right on each",
        ),
        ("### answer\nb", "### answer\nc", r"my\.md:\d+: the answer is one of the options 'ab'"),
        ("### answer\nb", "", r"my\.md:\d+: .*neither '### reference' with code nor"),
        ("+ 6 * (l", "+ 8 * (l", r"my\.md:3: .*other answer '`True` counts as 1' is not right"),
        ("Shorter, but it must be known.", "", r"my\.md:\d+: .*says what it trades, and its code"),
        ("### hint 1", "### tip 1", r"my\.md:6: .*unknown section"),
    ],
)
def test_a_fault_of_a_file_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, error: str
) -> None:
    assert old in FILE
    path = tmp_path / "my.md"
    path.write_text(FILE.replace(old, new, 1), "utf-8")
    with pytest.raises(ValueError, match=error):
        add(path)
    assert catalogue.own_exercises() == ()


def test_a_file_that_is_not_there_or_is_empty(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        add(tmp_path / "none.md")
    (tmp_path / "my.md").write_text("# my Own\n", "utf-8")
    with pytest.raises(ValueError, match=r"my\.md:1: there is no exercise in it"):
        add(tmp_path / "my.md")


def test_all_that_an_exercise_is_made_of_is_exported() -> None:
    made: list[Exercise] = [TWICE]
    assert made
    for name in ("Exercise", "Function", "Case", "Wrong", "Predict", "Measure", "Text", "add"):
        assert name in exercises.__all__
