"""The prose of the exercises: one Markdown file per chapter, one heading per exercise.

A file begins with the number and the title of its chapter. Below the heading of an exercise stands
what is to be done; its other texts stand in sections::

    # 03 frames

    ## 03.2 Read the first two bytes
    Write `read_start(data)`. It gives back ...

    ### case 1: the text `Hello` from a server
    FIN is the highest bit of the first byte.

These sections are known; N is a number that counts from 1, and L a letter from a:

- ``effort: easy, 5 minutes``: how hard it is (easy, medium or hard), and how long it takes.
- ``option L: choice``, for a prediction with choices: what this choice is answered with.
- ``guess: answer``, for a prediction that is typed: what this wrong answer overlooks.
- ``otherwise``, for a prediction that is typed: said to any other wrong answer.
- ``hint N``: one step towards the answer.
- ``case N: name``, for a function: the rule behind its Nth case.
- ``wrong N: words``, for a function: its Nth wrong answer; the refusal of it must contain these
  words. The text is a tip for learners who made this mistake; it may be empty.
- ``after``: said when the exercise is done; may be left out.
- ``also N: title``, for a function: another right answer, shown when the exercise is done. The text
  says what it trades for what; the whole program stands below it in a fence.
- ``source``: where the answer stands, if no cell can show it.

A case whose rule is that of an earlier case says so: ``= case 3``.

A file of one's own (``own``) is written the same way, but its chapter is a word, ``# my First
steps``, and so its exercises are ``## my.1 Twice``. Since no module belongs to it, its code stands
in fences: the calls below the cases, whole programs below the wrong answers, and below these:

- ``reference``, for a function: the solution; its last function is the one to write.
- ``starter``, for a function: what the learner begins with; may be left out.
- ``experiment``, for a prediction: the cell to run afterwards; may be left out.
- ``answer``, for a prediction: the letter of the right option, or what is to be typed.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import pairwise
from string import ascii_lowercase
from typing import Final, NamedTuple

__all__ = ["Chapter", "Section", "Text", "load", "read"]

_HEADING: Final = re.compile(r"(#+) +(.+)")
_CHAPTER: Final = re.compile(r"(?P<key>\d\d) (?P<title>.+)")
_EXERCISE: Final = re.compile(r"(?P<key>\d\d\.\d+) (?P<title>.+)")
_EFFORT: Final = re.compile(r"(easy|medium|hard), (\d+) minutes?")
_OWN_CHAPTER: Final = re.compile(r"(?P<key>[a-z]\w*) (?P<title>.+)")
_OWN_EXERCISE: Final = re.compile(r"(?P<key>[a-z]\w*\.\d+) (?P<title>.+)")
_FENCE: Final = re.compile(r"(`{3,}|~{3,})")
_SAME: Final = re.compile(r"= case (\d+)")
_FORMS: Final = (
    *("effort: TITLE", "option L: TITLE", "guess: TITLE", "otherwise", "hint N", "case N: TITLE"),
    *("wrong N: TITLE", "after", "also N: TITLE", "source"),
)
_OWN_FORMS: Final = ("reference", "starter", "experiment", "answer")
"""The headings of sections: N is a number that counts from 1, L a letter from a."""
_ONCE: Final = ("effort", "otherwise", "after", "source", *_OWN_FORMS)


def _pattern(form: str) -> re.Pattern[str]:
    for word, group in (
        ("TITLE", r"(?P<title>.+)"),
        ("N", r"(?P<key>\d+)"),
        ("L", "(?P<key>[a-z])"),
    ):
        form = form.replace(word, group)
    return re.compile(form)


_PATTERNS: Final = {re.split("[ :]", form)[0]: _pattern(form) for form in (*_FORMS, *_OWN_FORMS)}


class Section(NamedTuple):
    """A section that has a title, such as a case.

    Args:
        title: what stands in its heading.
        text: what stands below it.
    """

    title: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Text:
    """What one exercise says.

    Args:
        title: of the exercise.
        statement: what is to be done.
        level: easy, medium or hard; empty if that is not said.
        minutes: how long it takes, or 0.
        hints: steps towards the answer.
        options: for a prediction with choices: each choice and what it is answered with.
        guesses: for a prediction that is typed: wrong answers, and what each overlooks.
        otherwise: said to any other wrong answer.
        cases: for a function: what is special about each case, and the rule that decides it.
        wrong: for a function: words that the refusal of each wrong answer contains, and a tip.
        after: said when it is done.
        also: for a function: other right answers, and what each trades; their code is in ``code``.
        source: where the answer stands, if no cell can show it.
        answer: in a file of one's own: the right answer of a prediction.
        code: the code below a heading such as "also 1"; in a file of one's own also "reference".
        place: file and line of its heading.
    """

    title: str = ""
    statement: str = ""
    level: str = ""
    minutes: int = 0
    hints: tuple[str, ...] = ()
    options: tuple[Section, ...] = ()
    guesses: tuple[Section, ...] = ()
    otherwise: str = ""
    cases: tuple[Section, ...] = ()
    wrong: tuple[Section, ...] = ()
    after: str = ""
    also: tuple[Section, ...] = ()
    source: str = ""
    answer: str = ""
    code: Mapping[str, str] = field(default_factory=dict)
    place: str = ""


class Chapter(NamedTuple):
    """A file of prose: its title, and number -> text of its exercises."""

    title: str
    texts: Mapping[str, Text]


@dataclass
class _Part:
    """A heading and the lines below it, up to the next heading."""

    place: str
    level: int
    heading: str
    lines: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)  # in fences

    @property
    def text(self) -> str:
        return " ".join(line for line in self.lines if line)

    def match(self, form: re.Pattern[str], wanted: str) -> re.Match[str]:
        found = form.fullmatch(self.heading)
        if found is None:
            raise self.error(f"not {wanted}")
        return found

    def error(self, words: str) -> ValueError:
        return ValueError(f"{self.place}: {'#' * self.level} {self.heading}: {words}")


@cache
def load(number: str) -> Chapter:
    """The prose of a chapter of the course.

    >>> load("03").title
    'frames'
    """
    name = f"chapter_{number}.md"
    return read((files(__package__) / "texts" / name).read_text("utf-8"), name)


def read(markdown: str, file: str, *, own: bool = False) -> Chapter:
    r"""Take a file of prose apart.

    Args:
        markdown: its text.
        file: its name, for error messages.
        own: whether it is a file of one's own, with its code.

    Raises:
        ValueError: it breaks the format; the message begins with file and line.

    >>> lines = ["# 01 why", "## 01.1 Add", "Add.", "### hint 1", "1 + 1"]
    >>> read("\n".join(lines), "chapter_01.md").texts["01.1"].hints
    ('1 + 1',)
    """
    first, *parts = _parts(markdown, file)
    chapter = first.match(
        _OWN_CHAPTER if own else _CHAPTER, "a chapter, such as '03 frames', or 'my frames'"
    )
    key = chapter["key"]
    texts: dict[str, Text] = {}
    for exercise, sections in _exercises(parts):
        found = exercise.match(
            _OWN_EXERCISE if own else _EXERCISE,
            f"an exercise, such as '{key if own else '03'}.2 Read the first two bytes'",
        )
        number = found["key"]
        if number.partition(".")[0] != key:
            raise exercise.error(f"{number} is not an exercise of chapter {key}")
        if number in texts:
            raise exercise.error(f"exercise {number} is here for the second time")
        texts[number] = _text(found["title"], exercise, sections, own)
    return Chapter(chapter["title"], texts)


def _parts(markdown: str, file: str) -> list[_Part]:
    """The headings of a file, each with the lines below it."""
    parts: list[_Part] = []
    fence = ""
    for number, line in enumerate(markdown.splitlines(), 1):
        mark = _FENCE.match(line)
        if parts and (fence or mark):
            if mark is None or (fence and mark[1] != fence):
                parts[-1].code.append(line)
            else:
                fence = "" if fence else mark[1]
            continue
        heading = _HEADING.fullmatch(line.rstrip())
        part = _Part(f"{file}:{number}", len(heading[1]), heading[2]) if heading else None
        if part is not None:
            if part.level > 3 or (part.level == 1) != (not parts):
                raise part.error("a file has one '# chapter', then '## exercise' and '### section'")
            parts.append(part)
        elif parts and parts[-1].level > 1:
            parts[-1].lines.append(line.strip())
        elif line.strip():
            raise ValueError(
                f"{file}:{number}: this text is in no exercise, such as '## 03.2 Title'"
            )
    if not parts:
        raise ValueError(f"{file}:1: the file is empty")
    return parts


def _exercises(parts: Sequence[_Part]) -> Iterator[tuple[_Part, Sequence[_Part]]]:
    """Each heading of an exercise with its sections."""
    starts = [index for index, part in enumerate(parts) if part.level == 2]
    if parts and starts[:1] != [0]:
        raise parts[0].error("this section is in no exercise, such as '## 03.2 Title'")
    for start, end in pairwise([*starts, len(parts)]):
        yield parts[start], parts[start + 1 : end]


def _text(title: str, exercise: _Part, parts: Sequence[_Part], own: bool) -> Text:
    forms = (*_FORMS, *_OWN_FORMS) if own else _FORMS
    known = {re.split("[ :]", form)[0] for form in forms}
    found: dict[str, list[Section]] = {kind: [] for kind in _PATTERNS}
    for part in parts:
        kind = re.split("[ :]", part.heading)[0]
        if kind not in known:
            raise part.error(f"unknown section; known are {', '.join(forms)}")
        if kind == "also" and not (part.code and part.text):
            raise part.error("another answer has a text that says what it trades, and its code")
        if part.code and not own and kind != "also":
            raise part.error("code stands in the module of the chapter, not here")
        found[kind].append(_section(part, kind, found[kind]))
    if not exercise.text:
        raise exercise.error("the lines below do not say what is to be done")
    if not found["hint"] and not own:
        raise exercise.error("exercise without '### hint 1'")
    single = {kind: sections[0].text if sections else "" for kind, sections in found.items()}
    level, minutes = _effort(found["effort"])
    return Text(
        title=title,
        statement=exercise.text,
        level=level,
        minutes=minutes,
        hints=tuple(section.text for section in found["hint"]),
        options=tuple(found["option"]),
        guesses=tuple(found["guess"]),
        otherwise=single["otherwise"],
        cases=tuple(found["case"]),
        wrong=tuple(found["wrong"]),
        after=single["after"],
        also=tuple(found["also"]),
        source=single["source"],
        answer=single["answer"],
        code={part.heading.partition(":")[0]: "\n".join(part.code) for part in parts if part.code},
        place=exercise.place,
    )


def _effort(sections: Sequence[Section]) -> tuple[str, int]:
    """The level and the minutes."""
    found = _EFFORT.fullmatch(sections[0].title) if sections else None
    return (found[1], int(found[2])) if found else ("", 0)


def _section(part: _Part, kind: str, before: Sequence[Section]) -> Section:
    """Read one section; ``before`` are those of its kind that stand above it."""
    form = next(form for form in (*_FORMS, *_OWN_FORMS) if form.startswith(kind))
    heading = part.match(_PATTERNS[kind], f"of the form '{form}'").groupdict()
    count = len(before)
    if "key" in heading:
        wanted = str(count + 1) if heading["key"].isdigit() else ascii_lowercase[count]
        if heading["key"] != wanted:
            raise part.error(f"here '{kind} {wanted}' should follow")
    elif kind in _ONCE and before:
        raise part.error(f"a second '{kind}' in one exercise")
    text = part.text
    if kind == "effort" and not _EFFORT.fullmatch(heading["title"]):
        raise part.error("an effort is such as 'easy, 5 minutes'; known are easy, medium and hard")
    if not text and kind not in ("wrong", "effort") and not part.code:
        raise part.error("the section is empty")
    if kind == "case" and (same := _SAME.fullmatch(text)):
        if not 1 <= int(same[1]) <= count:
            raise part.error(f"there is no case {same[1]} above")
        text = before[int(same[1]) - 1].text
    return Section(heading.get("title", ""), text)
