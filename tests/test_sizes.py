"""The check of sizes finds what is too long and what stands twice, and says where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tools import sizes

STEPS = [f"total = advance(total, {number})" for number in range(sizes.REPEATED)]
Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a module into the package at ``tmp_path`` and return the path."""

    def written(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
        return path

    return written


def function(lines: int, docstring: str = "") -> str:
    said = [f'    """{docstring}"""'] if docstring else []
    return "\n".join(["def count():", *said, *["    step()"] * lines])


@pytest.mark.parametrize("name", ["a.py", "a.js"])
def test_a_long_module(name: str, write: Write, tmp_path: Path) -> None:
    path = write(name, "\n" * (sizes.MOST_LINES - 1))
    assert sizes.problems(tmp_path) == []
    write(name, "\n" * sizes.MOST_LINES)
    assert sizes.problems(tmp_path) == [f"{path}:1: the module has 451 lines, at most 450"]


def test_chapters_of_exercises_may_be_long(write: Write, tmp_path: Path) -> None:
    write("exercises/chapter_01.py", "\n" * 1000)
    assert sizes.problems(tmp_path) == []
    write("exercises/judge.py", "\n" * 1000)
    assert len(sizes.problems(tmp_path)) == 1


def test_a_long_function_is_counted_without_its_docstring(write: Write, tmp_path: Path) -> None:
    path = write("a.py", "\n" + function(sizes.MOST_BODY, "One\n\n    docstring of some lines."))
    assert list(sizes.long_functions(tmp_path)) == []
    write("a.py", "\n" + function(sizes.MOST_BODY + 1))
    assert list(sizes.long_functions(tmp_path)) == [
        f"{path}:2: count has 46 lines of body, at most 45"
    ]


@pytest.mark.parametrize("ending", ["py", "js"])
def test_code_that_stands_twice(ending: str, write: Write, tmp_path: Path) -> None:
    first = write(f"a.{ending}", "\n".join(["begin()", *STEPS, "end()"]))
    mark = "#" if ending == "py" else "//"
    again = [line.replace(", ", ",  ") for line in STEPS]  # other white space
    second = write(f"b.{ending}", "\n".join(["", *again[:5], "", f"{mark} so", *again[5:]]))
    assert sizes.problems(tmp_path) == [f"{second}:2: 10 lines of code stand at {first}:2 already"]


def test_a_longer_run_is_one_problem(write: Write, tmp_path: Path) -> None:
    run = [f"step({number})" for number in range(3 * sizes.REPEATED)]
    path = write("a.py", "\n".join([*run, "other()", *run]))
    assert sizes.problems(tmp_path) == [f"{path}:32: 30 lines of code stand at {path}:1 already"]


def test_a_shorter_run_and_a_line_many_times_are_good(write: Write, tmp_path: Path) -> None:
    write("a.py", "\n".join(STEPS[1:]))
    write("b.py", "\n".join(STEPS[1:]))
    write("c.py", "step()\n" * (sizes.REPEATED + 5))
    assert sizes.problems(tmp_path) == []


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"import module_{number}" for number in range(20)),
        "from module import (\n" + "".join(f"    name_{n},\n" for n in range(20)) + ")",
        '"""' + "\n".join(f"Line {number} of a docstring." for number in range(20)) + '"""',
        "NUMBERS = [\n" + "".join(f"    {number},\n" for number in range(20)) + "]",
        "\n".join(f"# remark {number}" for number in range(20)),
    ],
    ids=["imports", "names", "docstring", "literal", "comments"],
)
def test_what_is_not_code_may_stand_twice(text: str, write: Write, tmp_path: Path) -> None:
    write("a.py", text)
    write("b.py", text)
    assert sizes.problems(tmp_path) == []


def test_a_literal_in_which_something_is_computed_is_code(write: Write, tmp_path: Path) -> None:
    text = "MADE = [\n" + "".join(f"    make({number}),\n" for number in range(20)) + "]"
    write("a.py", text)
    write("b.py", text)
    assert len(sizes.problems(tmp_path)) == 1


def test_imports_of_javascript_may_stand_twice(write: Write, tmp_path: Path) -> None:
    names = "".join(f"  name{number},\n" for number in range(20))
    text = f'import {{\n{names}}} from "./base.js";\n'
    write("a.js", text)
    write("b.js", text)
    assert sizes.problems(tmp_path) == []
    write("a.js", text + "\n".join(STEPS))
    write("b.js", text + "\n".join(STEPS))
    assert len(sizes.problems(tmp_path)) == 1
