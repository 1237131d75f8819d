"""The prose of the exercises: what a file may say, and what is said about one that is wrong."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from goim_edu.exercises.catalogue import CHAPTERS, chapter, with_texts
from goim_edu.exercises.model import Exercise
from goim_edu.exercises.prose import Section, Text, load, read

GOOD = """# 01 sums

## 01.1 Add
Write `add(a, b)`.
It adds.

### hint 1
One.

### hint 2
Two.

### case 1: small numbers
They are added.

### case 2: big numbers
= case 1

### wrong 1: should give
the numbers are multiplied.

### wrong 2: `None`

### after
Done.

### also 1: with `sum`
Shorter; slower.
```python
def add(a, b):
    return sum([a, b])
```

## 01.2 Guess

How much is 1 + 1?

### option a: 2
Right.

### option b: 11
That is the text.

### guess: 3
Too much.

### otherwise
Count.

### hint 1
Count.

### source
RFC 1.
"""


def test_a_file_is_taken_apart() -> None:
    title, texts = read(GOOD, "sums.md")
    assert title == "sums"
    assert texts == {
        "01.1": Text(
            title="Add",
            statement="Write `add(a, b)`. It adds.",
            hints=("One.", "Two."),
            cases=(
                Section("small numbers", "They are added."),
                Section("big numbers", "They are added."),
            ),
            wrong=(Section("should give", "the numbers are multiplied."), Section("`None`", "")),
            after="Done.",
            also=(Section("with `sum`", "Shorter; slower."),),
            code={"also 1": "def add(a, b):\n    return sum([a, b])"},
            place="sums.md:3",
        ),
        "01.2": Text(
            title="Guess",
            statement="How much is 1 + 1?",
            hints=("Count.",),
            options=(Section("2", "Right."), Section("11", "That is the text.")),
            guesses=(Section("3", "Too much."),),
            otherwise="Count.",
            source="RFC 1.",
            place="sums.md:34",
        ),
    }


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (GOOD, "", ":1: the file is empty"),
        ("# 01 sums\n\n", "", ":1: ## 01.1 Add: a file has one '# chapter'"),
        ("# 01 sums", "# sums", ":1: # sums: not a chapter, such as '03 frames'"),
        ("# 01 sums", "Sums.", ":1: this text is in no exercise"),
        ("## 01.2 Guess", "# 02 more", ":34: # 02 more: a file has one '# chapter'"),
        ("### hint 2", "#### hint 2", ":10: #### hint 2: a file has one '# chapter'"),
        ("## 01.1 Add", "## Add", ":3: ## Add: not an exercise, such as '03.2"),
        ("## 01.1 Add", "## 02.1 Add", ":3: ## 02.1 Add: 02.1 is not an exercise of chapter 01"),
        ("## 01.2", "## 01.1", ":34: ## 01.1 Guess: exercise 01.1 is here for the second time"),
        (
            GOOD[GOOD.index("## 01.1") : GOOD.index("### hint 1")],
            "",
            ":3: ### hint 1: this section",
        ),
        ("Write `add(a, b)`.\nIt adds.\n", "", ":3: ## 01.1 Add: the lines below do not say what"),
        (GOOD[GOOD.index("### hint 1") :], "", ":3: ## 01.1 Add: exercise without '### hint 1'"),
        ("### hint 1\nCount.", "", ":34: ## 01.2 Guess: exercise without '### hint 1'"),
        ("### hint 2", "### hnt 2", ":10: ### hnt 2: unknown section; known are effort: TITLE"),
        (
            "### hint 1\nCount",
            "### effort: quick\n### hint 1\nCount",
            ":50: ### effort: quick: an effort is such as 'easy, 5 minutes'",
        ),
        ("### hint 2", "### hint", ":10: ### hint: not of the form 'hint N'"),
        ("### hint 2", "### hint 3", ":10: ### hint 3: here 'hint 2' should follow"),
        ("### option b", "### option c", ":41: ### option c: 11: here 'option b' should follow"),
        (
            "### option b",
            "### option 2",
            ":41: ### option 2: 11: not of the form 'option L: TITLE'",
        ),
        (
            "### case 2: big numbers",
            "### case 2",
            ":16: ### case 2: not of the form 'case N: TITLE'",
        ),
        ("### otherwise", "### source", ":53: ### source: a second"),
        ("Shorter; slower.", "", ":27: ### also 1: with `sum`: another answer has a text"),
        (
            GOOD[GOOD.index("```python") : GOOD.index("## 01.2")],
            "",
            ":27: ### also 1: with `sum`: another answer has a text that says what it trades",
        ),
        ("### also 1", "### also 2", ":27: ### also 2: with `sum`: here 'also 1' should follow"),
        ("### also 1: with `sum`", "### also", ":27: ### also: not of the form 'also N: TITLE'"),
        ("Done.", "", ":24: ### after: the section is empty"),
        ("= case 1", "= case 2", ":16: ### case 2: big numbers: there is no case 2 above"),
    ],
)
def test_a_fault_is_told_with_file_and_line(old: str, new: str, error: str) -> None:
    assert old in GOOD
    with pytest.raises(ValueError, match=r"^sums") as caught:
        read(GOOD.replace(old, new, 1), "sums.md")
    assert str(caught.value).startswith(f"sums.md{error}")


def code_of(name: str) -> Exercise:
    """An exercise without its text."""
    found = next(one for one in chapter(name[:2]) if one.id == name)
    return replace(found, text=Text())


FUNCTION, CHOICE, TYPED, MEASURE = (code_of(name) for name in ("03.2", "03.1", "03.3", "03.7"))
TEXTS = load("03").texts


@pytest.mark.parametrize("exercise", [FUNCTION, CHOICE, TYPED, MEASURE], ids=lambda one: one.id)
def test_code_gets_its_text(exercise: Exercise) -> None:
    (whole,) = with_texts([exercise], {exercise.id: TEXTS[exercise.id]})
    assert whole.text is TEXTS[exercise.id]
    assert exercise.text == Text()


READ, LOOK, SIZE = (TEXTS[name] for name in ("03.2", "03.1", "03.3"))


@pytest.mark.parametrize(
    ("exercise", "text", "error"),
    [
        (FUNCTION, replace(READ, cases=READ.cases[1:]), "has 6 sections 'case' and needs 7"),
        (FUNCTION, replace(READ, wrong=()), "has 0 sections 'wrong' and needs 5"),
        (FUNCTION, replace(READ, options=LOOK.options), "has 4 sections 'option' and needs 0"),
        (CHOICE, replace(LOOK, options=LOOK.options[:2]), "has 2 sections 'option' and needs 3"),
        (CHOICE, replace(LOOK, also=READ.also), "is not a function, so it has no sections 'also'"),
        (CHOICE, replace(LOOK, otherwise="No."), "has 1 sections 'otherwise' and needs 0"),
        (TYPED, replace(SIZE, guesses=()), "has 0 sections 'guess' and needs 1"),
        (TYPED, replace(SIZE, otherwise=""), "has 0 sections 'otherwise' and needs 1"),
        (MEASURE, replace(TEXTS["03.7"], cases=READ.cases), "has 7 sections 'case' and needs 0"),
    ],
)
def test_text_that_does_not_fit_the_code_is_refused(
    exercise: Exercise, text: Text, error: str
) -> None:
    with pytest.raises(ValueError, match=r"^chapter_03\.md:\d+: exercise 03") as caught:
        with_texts([exercise], {exercise.id: text})
    assert str(caught.value).endswith(error)


def test_code_without_text_and_text_without_code_are_refused() -> None:
    with pytest.raises(ValueError, match=r"with code and without text: 03\.2"):
        with_texts([FUNCTION], {})
    with pytest.raises(
        ValueError, match=r"^chapter_03\.md:\d+: exercise 03\.1 has text and no code"
    ):
        with_texts([FUNCTION], {"03.2": TEXTS["03.2"], "03.1": TEXTS["03.1"]})


@pytest.mark.parametrize("number", CHAPTERS)
def test_exercises_stand_in_their_order(number: str) -> None:
    assert list(load(number).texts) == [exercise.id for exercise in chapter(number)]


def test_a_chapter_is_loaded_when_it_is_asked_for() -> None:
    code = (
        "import sys\n"
        "from goim_edu.exercises import statement\n"
        "statement('03.1')\n"
        "print(*(name for name in sys.modules if name.startswith('goim_edu.exercises.chapter')))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["goim_edu.exercises.chapter_03"]
