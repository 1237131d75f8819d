"""The graph of imports is read from the code, and the document shows it as it is today."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import imports


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small package, with an import of every kind."""
    files = {
        "errors.py": "",
        "draw/__init__.py": "from goim_edu.draw.frame import frame",
        "draw/frame.py": "from ..errors import Bad\nfrom .shapes import fit\nimport goim_edu.store",
        "draw/shapes.py": "import json\nimport goim_edu.errors\n",
        "store.py": "def later():\n    from goim_edu.draw import frame\n",
    }
    folder = tmp_path / "goim_edu"
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.setattr(imports, "ROOT", tmp_path)
    monkeypatch.setattr(imports, "PACKAGE", folder)
    return folder


@pytest.mark.usefixtures("package")
def test_entries_count_every_import() -> None:
    graph = {"errors": set[str](), "draw": {"errors", "store"}, "store": {"draw"}}
    assert imports.import_graph() == graph
    with pytest.raises(ValueError, match="a circle among draw, store"):
        imports.mermaid(graph)


@pytest.mark.usefixtures("package")
def test_modules_count_every_import_too() -> None:
    name = "goim_edu"
    assert imports.module_graph() == {
        f"{name}.errors": set(),
        f"{name}.draw": {f"{name}.draw.frame"},
        f"{name}.draw.frame": {f"{name}.{one}" for one in ("draw.shapes", "errors", "store")},
        f"{name}.draw.shapes": {f"{name}.errors"},
        f"{name}.store": {f"{name}.draw", f"{name}.draw.frame"},
    }
    with pytest.raises(ValueError, match="a circle among"):
        imports.floors(imports.module_graph())


def test_the_few_arrows_lead_to_all_that_the_many_lead_to() -> None:
    graph = imports.import_graph()
    few = imports.reduced(graph)
    assert sum(map(len, few.values())) < sum(map(len, graph.values()))
    for entry in graph:
        assert few[entry] <= graph[entry]
        assert imports.reached(few, entry) == imports.reached(graph, entry)
        for below in few[entry]:
            without = few | {entry: few[entry] - {below}}
            assert below not in imports.reached(without, entry), "this arrow is not needed"


def test_the_document_is_up_to_date(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["imports", "--check"])
    assert imports.main() == 0, f"{capsys.readouterr().out} Run `make diagrams`."


def test_only_what_stands_between_the_markers_is_written() -> None:
    text = f"before\n{imports.BEGIN}\nold\n{imports.END}\nafter\n"
    new = imports.updated(text)
    assert new.startswith(f"before\n{imports.BEGIN}\n```mermaid\ngraph TD\n")
    assert new.endswith(f"```\n{imports.END}\nafter\n")
    assert imports.updated(new) == new


@pytest.mark.parametrize(
    "text", ["", imports.BEGIN, imports.END, 2 * f"{imports.BEGIN}{imports.END}"]
)
def test_a_document_without_its_markers_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="the document needs"):
        imports.updated(text)
