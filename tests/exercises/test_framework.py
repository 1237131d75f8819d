"""What stands around the exercises: made-up inputs, odd answers, hints, progress."""

from __future__ import annotations

import gc
import json
import runpy
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from goim_edu import exercises
from goim_edu.exercises import progress_file as record
from goim_edu.exercises.catalogue import all_exercises, find
from goim_edu.exercises.judge import judge_function
from goim_edu.exercises.made_up_inputs import Choices, made_up, smallest
from goim_edu.exercises.model import Function, changed, code
from goim_edu.exercises.predictions import normal
from goim_edu.feedback.sandbox import Outcome


@pytest.fixture(autouse=True)
def progress_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "progress.txt"
    monkeypatch.setenv(record.VARIABLE, str(path))
    monkeypatch.setattr(record, "_in_memory", set())
    monkeypatch.setattr(exercises, "_shown_hints", {})
    return path


def loop_for_ever(data: bytes) -> None:
    while True:
        pass


def function(name: str) -> Function:
    found = find(name)
    assert isinstance(found, Function)
    return found


# ---------------------------------------------------------------------- made-up inputs


def test_made_up_inputs_are_the_same_in_every_run() -> None:
    code = (
        "from goim_edu.exercises.made_up_inputs import made_up\n"
        "print(list(made_up(lambda c: (c.octets(0, 9), c.text(0, 5)), 'x', 20)))"
    )
    runs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
        for _ in range(2)
    }
    assert len(runs) == 1


def test_a_failing_input_is_made_small() -> None:
    def maker(c: Choices) -> tuple[list[int], bytes]:
        return c.some(0, 20, lambda: c.integer(0, 1000)), c.octets(0, 50)

    def fails(args: tuple[Any, ...]) -> bool:
        return any(number >= 500 for number in args[0])

    made = next(made for made, args in made_up(maker, "seed", 100) if fails(args))
    assert smallest(maker, made, fails) == ([500], b"")


def test_choices_answer_out_of_a_list_and_then_simply() -> None:
    assert Choices([1, 1]).pick("abc") == "b"
    assert Choices().text(2, 5) == "aa"
    assert Choices([100, 7]).octets(0, 100)[46:49] == bytes([0, 7, 0])
    assert Choices([999]).integer(3, 5) == 5


# ---------------------------------------------------------------------- typed answers
@pytest.mark.parametrize(
    ("typed", "same"),
    [
        (129, "0x81"),
        (b"Hi", "48 69"),
        ("True", True),
        (2.0, 2),
        ([1, "a"], "(1, 'a')"),
        ("1,000", 1000),
        (None, "none"),
        (" 'Hi'. ", "hi"),
    ],
)
def test_an_answer_may_be_typed_in_several_ways(typed: object, same: object) -> None:
    assert normal(typed) == normal(same)


# ---------------------------------------------------------------------- answers of all sorts


@pytest.mark.parametrize(
    ("name", "answer", "words"),
    [
        ("03.2", None, "without calling it"),
        ("03.2", 5, "a function is wanted"),
        ("03.99", len, "There is no exercise 03.99"),
        ("99.1", len, "There is no exercise 99.1"),
        ("three", len, "not the number of an exercise"),
        ("03.2", lambda: None, "TypeError"),
        ("03.2", lambda data: (1, 2), "4 are wanted"),
        ("03.2", lambda data: sys.exit(3), "SystemExit"),
        ("03.7", {5: "six"}, "six"),
        ("03.1", "x", "Choose one of the letters a, b, c and d"),
    ],
)
def test_odd_answers_get_a_friendly_card(name: str, answer: object, words: str) -> None:
    card = exercises.check(name, answer)
    assert card.passed is not True
    assert words in card.plain()
    assert "Traceback" not in card.plain()


class Odd:
    """A value that cannot be compared or shown."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    def __hash__(self) -> int:
        return 1

    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_a_value_that_cannot_be_compared_or_shown_is_just_wrong() -> None:
    card = exercises.check("03.2", lambda data: Odd())
    assert card.passed is False
    assert "repr raises RuntimeError" in card.plain()


def test_odd_parts_of_a_tuple_are_just_wrong() -> None:
    card = exercises.check("03.2", lambda data: (Odd(), 1, False, 5))
    assert card.passed is False
    assert "repr raises" in card.plain()


def test_an_answer_of_another_kind_than_compared_is_wrong() -> None:
    assert "`bytes` is wanted" in exercises.check("07.2", lambda message: 5).plain()
    assert "ends without `return`" in exercises.check("07.2", lambda message: None).plain()


async def answers_later(*args: Any) -> Any:
    return args


async def yields_later(*args: Any) -> Any:
    yield args


@pytest.mark.parametrize("answer", [answers_later, yields_later])
@pytest.mark.parametrize("number", ["03.2", "03.8", "12.2"])
def test_an_async_function_gets_a_card_that_says_so(number: str, answer: Any) -> None:
    card = exercises.check(number, answer)
    assert card.passed is False
    assert f"Write `def {function(number).name}(...)`" in card.plain()
    assert "hint" in card.plain()


@pytest.mark.filterwarnings("error")
def test_a_coroutine_is_named_and_closed() -> None:
    card = judge_function(function("03.2"), lambda data: answers_later(data))
    gc.collect()
    assert "gave back a coroutine (it says `async`)" in card.plain()


@pytest.mark.parametrize("number", ["02.5", "05.4"])
def test_none_is_no_forgotten_return_where_it_is_an_answer(number: str) -> None:
    card = exercises.check(number, lambda *args: None).plain()
    assert "`None` back; on this input that is not the answer" in card
    assert "ends without `return`" not in card


KEEPS_ITS_LOCK = """
    import threading

    def once(connect):
        lock = threading.Lock()
        found = []

        def get():
            lock.acquire()
            if not found:
                found.append(connect())
            lock.release()
            return found[0]

        return get
"""


def test_a_lock_that_is_not_given_back_is_named() -> None:
    exercise = function("12.2")
    card = exercises.check("12.2", exercise.load(code(KEEPS_ITS_LOCK)))
    assert "case 2 of 3" in card.title
    assert "`with lock:` gives it back" in card.plain()


def test_a_function_that_hangs_on_a_made_up_input_is_stopped() -> None:
    exercise = function("03.2")
    known = {args[0] for args in exercise.cases}

    def sometimes(data: bytes) -> Any:
        if data not in known:
            loop_for_ever(data)
        return exercise.reference(data)

    assert "nothing is broken" in exercises.check("03.2", sometimes).plain()


def test_a_function_that_is_right_but_very_slow_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("goim_edu.exercises.judge._LONGEST", 0.0)
    card = exercises.check("03.2", function("03.2").reference)
    assert "a very long way round" in card.plain()


def test_a_measurement_that_never_ends_or_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(message: Any, queues: Any, encode: Any) -> None:
        raise ValueError("no")

    assert "ValueError: no" in exercises.check("09.6", fails).plain()

    def stops(*_: Any, **__: Any) -> Any:
        return Outcome(stopped=True)

    monkeypatch.setattr(exercises, "call", stops)
    assert "too long" in exercises.check("09.6", fails).plain()


def test_a_function_may_not_spoil_the_arguments_of_the_next() -> None:
    exercise = function("03.8")

    def spoils(buffer: bytes) -> Any:
        return exercise.reference(buffer)

    assert exercises.check("03.8", spoils)


def test_what_the_function_printed_is_shown() -> None:
    def talks(data: bytes) -> None:
        print("looking at", data[0])

    assert "looking at 129" in exercises.check("03.2", talks).plain()


def test_a_counter_example_is_made_up_and_small() -> None:
    """Right on all cases, wrong where nobody looked: masked frames of 7 bytes or more."""
    exercise = function("03.4")

    def nearly(*args: Any) -> bytes:
        data: bytes = exercise.reference(*args)
        if args[3] is not None and 7 <= len(args[0]) <= 100:
            return data[:-1] + bytes([data[-1] ^ 1])
        return data

    card = exercises.check("03.4", nearly)
    text = card.plain()
    assert "made-up input" in text
    assert 'build_frame(bytes.fromhex("00 00 00 00 00 00 00"), ' in text
    assert card.picture
    assert card.picture.fields[0]["field"] == "Payload data"


def test_an_endless_loop_in_an_answer_is_stopped_with_a_kind_word() -> None:
    card = exercises.check("03.2", loop_for_ever)
    assert "nothing is broken" in card.plain()


def test_the_same_answer_gives_the_same_card() -> None:
    def wrong(data: bytes) -> Any:
        return data[0], object(), {"b", "a"}, 1

    one, two = (exercises.check("03.2", wrong)._repr_mimebundle_() for _ in range(2))
    assert one == two


def test_a_wrong_answer_must_change_something() -> None:
    with pytest.raises(ValueError, match="not in the program to change"):
        changed("x = 1", ("no such text", "y"))


# ---------------------------------------------------------------------- hints, solution, progress


def test_hints_can_go_back_to_any_and_go_on_from_there() -> None:
    exercise = function("03.2")
    last = len(exercise.text.hints)
    for number in range(1, last + 1):
        assert f"hint {number} of {last}" in exercises.hint("03.2").title
    assert 'hint("03.2", 1)' in exercises.hint("03.2").plain()
    assert f"hint 1 of {last}" in exercises.hint("03.2", 1).title
    assert f"hint 2 of {last}" in exercises.hint("03.2").title
    assert f"hint 1 of {last}" in exercises.hint("03.2", -3).title
    assert f"hint {last} of {last}" in exercises.hint("03.2", 99).title


def test_hints_come_one_by_one_and_the_last_stays() -> None:
    exercise = function("03.2")
    said = [exercises.hint("03.2").plain() for _ in range(len(exercise.text.hints) + 1)]
    for text, hint in zip(said, exercise.text.hints, strict=False):
        assert " ".join(hint.split()) in text
    assert said[-1] == said[-2]
    assert "solution" in said[-1]


def test_solutions_show_code() -> None:
    assert "def read_start" in exercises.solution("03.2").plain()
    text = exercises.solution("03.4").plain()
    assert "goim_edu.websocket.frames.build_frame" in text
    assert exercises.solution("03.1").plain().count("81 02 48 69") == 1
    assert "answer[size]" in exercises.solution("03.7").plain()
    for ask in (exercises.solution, exercises.hint, exercises.starter, exercises.statement):
        assert "There is no exercise" in ask("03.99").plain()


def test_starters_and_statements() -> None:
    assert "def read_start" in exercises.starter("03.2").plain()
    assert exercises.starter("03.1").plain() == exercises.statement("03.1").plain()
    assert "answer" in exercises.starter("03.7").plain()
    assert exercises.check("03.2").plain() == exercises.statement("03.2").plain()
    assert exercises.predict("03.3").passed is None


def written(folder: Path, source: str) -> Any:
    """The function that a learner has written into a file, or a cell: its text can be read."""
    path = folder / "answer.py"
    path.write_text(source)
    return runpy.run_path(str(path))["mine"]


def test_an_untouched_starter_is_told_its_task_under_any_name(tmp_path: Path) -> None:
    starter: str = find("03.2").start  # type: ignore[union-attr]
    mine = starter.replace("read_start", "mine")
    card = exercises.check("03.2", written(tmp_path, mine))
    assert card.passed is None
    assert "takes the first two bytes of a frame apart" in card.plain()
    assert "still as it was" in card.plain()
    changed_one = written(tmp_path, mine.replace("opcode = ...", "opcode = first"))
    assert exercises.check("03.2", changed_one).passed is False
    assert exercises.check("03.2", len).passed is False, "it has no text"


def test_a_measure_that_is_not_filled_in_is_told_its_task() -> None:
    blank = dict.fromkeys(("keep", "set", "flip", "away"), ...)
    card = exercises.check("03.9", blank)
    assert card.passed is None
    assert "Work with a pencil" in card.plain()
    begun = exercises.check("03.9", blank | {"keep": 10})
    assert begun.passed is False
    assert "`set` has no number yet" in begun.plain()


def test_what_is_done_says_what_is_next(progress_file: Path) -> None:
    progress_file.write_text("03.1 done\n03.3 done\n")
    read_start: Any = find("03.2").reference  # type: ignore[union-attr]
    text = exercises.check("03.2", read_start).plain()
    assert "3 of 5 in 03. Next: 03.9 Four operators, by hand (3 min)." in text
    progress_file.write_text("".join(f"03.{number} done\n" for number in (9, 1, 3, 7)))
    said = exercises.check("03.2", read_start).plain()
    assert "That is all of 03. Next: chapter 03b, frames." in said
    progress_file.write_text("".join(f"03.{number} done\n" for number in range(1, 10)))
    said = exercises.check("03.6", find("03.6").reference).plain()  # type: ignore[union-attr]
    assert "4 of 4 in 03b. That is all of 03b. Next: chapter 04, masking." in said


def test_progress_is_a_plain_text_file_that_is_resumed(progress_file: Path) -> None:
    exercises.check("03.2", lambda data: None)
    assert not progress_file.exists()
    assert "0 of" in exercises.progress().plain()
    exercises.check("03.2", function("03.2").reference)
    exercises.check("03.2", function("03.2").reference)
    exercises.predict("03.1", "c")
    assert progress_file.read_text() == "03.2 done\n03.1 done\n"
    text = exercises.progress().plain()
    assert "· 03.9  ✓ 03.2  ✓ 03.1  · 03.3" in text


def test_progress_on_the_command_line(
    progress_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from goim_edu.cli import main

    progress_file.write_text("03.1 done\n")
    assert main(["progress"]) == 0
    assert "✓ 03.1" in capsys.readouterr().out


def test_progress_on_a_terminal_that_knows_ascii_only(progress_file: Path) -> None:
    progress_file.write_text("03.1 done\n")
    environment = {"PYTHONIOENCODING": "ascii", record.VARIABLE: str(progress_file)}
    command = [sys.executable, "-m", "goim_edu", "progress"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "? 03.1" in done.stdout


def test_a_damaged_file_is_read_as_far_as_it_goes(progress_file: Path) -> None:
    progress_file.write_bytes(b"03.2 done\n\xff\xfe\nmy notes\n03.3 done yesterday\n99.9")
    assert record.read_done() == {"03.2", "03.3"}


def test_a_file_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(record.VARIABLE, str(tmp_path / "no such folder" / "file"))
    card = exercises.check("03.2", function("03.2").reference)
    assert card
    assert "cannot be written" in card.plain()
    assert record.read_done() == {"03.2"}


def test_it_is_written_beside_the_notebooks_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(record.VARIABLE)
    monkeypatch.chdir(tmp_path)
    assert record.where() is None
    assert "only until Python ends" in record.mark_done("03.2")
    assert list(tmp_path.iterdir()) == []
    assert record.read_done() == {"03.2"}
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00.ipynb").write_text(json.dumps({}))
    assert record.where() == tmp_path / "notebooks" / ".progress.txt"
    monkeypatch.chdir(tmp_path / "notebooks")
    assert record.where() == tmp_path / "notebooks" / ".progress.txt"


def test_all_done(progress_file: Path) -> None:
    from goim_edu.exercises.catalogue import all_exercises

    progress_file.write_text("".join(f"{one.id} done\n" for one in all_exercises()))
    assert "Well done" in exercises.progress().plain()


# ---------------------------------------------------------------------- fair messages


def said_of(exercise: str, answer: Any) -> str:
    return str(exercises.check(exercise, answer))


@pytest.mark.parametrize("exercise", ["03.8", "11.3", "12.2", "13.5"])
def test_an_error_of_the_check_is_not_put_on_the_learner(exercise: str) -> None:
    def takes_nothing() -> None:
        return None

    def raises(*_: Any) -> None:
        raise LookupError("mine")

    words = said_of(exercise, takes_nothing)
    assert "Your function raised" not in words
    assert "no line of yours raised it" in words
    assert "no line of yours raised it" not in said_of(exercise, raises)


def test_a_result_of_no_use_gets_no_reason_of_the_first_case() -> None:
    def slips(*_: Any) -> None:
        return None

    why = f"Why: {function('03.2').text.cases[0].text}"
    assert function("03.2").text.cases[0].text
    assert why in said_of("03.2", lambda _: (True, 9))
    for answer in (slips, lambda _: ..., loop_for_ever):
        assert "Why:" not in said_of("03.2", answer)


def test_what_is_no_function_has_the_right_article() -> None:
    assert "This is an `int`" in said_of("03.2", 7)
    assert "This is a `str`" in said_of("03.2", "x")


def test_an_error_in_a_thread_is_told_on_the_card_alone(capfd: pytest.CaptureFixture[str]) -> None:
    def once(connect: Any) -> Any:
        found: list[Any] = []

        def get() -> Any:
            if threading.current_thread().name != "exercise":
                raise LookupError("among others")
            found.extend([] if found else [connect()])
            return found[0]

        return get

    assert "Your function raised `LookupError: among others`" in said_of("12.2", once)
    assert "Traceback" not in capfd.readouterr().err


def test_a_file_of_progress_of_version_0_1_is_read_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exercise keeps its number, also where its chapter was cut in two."""
    numbers = {one.id for one in all_exercises() if one.id[:3] != "15."} - {"03.9"}
    assert len(numbers) == 99
    file = tmp_path / "progress"
    file.write_text("".join(f"{number} done\n" for number in sorted(numbers)))
    monkeypatch.setenv("GOIM_PROGRESS", str(file))
    said = exercises.progress().plain()
    assert said.count("✓") >= len(numbers)
    assert f"{len(numbers)} of " in said
