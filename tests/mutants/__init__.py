"""Mutants: cells of a chapter, run without the mechanism whose effect they claim to show."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import io
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any, Final

import nbformat
import pytest
from pymongo.collection import Collection
from pymongo.database import Database

from goim_edu.store import MessageStore
from goim_edu.transport import WebSocket

_FOLDER: Final = Path(__file__).resolve().parent.parent.parent / "notebooks"
_STEP_TIMEOUT: Final = 20.0  # seconds that one cell may take
_CLOSED: Final = ("goim_edu.lab", "goim_edu.mongod", "goim_edu.storage", "pymongo")

Switch = Callable[[pytest.MonkeyPatch, dict[str, Any]], None]
Tidy = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Mutant:
    """One claim of a chapter, the cells that show it, and how its mechanism is switched off.

    Args:
        chapter: as its file begins, such as ``"04"``, or ``"03b"`` for a second part.
        claim: what the chapter says, in a few words; the name of the test.
        before: code cells that come first, each named by the beginning of one of its lines that
            no other code cell of the chapter has.
        switch: takes the mechanism away, after ``before``; it gets a monkeypatch and the names that
            the cells have defined so far.
        after: the cells that run without it; the last one makes the claim.
        says: what that last cell shows or prints, or a part of it; empty where the claim is an
            ``assert`` in the cell.
        mongod: whether the cells need a real MongoDB; else a ``LiveServer()`` keeps its messages in
            memory.
        tidy: what must happen before all is closed, such as to open a gate.
    """

    chapter: str
    claim: str
    before: tuple[str, ...]
    switch: Switch
    after: tuple[str, ...]
    says: str = ""
    mongod: bool = False
    tidy: Tidy | None = None

    @property
    def name(self) -> str:
        """The name of its test."""
        return f"{self.chapter}: {self.claim}"


def holds(mutant: Mutant, patch: pytest.MonkeyPatch, *, switched_off: bool) -> bool:
    """Run the cells of ``mutant``, and return whether the last one still makes its claim.

    An error in the last cell makes the claim false. One in a cell before it is raised: then the
    mutant shows nothing.
    """
    sources = [_cell(mutant.chapter, start) for start in (*mutant.before, *mutant.after)]
    with _kernel(mutant.tidy) as (run, names):
        for number, source in enumerate(sources):
            if switched_off and number == len(mutant.before):
                mutant.switch(patch, names)
            if number < len(sources) - 1:
                run(source)
        try:
            shown = run(sources[-1])
        except Exception:  # noqa: BLE001 - of any kind
            traceback.print_exc()  # pytest shows it where the claim should have held
            return False
    print(shown)
    return mutant.says in shown


def _cell(chapter: str, start: str) -> str:
    """The source of the one code cell with a line that begins so."""
    [path] = _FOLDER.glob(f"{chapter}-*.ipynb")
    sources = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    found = [source for source in sources if f"\n{start}" in f"\n{source}"]
    assert len(found) == 1, f"{len(found)} cells of {path.name} have a line {start!r}, want one"
    return str(found[0])


@contextlib.contextmanager
def _kernel(tidy: Tidy | None) -> Iterator[tuple[Callable[[str], str], dict[str, Any]]]:
    """A stand-in for a notebook's kernel: runs cells in this process, and returns what they show.

    What the cells have opened, such as a server, is closed at the end, the latest first.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    with asyncio.Runner() as runner:
        try:
            yield lambda source: runner.run(_run_cell(source, names)), names
        finally:
            with contextlib.ExitStack() as end:  # each is done, also if one before it fails
                end.callback(lambda: runner.run(asyncio.to_thread(_close_all, names.values())))
                end.callback(lambda: runner.run(_hang_up(names.values())))
                if tidy is not None:
                    end.callback(tidy, names)


async def _hang_up(values: Iterable[Any]) -> None:
    """Close the clients, which would take their time when a server says goodbye."""
    for value in values:
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, WebSocket):
                await one.close()


def _close_all(values: Iterable[Any]) -> None:
    """The latest first, but what needs a MongoDB before that, since it says goodbye to it."""
    ours = [value for value in values if type(value).__module__.startswith(_CLOSED)]
    with contextlib.ExitStack() as opened:
        for value in sorted(ours, key=_needs_mongod):
            _close_with(opened, value)


def _needs_mongod(value: Any) -> bool:
    return not type(value).__module__.startswith("goim_edu.mongod")


def _close_with(opened: contextlib.ExitStack, value: Any) -> None:
    """Have it closed at the end, if it is something to be closed."""
    if isinstance(value, Collection):
        value = value.database
    if isinstance(value, Database):
        value = value.client
    if isinstance(value, MessageStore) and value.durable:
        opened.push(value.database.client)  # the store closes no client that it was given
    if hasattr(type(value), "__exit__"):
        opened.push(value)
    elif hasattr(type(value), "close"):
        opened.callback(value.close)


async def _run_cell(source: str, names: dict[str, Any]) -> str:
    """Run a cell as a kernel does; return what it prints, and the value of its last line."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else ast.parse("None").body[0]
    assert isinstance(last, ast.Expr)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        async with asyncio.timeout(_STEP_TIMEOUT):
            await _run_code(_compiled(tree, "exec"), names)
            value = await _run_code(_compiled(ast.Expression(last.value), "eval"), names)
    return printed.getvalue() + ("" if value is None else repr(value))


def _compiled(tree: ast.Module | ast.Expression, mode: str) -> CodeType:
    code = compile(tree, "<cell>", mode, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    assert isinstance(code, CodeType)
    return code


async def _run_code(code: CodeType, names: dict[str, Any]) -> Any:
    result = eval(code, names)  # a notebook's cell is code that we wrote
    return await result if asyncio.iscoroutine(result) else result
