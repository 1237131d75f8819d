"""Plain English in docstrings, comments, messages and documents: the slips that a test can see."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("goim_edu", "tests", "tools", "benchmarks", "fuzz", "conformance", "docs", ".github")
KINDS = {".py", ".md", ".js", ".css", ".html", ".ipynb", ".yml"}
FILES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(p for name in FOLDERS for p in (ROOT / name).rglob("*"))]
    if path.suffix in KINDS and path != Path(__file__).resolve()
)
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

WRONG_KIND = (
    "address|answer|BSON|Base64|chat|datetime|DEFLATE|distance|document|event|field|file|frame|"
    "function|good|header|host|Host|HTTP|index|JSON|key|length|list|message|mongod|MongoDB|name|"
    "number|octet|offer|port|proper|public|recording|reply|request|response|result|room|status|"
    "str|string|subprotocol|target|text|time|token|user|UTF-8|valid|WebSocket|whole|widget"
)
SLIPS = {
    # "Shall we meet?" is a question; "it shall return" is an order of old.
    "count or think; expect; must or will": re.compile(
        r"\b(?:reckon\w*|fore(?:see|saw)\w*|shall\b(?! (?:we|I)\b))", re.IGNORECASE
    ),
    # A question may begin so. A statement has its subject: "the sender", "a client that ...".
    "the subject first": re.compile(
        r"(?:\A|(?<=[.:;!?|] )|(?<=\n\n)|(?<=\n- ))(?:Who|Whoever|Whom|Whose) [^.?!|]*(?:[.!|]|\Z)"
    ),
    "for those who ..., by the one that ...": re.compile(r"\b(?:for|by) who [a-z]"),
    # "There is no port" says that none exists; "80x is no port" should be "is not a port".
    "is not a ..., is not valid ...": re.compile(
        rf"(?<!here )\b(?:is|are|was|were|be) no (?:{WRONG_KIND})s?\b(?!-)"
    ),
}


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """The pieces of prose in a file, each with its line."""
    source = path.read_text("utf-8")
    match path.suffix:
        case ".py":
            # Strings in tests quote what the package says.
            yield from code_prose(source, strings="tests" not in path.relative_to(ROOT).parts)
        case ".ipynb":
            for cell in json.loads(source)["cells"]:
                if cell["cell_type"] == "markdown":
                    yield 0, without_code("".join(cell["source"]))
        case ".md":
            yield 0, without_code(source)
        case _:
            for number, line in enumerate(source.splitlines(), 1):
                yield number, line.strip().lstrip("/*#<!- ")


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```|`[^`\n]*`|\]\([^)\s]*\)", "x", text, flags=re.DOTALL | re.M)


def code_prose(source: str, *, strings: bool) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and strings:
            yield node.lineno, node.value
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield getattr(node, "lineno", 1), "" if strings else ast.get_docstring(node) or ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("#: ")


def slips_in(text: str) -> Iterator[str]:
    """What is wrong in a piece of prose; its lines are joined, its paragraphs kept apart."""
    flat = re.sub(r"(?<!\n)\n(?![\n-])[ \t]*", " ", re.sub(r"\n[ \t]*\n\s*", "\n\n", text))
    for advice, pattern in SLIPS.items():
        for found in pattern.finditer(flat):
            yield f"{found[0][:50]!r}: {advice}"


@pytest.mark.parametrize("path", [*FILES, *NOTEBOOKS], ids=lambda path: str(path.relative_to(ROOT)))
def test_plain_english(path: Path) -> None:
    found = {f"line {line}: {slip}" for line, text in prose(path) for slip in slips_in(text)}
    assert sorted(found) == []


@pytest.mark.parametrize(
    "text",
    [
        "It reckons with this.",
        "The server shall answer.",
        "Who sends it first wins.",
        "A room. Whoever is there hears it.",
        "b'\\xff' is no UTF-8",
        "these octets are no text",
        "Close 4429 for who keeps on",
    ],
)
def test_a_slip_is_found(text: str) -> None:
    assert list(slips_in(text))


@pytest.mark.parametrize(
    "text",
    [
        "Shall we meet?",
        "Who is there?",
        "A user who sends.",
        "The one\nwho knows.",
        "There is no port left.",
        "It is no longer text.",
        "A ping is no news-item.",
    ],
)
def test_plain_sentences_pass(text: str) -> None:
    assert not list(slips_in(text))
