"""Every exercise: its starter fails, its solution passes, each wrong answer is told its fault."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from goim_edu import exercises
from goim_edu.exercises.catalogue import CHAPTERS, all_exercises, chapter
from goim_edu.exercises.judge import judge_function
from goim_edu.exercises.model import Function, Measure, Predict
from goim_edu.exercises.predictions import judge_prediction, normal

# What stops an endless loop may strike while hypothesis counts the time of a garbage collection;
# Python can then only print it, and it is raised again.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

ALL = all_exercises()
FUNCTIONS = [exercise for exercise in ALL if isinstance(exercise, Function)]
QUESTIONS = [exercise for exercise in ALL if isinstance(exercise, Predict)]
MEASURES = [exercise for exercise in ALL if isinstance(exercise, Measure)]
WRONG = [(exercise, index) for exercise in FUNCTIONS for index in range(len(exercise.wrong))]
OTHERS = [(exercise, index) for exercise in FUNCTIONS for index in range(len(exercise.others))]
TIPS = [(exercise, index) for exercise, index in WRONG if exercise.text.wrong[index].text]


def by_id(value: object) -> str | None:
    name = getattr(value, "id", None)
    return str(name) if name else None


@pytest.fixture(autouse=True)
def _progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may write a learner's file."""
    monkeypatch.setenv("GOIM_PROGRESS", str(tmp_path / "progress.txt"))


def run(source: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "learner"}
    exec(compile(source, "<learner>", "exec"), namespace)
    return namespace


def last_value(source: str) -> Any:
    """What a cell shows: the value of its last line."""
    tree = ast.parse(source)
    last = tree.body.pop()
    assert isinstance(last, ast.Expr), "the last line of an experiment is an expression"
    namespace: dict[str, Any] = {"__name__": "learner"}
    exec(compile(tree, "<experiment>", "exec"), namespace)
    return eval(compile(ast.Expression(last.value), "<experiment>", "eval"), namespace)


# ---------------------------------------------------------------------- the course as a whole


@pytest.mark.parametrize("number", CHAPTERS)
def test_a_chapter_has_three_exercises_or_more_in_order(number: str) -> None:
    names = [exercise.id for exercise in chapter(number)]
    assert names == [f"{number}.{k}" for k in range(1, len(names) + 1)]
    assert len(names) >= 3


@pytest.mark.parametrize("exercise", ALL, ids=by_id)
def test_hints_and_statement_are_there(exercise: Any) -> None:
    said = exercise.text
    assert len(said.hints) >= 2
    assert said.statement.endswith((".", "?", ")", "`"))
    for text in (said.statement, said.after, *said.hints):
        assert text.count("`") % 2 == 0, "a backquote is not closed"


# ---------------------------------------------------------------------- functions


@pytest.mark.parametrize("exercise", FUNCTIONS, ids=by_id)
def test_the_starter_fails(exercise: Function) -> None:
    card = exercises.check(exercise.id, run(exercise.start)[exercise.name])
    assert card.passed is False


@pytest.mark.parametrize("exercise", FUNCTIONS, ids=by_id)
def test_the_solution_that_is_shown_passes(exercise: Function) -> None:
    card = exercises.check(exercise.id, run(exercise.solution)[exercise.name])
    assert card, card.plain()


@pytest.mark.parametrize(("exercise", "index"), OTHERS, ids=by_id)
def test_another_right_answer_passes_and_is_another(exercise: Function, index: int) -> None:
    title, trades, program = exercise.others[index]
    card = exercises.check(exercise.id, run(program)[exercise.name])
    assert card, card.plain()
    assert title in card.plain()
    assert program.splitlines()[-1].strip() in card.plain()
    assert (title + trades).count("`") % 2 == 0, "a backquote is not closed"
    assert max(map(len, program.splitlines())) <= 88, "a card is not wider"
    programs = [exercise.solution, *(code for _, _, code in exercise.others)]
    assert len({ast.unparse(ast.parse(one)) for one in programs}) == len(programs)


def test_the_functions_of_chapters_02_to_05_have_two_other_answers() -> None:
    asked = [one for one in FUNCTIONS if "02" <= one.id[:2] <= "05"]
    without = [one.id for one in asked if len(one.others) < 2]
    assert without == ["02.4", "03.5", "03.6"]  # not written yet


@pytest.mark.parametrize("exercise", [e for e in FUNCTIONS if e.package], ids=by_id)
def test_the_package_passes_its_own_exercise(exercise: Function) -> None:
    assert exercise.package
    card = judge_function(exercise, exercise.package)
    assert card, card.plain()


def test_every_exercise_says_how_hard_it_is_and_how_long_it_takes() -> None:
    for exercise in all_exercises():
        assert exercise.text.level in ("easy", "medium", "hard"), exercise.id
        assert 1 <= exercise.text.minutes <= 30, exercise.id


@pytest.mark.parametrize("exercise", FUNCTIONS, ids=by_id)
def test_three_wrong_answers_or_more(exercise: Function) -> None:
    assert len(exercise.wrong) >= 3
    assert len(set(exercise.mistakes)) == len(exercise.wrong)


@pytest.mark.parametrize(("exercise", "index"), WRONG, ids=by_id)
def test_a_wrong_answer_is_refused_by_the_name_of_its_fault(exercise: Function, index: int) -> None:
    function = run(exercise.mistakes[index])[exercise.name]
    card = judge_function(exercise, function, tips=False)
    assert card.passed is False
    text = card.plain()
    assert exercise.text.wrong[index].title in text
    assert "Traceback" not in text


@pytest.mark.parametrize(("exercise", "index"), TIPS, ids=by_id)
def test_a_known_mistake_is_recognised(exercise: Function, index: int) -> None:
    function = run(exercise.mistakes[index])[exercise.name]
    tip = exercise.text.wrong[index].text
    assert f"It looks like this: {tip}" in exercises.check(exercise.id, function).plain()


# ---------------------------------------------------------------------- predictions


@pytest.mark.parametrize("exercise", QUESTIONS, ids=by_id)
def test_the_experiment_shows_the_answer(exercise: Predict) -> None:
    right: object = exercise.answer
    if exercise.right:
        right = exercise.text.options[ord(exercise.right) - ord("a")].title
    if not exercise.experiment:
        assert "RFC" in exercise.text.source or "manual" in exercise.text.source
        return
    assert normal(last_value(exercise.cell)) == normal(right)


@pytest.mark.parametrize("exercise", QUESTIONS, ids=by_id)
def test_each_wrong_guess_has_an_answer_of_its_own(exercise: Predict) -> None:
    if exercise.right:
        letters = "abcdefgh"[: len(exercise.text.options)]
        guesses = [letter for letter in letters if letter != exercise.right]
    else:
        guesses = [guess.title for guess in exercise.text.guesses]
        assert exercise.text.otherwise
    assert len(guesses) >= 2
    said = set()
    for guess in guesses:
        card = judge_prediction(exercise, guess)
        assert card.passed is False
        said.add(card.plain())
    assert len(said) == len(guesses)


@pytest.mark.parametrize("exercise", QUESTIONS, ids=by_id)
def test_the_right_guess_is_right(exercise: Predict) -> None:
    assert exercises.predict(exercise.id, exercise.right or exercise.answer)
    assert exercises.predict(exercise.id, "no such thing").passed is False


# ---------------------------------------------------------------------- measurements


@pytest.mark.parametrize("exercise", MEASURES, ids=by_id)
def test_a_measurement_done_right_is_right(exercise: Measure) -> None:
    card = exercises.check(exercise.id, run(exercise.solution)["answer"])
    assert card, card.plain()


@pytest.mark.parametrize("exercise", MEASURES, ids=by_id)
def test_a_measurement_not_made_fails(exercise: Measure) -> None:
    assert not exercises.check(exercise.id, run(exercise.start)["answer"])


@pytest.mark.parametrize("exercise", MEASURES, ids=by_id)
def test_wrong_measurements_are_told_why(exercise: Measure) -> None:
    assert len(exercise.wrong) >= 3
    for answer, names in exercise.wrong:
        card = exercises.check(exercise.id, answer)
        assert card.passed is False
        assert names in card.plain(), answer
