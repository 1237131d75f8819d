"""The documents: every link leads somewhere, every name exists, every snippet runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote

import pytest

from goim_edu import widgets
from goim_edu.exercises.catalogue import all_exercises

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "goim_edu"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob(".github/**/*.md"), *ROOT.glob("docs/**/*.md")])
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
ENTRIES = sorted(
    path.name.removesuffix(".py")
    for path in PACKAGE.iterdir()
    if path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py")))
)
BY_NAME = pytest.mark.parametrize(
    "path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)).removesuffix(".md")
)


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```|<!--.*?-->", "", text, flags=re.DOTALL | re.M)


def anchors(text: str) -> set[str]:
    """The fragments that lead to the headings of a page."""
    titles = re.findall(r"^#+ +(.+?) *$", without_code(text), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@BY_NAME
def test_links_lead_somewhere(path: Path) -> None:
    text = without_code(path.read_text("utf-8"))
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = unquote(target).partition("#")
        there = path.parent / name if name else path
        assert there.exists(), target
        if fragment and there.suffix == ".md":
            assert fragment in anchors(there.read_text("utf-8")), target


@pytest.mark.parametrize(
    "path", [*DOCUMENTS, *NOTEBOOKS], ids=lambda path: str(path.relative_to(ROOT))
)
def test_paths_exist(path: Path) -> None:
    """Files and folders of the project that are named in passing."""
    folders = "goim_edu|tests|docs|tools|notebooks|benchmarks|fuzz|conformance|locks"
    text = path.read_text("utf-8")
    if path.suffix == ".ipynb":
        text = " ".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    for name in re.findall(rf"`((?:{folders})/[\w./-]*)`", text):
        if not re.search(r"NAME|NN", name):  # stand for what a recipe adds
            assert (ROOT / name).exists(), name


def exists(file: str, name: str) -> bool:
    """Whether a module has this name; a class also has what it inherits."""
    module = "goim_edu." + file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    try:
        found: object = import_module(module)
    except ModuleNotFoundError:
        return False
    for part in name.split("."):
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True


@pytest.mark.parametrize("name", ["docs/architecture.md", "docs/vocabulary.md"])
def test_names_in_the_code_exist(name: str) -> None:
    found = re.findall(r"`([\w/]+\.py): ([\w.]+)`", text_of(name))
    assert len(found) > 20
    assert [f"{file}: {what}" for file, what in found if not exists(file, what)] == []


def test_a_name_that_does_not_exist_is_found() -> None:
    assert exists("protocol.py", "Endpoint.receive_data")
    assert not exists("protocol.py", "Endpoint.receive_dates")
    assert not exists("protocols.py", "Endpoint")


def test_every_entry_has_its_line_in_the_architecture() -> None:
    table = re.findall(r"^\| \d+ \| (.+?) \|", text_of("docs/architecture.md"), re.M)
    named = [name for cell in table for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == [name for name in ENTRIES if name != "__init__"]


def test_the_map_in_the_readme_has_every_entry() -> None:
    part = text_of("README.md").partition("## Map of the package")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `(\w+)(?:/|\.py)` \|", part, re.M)
    assert sorted(named) == [name for name in ENTRIES if not name.startswith("__")]


def test_modules_in_the_readme_exist() -> None:
    rows = re.findall(r"^\| `goim_edu\.(\w+)\.(\w+)`((?:, `\w+`)*) \|", text_of("README.md"), re.M)
    named = [(folder, one) for folder, *more in rows for one in re.findall(r"\w+", " ".join(more))]
    assert len(named) > 10
    for folder, module in named:
        assert (PACKAGE / folder / f"{module}.py").is_file(), f"{folder}.{module}"


def test_the_course_map_has_every_chapter() -> None:
    """In the README, and in the first notebook."""
    chapters = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    readme = re.findall(r"\]\(notebooks/([\w-]+\.ipynb)\)", text_of("README.md"))
    assert sorted(set(readme)) == chapters
    first = json.loads(text_of("notebooks/00-start-here.ipynb"))
    prose = "".join("".join(cell["source"]) for cell in first["cells"])
    assert sorted({"00-start-here.ipynb", *re.findall(r"\]\(([\w-]+\.ipynb)", prose)}) == chapters


def test_the_readme_counts_the_exercises() -> None:
    (counted,) = re.findall(r"lists all (\d+)", text_of("README.md"))
    assert int(counted) == len(all_exercises())


def test_the_readme_names_every_widget() -> None:
    for name in widgets.__all__:
        assert f"`{name}`" in text_of("README.md"), name


def snippets(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(name), re.DOTALL | re.M)


def test_the_python_of_the_readme_runs() -> None:
    """Each comment that is a value is the value of its line."""
    (source,) = snippets("README.md", "python")
    names: dict[str, object] = {}
    compared = 0
    for line in source.splitlines():
        code, _, comment = line.partition("   #")
        try:
            value = eval(code, names) if code else None
        except SyntaxError:
            exec(code, names)
            continue
        if re.match(r" ?['(]", comment):
            got = re.sub(r"Frame\(.*?\)(?=, \d+\)$)", "Frame(...)", repr(value))
            assert got == comment.strip()
            compared += 1
    assert compared == 2


def test_the_commands_of_the_documents_exist() -> None:
    """Every ``make`` target, and every command of ``python -m goim_edu``."""
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.M))
    commands = {path.stem for path in (PACKAGE / "cli").glob("[a-z]*.py")} - {"command"}
    for path in DOCUMENTS:
        text = path.read_text("utf-8")
        for target in re.findall(r"(?:`|\$ )make ([a-z-]+)", text):
            assert target in targets or target == "bench-", f"{path.name}: make {target}"
        for command in re.findall(r"-m goim_edu (\w+)", text):
            assert command in commands, f"{path.name}: {command}"


def test_the_readme_shows_what_the_server_says() -> None:
    """The snippet of ``make serve`` is what ``serve`` prints."""
    command = [sys.executable, "-m", "goim_edu", "serve", "--mongo", "memory", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        try:
            said = (server.stdout.readline() if server.stdout else b"").decode().strip()
        finally:
            server.terminate()
            server.wait(30)
    shown = next(one for one in snippets("README.md", "console") if "make serve" in one)
    assert re.sub(r":\d+$", ":8765", said) == shown.splitlines()[1]
    assert server.returncode == 0


def test_the_supported_pythons_are_the_same_everywhere() -> None:
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    classified = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    tried = re.findall(r'"(3\.\d+)"', text_of(".github/workflows/ci.yml"))
    assert tried == classified
    assert f"You need Python {classified[0]} to {classified[-1]} " in text_of("README.md")
    assert project["requires-python"] == f">={classified[0]}"


def test_the_workflow_runs_what_continuous_integration_runs_elsewhere() -> None:
    assert re.search(r"^      - run: \.ci/run$", text_of(".github/workflows/ci.yml"), re.M)


def test_hooks_are_local_and_check_what_lint_checks() -> None:
    """Nothing is fetched from elsewhere, and a commit is held to the rules of ``make lint``."""
    hooks = text_of(".pre-commit-config.yaml")
    assert re.findall(r"repo: (\S+)", hooks) == ["local"]
    entries = " ".join(re.findall(r"entry: \.venv/bin/(.+)", hooks))
    lint = text_of("Makefile").partition("\nlint:")[2].partition("\n\n")[0]
    for tool in re.findall(r"\$\(BIN\)/(ruff \w+|mypy)", lint):
        assert tool in entries
