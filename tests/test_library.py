"""The tour for those who build on the package: each of its programs prints what stands below it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

TOUR = Path(__file__).resolve().parent.parent / "docs" / "library.md"
SECTION = re.compile(r"^## (.+?)$(.*?)(?=^## |\Z)", re.DOTALL | re.M)
PROGRAM = re.compile(r"^```python\n(.*?)^```\n+^```text\n(.*?)^```", re.DOTALL | re.M)
TEXT = TOUR.read_text("utf-8")
PROGRAMS = {
    title: program.groups()
    for title, section in SECTION.findall(TEXT)
    for program in PROGRAM.finditer(section)
}


def test_every_program_has_its_output() -> None:
    assert len(PROGRAMS) == TEXT.count("```python") == TEXT.count("```text") > 5


@pytest.mark.parametrize("title", PROGRAMS)
def test_a_program_prints_what_stands_below_it(title: str) -> None:
    program, printed = PROGRAMS[title]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout == printed
