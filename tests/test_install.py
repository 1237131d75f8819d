"""What an installation brings: a small core, extras that are told by name, all of the course."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.installing import ROOT, Installed, build_wheel, uv
from tools import imports

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
# Modules that an extra has to be there for, with those below them; all others can be imported.
PARTS = {
    "goim_edu.widgets": "browser",
    "goim_edu.client.names": "terminal",
    "goim_edu.client.terminal": "terminal",
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """What ``pip install .`` makes of an empty environment; made once for all tests here."""
    folder = tmp_path_factory.mktemp("plain")
    return Installed.make(folder / "venv", build_wheel(ROOT, folder))


# ---------------------------------------------------------------------- the core


def test_a_plain_install_brings_twelve_packages_at_most(plain: Installed) -> None:
    listed = uv("pip", "list", "--format=json", "--python", plain.python)
    names = {one["name"] for one in json.loads(listed.stdout)} - {"goim-edu"}
    assert {"msgspec", "pymongo", "mongomock", "prometheus-client", "platformdirs"} <= names
    assert len(names) <= 12, sorted(names)


def test_a_plain_install_has_the_course_and_says_what_opens_it(
    plain: Installed, tmp_path: Path
) -> None:
    done = plain.run("-m", "goim_edu", "start", tmp_path / "copy")
    assert done.returncode == 0, done.stderr
    assert "JupyterLab is not installed here: pip install 'goim-edu[lab]'" in done.stdout
    assert (tmp_path / "copy" / "16-build-your-own.ipynb").exists()


CHAT = """
import asyncio
from goim_edu.client import ChatClient
from goim_edu.server import ChatServer, ServerConfig
from goim_edu.store import open_store

async def main():
    with open_store("memory") as store:
        server = ChatServer(ServerConfig(port=0), store)
        await server.start()
        uri = f"ws://127.0.0.1:{server.port}/chat"
        async with ChatClient(uri, "lisa", ["lobby"]) as lisa:
            await lisa.send("lobby", "x" * 4000)
            print(len((await anext(aiter(lisa))).text))
        await server.drain()

asyncio.run(main())
"""


def test_server_store_and_client_work_in_it(plain: Installed) -> None:
    """With a text that NumPy would unmask, and a store in memory."""
    assert plain.output(CHAT) == "4000"


def test_every_module_can_be_imported_or_names_its_extra(plain: Installed) -> None:
    modules = [imports.name_of(path) for path in imports.modules() if path.name != "__main__.py"]
    code = f"""
import importlib
from goim_edu.errors import MissingExtra
for module in {modules}:
    try:
        importlib.import_module(module)
    except MissingExtra as error:
        print(module, error.extra)
"""
    found = dict(line.split() for line in plain.output(code).splitlines())
    wanted = {
        module: extra
        for module in modules
        for part, extra in PARTS.items()
        if f"{module}.".startswith(f"{part}.")
    }
    assert found == wanted


# ---------------------------------------------------------------------- what is missing


MISSING = {
    "browser": "from goim_edu.widgets import FrameLab",
    "jwt": """
from goim_edu.chat.auth import TokenVerifier
TokenVerifier(bytes(32), "HS256")""",
    "png": """
from goim_edu import draw
draw.frame(b"\\x81\\x05Hello").png()""",
    "proxy": """
import asyncio
from goim_edu.client import connect
async def main():
    await connect("ws://example.com", proxy="socks5h://127.0.0.1:1")
asyncio.run(main())""",
    "terminal": "from goim_edu.client.terminal import TerminalChat",
}


@pytest.mark.parametrize("extra", MISSING)
def test_what_needs_an_extra_says_which(plain: Installed, extra: str) -> None:
    done = plain.run("-c", MISSING[extra])
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    wanted = (
        rf"goim_edu\.errors\.MissingExtra: \w+ is not installed: pip install 'goim-edu\[{extra}\]'"
    )
    assert re.fullmatch(wanted, last), done.stderr


def test_plots_are_drawn_without_matplotlib(plain: Installed) -> None:
    code = """
from goim_edu import draw
print(draw.growth({"loop": [(10, 1e-6), (1000, 1e-4)]}).svg().count("<polyline"))"""
    assert plain.output(code).strip() == "2"


COMMANDS = {
    "chat": ("terminal", []),
    "lab": ("lab", []),
    "serve": ("fast", ["--loop", "uvloop", "--mongo", "memory"]),
    "serve, with tokens": ("jwt", ["--auth", "jwt", "--jwt-secret", "SECRET", "--mongo", "memory"]),
    "serve, with a mongod": ("mongod", ["--mongo", "local", "--data-dir", "DATA"]),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_says_it_in_one_line(plain: Installed, command: str, tmp_path: Path) -> None:
    extra, words = COMMANDS[command]
    (tmp_path / "secret").write_bytes(b"s" * 32)
    (tmp_path / "00-start-here.ipynb").touch()
    places = {"SECRET": str(tmp_path / "secret"), "DATA": str(tmp_path / "data")}
    words = [places.get(word, word) for word in words]
    arguments = [str(plain.python), "-I", "-m", "goim_edu", command.partition(",")[0], *words]
    done = subprocess.run(
        arguments, capture_output=True, text=True, check=False, cwd=tmp_path, env={"PATH": ""}
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith("goim_edu: ")
    assert f"pip install 'goim-edu[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_recording_is_printed_without_a_bar(plain: Installed, tmp_path: Path) -> None:
    code = f"""
from goim_edu.capture import Record
from goim_edu.capture.pcap import write_capture
request = b"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"
write_capture([Record(1, "in", 0.0, request)], {str(tmp_path / "a")!r})
"""
    plain.output(code)
    done = plain.run("-m", "goim_edu", "dissect", tmp_path / "a")
    assert done.returncode == 0, done.stderr
    assert "GET /" in done.stdout


def test_a_package_that_is_there_and_broken_speaks_for_itself() -> None:
    from goim_edu.errors import MissingExtra, needs_extra

    for name in ("goim_edu.nothing", None):
        with pytest.raises(ModuleNotFoundError) as caught, needs_extra("plots"):
            raise ModuleNotFoundError("not there", name=name)
        assert not isinstance(caught.value, MissingExtra)
    with pytest.raises(MissingExtra, match=r"\[png\]"), needs_extra("plots"), needs_extra("png"):
        raise ModuleNotFoundError("not there", name="resvg_py")
    with pytest.raises(ImportError, match="too old"), needs_extra("plots"):
        raise ImportError("too old", name="matplotlib")


# ---------------------------------------------------------------------- the course


def closure(lines: list[str]) -> set[str]:
    """The packages that requirements bring on this machine, by what is installed here."""
    found: set[tuple[str, str]] = set()
    waiting = [Requirement(line) for line in lines]
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        for extra in ("", *one.extras):
            if (name, extra) not in found:
                found.add((name, extra))
                waiting += _needs(name, extra)
    return {name for name, _ in found}


def _needs(name: str, extra: str) -> Iterator[Requirement]:
    if name == "goim-edu":
        # As the project says it now, and not as it did when it was installed here.
        lines = EXTRAS[extra] if extra else PROJECT["dependencies"]
    else:
        lines = requires(name) or []
    for one in map(Requirement, lines):
        if one.marker is None or one.marker.evaluate({"extra": extra}):
            yield one


def imported(source: str) -> Iterator[str]:
    """The top of every import, without lines that are IPython's."""
    lines = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))]
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


@pytest.fixture(scope="module")
def course() -> set[str]:
    return closure(["goim-edu[lab]"])


def others(names: set[str]) -> dict[str, set[str]]:
    """The packages that bring each of the modules which are neither Python's nor ours."""
    ours = {"goim_edu", "pyodide", *sys.stdlib_module_names}  # Python in a browser brings pyodide
    brought = packages_distributions()
    return {name: set(map(canonicalize_name, brought[name])) for name in names - ours}


def test_the_course_brings_all_that_notebooks_import(course: set[str]) -> None:
    cells = [
        "".join(cell["source"])
        for path in ROOT.glob("notebooks/*.ipynb")
        for cell in json.loads(path.read_text("utf-8"))["cells"]
        if cell["cell_type"] == "code"
    ]
    found = others({name for cell in cells for name in imported(cell)})
    assert len(found) >= 3
    assert {name: brings for name, brings in found.items() if not brings & course} == {}


def test_core_and_extras_bring_all_that_the_package_imports() -> None:
    brought = closure(["goim-edu", "goim-edu[lab,bus,fast,proxy]"])
    found = others({name for path in imports.modules() for name in imported(path.read_text())})
    assert len(found) >= 12
    assert {name: brings for name, brings in found.items() if not brings & brought} == {}


def test_the_test_extra_brings_all_that_tests_import() -> None:
    """So that they can be collected after ``pip install '.[test]'`` in an empty environment."""
    brought = closure(["goim-edu[test]"])
    paths = [
        path for top in ("tests", "tools", "conformance") for path in ROOT.glob(f"{top}/**/*.py")
    ]
    names = {name for path in [*paths, ROOT / "conftest.py"] for name in imported(path.read_text())}
    found = others(names - {path.name for path in ROOT.iterdir() if path.is_dir()})
    assert len(found) >= 25
    assert {name: brings for name, brings in found.items() if not brings & brought} == {}


def test_the_lock_pins_all_of_the_course(course: set[str]) -> None:
    text = (ROOT / "locks" / "lab.txt").read_text("utf-8")
    names = re.findall(r"^([\w.-]+)(?:\[.*?\])?==", text, re.M)
    pinned = set(map(canonicalize_name, names))
    assert course - {"goim-edu"} <= pinned


def test_the_readme_tells_every_extra() -> None:
    text = (ROOT / "README.md").read_text("utf-8").partition("| extra | brings | for |")[2]
    told = re.findall(r"^\| `(\w+)` \| .+ \| .+ \|$", text.partition("\n\n")[0], re.M)
    assert sorted(told) == sorted(EXTRAS.keys() - {"build", "compiled", "fuzz", "lint", "test"})
