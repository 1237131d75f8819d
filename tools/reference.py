"""The API reference: what Sphinx reads to make pages of the faces' docstrings.

A face is a module that others import from; what its ``__all__`` names has an entry on its page. A
name that several faces have is described on the first one, and the others lead there. Classes that
only signatures name have a page of their own, so that every signature can be followed.
"""

from __future__ import annotations

import ast
import enum
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import groupby, pairwise
from pathlib import Path
from textwrap import indent
from types import ModuleType
from typing import Any, Final, NamedTuple, TypeGuard, get_args, get_type_hints

from tools import imports

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCES: Final = ROOT / "docs" / "reference"
_ORDER: Final = (
    *("protocol", "client", "client.sync", "server", "store", "capture", "draw", "widgets"),
    *("lab", "mongod", "exercises", "errors"),
)
FACES: Final = tuple(name for name in _ORDER if find_spec(f"goim_edu.{name}"))
OTHERS: Final = "types"
_MOST_SHOWN: Final = 200  # characters of a value


class Entry(NamedTuple):
    """A name on a page.

    Args:
        home: the module on whose page it is described.
        name: its name there.
        value: what it stands for.
    """

    home: str
    name: str
    value: Any


def face(name: str) -> ModuleType:
    """The module of a face."""
    return import_module(f"goim_edu.{name}")


def entries() -> dict[str, list[Entry]]:
    """The entries of each face, in the order of its ``__all__``."""
    homes: dict[int, str] = {}
    # An error is an error first, wherever else it is handed on.
    for name in ("errors", *FACES):
        for one in face(name).__all__:
            value = getattr(face(name), one)
            if has_a_docstring(value):
                homes.setdefault(id(value), f"goim_edu.{name}")
    return {
        name: [
            Entry(homes.get(id(value), f"goim_edu.{name}"), one, value)
            for one in face(name).__all__
            for value in [getattr(face(name), one)]
        ]
        for name in FACES
    }


def has_a_docstring(value: object) -> bool:
    """Whether a value describes itself; a constant is described below its line in the source."""
    return inspect.isclass(value) or inspect.isroutine(value)


def named_in_signatures(known: Iterable[Any]) -> list[type]:
    """Classes of ours that signatures and fields name and no face has, with what those name."""
    found = {id(one): one for one in known if has_a_docstring(one)}
    faces = set(found)
    waiting = list(found.values())
    while waiting:
        for one in _named_by(waiting.pop()):
            if id(one) not in found:
                found[id(one)] = one
                waiting.append(one)
    others = [one for key, one in found.items() if key not in faces]
    return sorted(others, key=lambda one: (one.__module__, one.__qualname__))


def _named_by(value: Any) -> Iterator[type]:
    """The classes that the annotations of a function, or of a class and its members, name."""
    kinds = [one for one in value.__mro__ if _is_ours(one)] if inspect.isclass(value) else []
    for kind in kinds:
        public = [one for name, one in vars(kind).items() if not name.startswith("_")]
        for member in (kind, vars(kind).get("__init__"), *public):
            yield from _annotated(member, kind.__module__)
    if not kinds:
        yield from _annotated(value, value.__module__)


def _annotated(member: Any, module: str) -> Iterator[type]:
    member = getattr(member, "fget", None) or getattr(member, "__func__", member)
    for annotation in getattr(member, "__annotations__", {}).values():
        for word in re.findall(r"\b[A-Z]\w*", str(annotation)):
            # Not there: it is imported for the type checker only.
            named = getattr(sys.modules[module], word, None) or _all_classes().get(word)
            yield from _parts(named)


def _parts(value: Any) -> Iterator[type]:
    """A class, or the classes that a name for a type is made of."""
    if _is_ours(value):
        yield value
    for part in value if isinstance(value, list) else get_args(value):
        yield from _parts(part)


def _is_ours(value: object) -> TypeGuard[type]:
    return inspect.isclass(value) and value.__module__.startswith("goim_edu.")


@cache
def _all_classes() -> dict[str, type]:
    """The classes of all modules that are loaded, by name."""
    loaded = [one for name, one in sys.modules.items() if name.startswith("goim_edu.")]
    found = [one for module in loaded for one in vars(module).values() if _is_ours(one)]
    return {one.__name__: one for one in found}


# ---------------------------------------------------------------------- pages


class Constant(NamedTuple):
    """What the source says of a constant or of a name for a type.

    Args:
        text: its description, which stands below it.
        value: its value in the source.
    """

    text: str
    value: str


def constant(name: str, value: object) -> Constant:
    """Find a constant where it is defined: there its description stands below it.

    Raises:
        LookupError: no module defines it.
    """
    found = list(_defined(name, value))
    if not found:
        raise LookupError(f"no module defines {name}")
    return max(found, key=lambda one: bool(one.text))


def _defined(name: str, value: object) -> Iterator[Constant]:
    for path in imports.modules():
        module = sys.modules.get(imports.name_of(path))
        if module is None or getattr(module, name, None) is not value:
            continue
        body = ast.parse(path.read_text("utf-8")).body
        for one, below in pairwise([*body, ast.Pass()]):
            target = one.targets[0] if isinstance(one, ast.Assign) else getattr(one, "target", None)
            if isinstance(target, ast.Name) and target.id == name:
                text = below.value if isinstance(below, ast.Expr) else None
                described = isinstance(text, ast.Constant) and inspect.cleandoc(str(text.value))
                yield Constant(described or "", ast.unparse(getattr(one, "value", one)))


def _directive(entry: Entry) -> str:
    """What Sphinx is told about one name."""
    value = entry.value
    where = f"{entry.home}.{entry.name}"
    if not has_a_docstring(value):
        found = constant(entry.name, value)
        shown = f"   :value: {found.value}\n" if len(found.value) <= _MOST_SHOWN else ""
        head = f".. py:data:: {entry.name}\n   :module: {entry.home}\n{shown}"
        return f"{head}\n{indent(found.text, '   ')}\n"
    if not inspect.isclass(value):
        return f".. autofunction:: {where}\n"
    _resolve_fields(value)
    kind = "autoexception" if issubclass(value, BaseException) else "autoclass"
    bases = [one.__name__ for one in value.__mro__ if not one.__module__.startswith("goim_edu")]
    text = f".. {kind}:: {where}\n   :members:\n   :inherited-members: {', '.join(bases)}\n"
    return text + ("   :undoc-members:\n" if issubclass(value, enum.Enum) else "")


def _resolve_fields(kind: Any) -> None:
    """Put classes in place of their names in a named tuple, where a name alone tells no module."""
    if issubclass(kind, tuple) and inspect.isfunction(kind.__new__):
        with suppress(NameError):
            kind.__new__.__annotations__ = get_type_hints(kind)


def _title(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"


def _page(name: str, names: list[Entry]) -> str:
    module = f"goim_edu.{name}"
    here = [one for one in names if one.home == module]
    there = [one for one in names if one not in here]
    elsewhere = [f":py:obj:`{one.name} <{one.home}.{one.name}>`" for one in there]
    parts = [_title(module, "="), f".. automodule:: {module}\n"]
    parts += map(_directive, here)
    if elsewhere:
        parts.append(f"Also here: {', '.join(elsewhere)}.\n")
    return "\n".join(parts)


def _first_line(module: ModuleType) -> str:
    return (module.__doc__ or "").partition("\n")[0]


def write_sources(folder: Path) -> None:
    """Write what Sphinx reads: the index and a page for each face."""
    found = entries()
    others = named_in_signatures(one.value for names in found.values() for one in names)
    parts = [_title("Named in signatures", "="), "You get these from the names of other pages.\n"]
    for module, kinds in groupby(others, key=lambda one: one.__module__):
        parts.append(_title(module, "-"))
        parts += [_directive(Entry(module, one.__qualname__, one)) for one in kinds]
    (folder / f"{OTHERS}.rst").write_text("\n".join(parts), "utf-8")
    for name, names in found.items():
        (folder / f"{name}.rst").write_text(_page(name, names), "utf-8")
    index = (SOURCES / "index.rst").read_text("utf-8")
    lines = {name: _first_line(face(name)) for name in FACES}
    index += "".join(f"* :doc:`goim_edu.{name} <{name}>`: {line}\n" for name, line in lines.items())
    index += "\n.. toctree::\n   :hidden:\n\n"
    index += "".join(f"   {name}\n" for name in (*FACES, OTHERS))
    (folder / "index.rst").write_text(index, "utf-8")
