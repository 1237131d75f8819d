"""Names of a module that are loaded when they are asked for, so that an import stays cheap."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import cast

__all__ = ["lazy_names"]


def lazy_names(
    face: dict[str, object], modules: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """The ``__getattr__`` and ``__dir__`` of a module that loads some of its names later (PEP 562).

    Write it behind ``if not TYPE_CHECKING``, and the imports behind ``if TYPE_CHECKING``: then a
    type checker finds a misspelt name.

    Args:
        face: the ``globals()`` of that module, with its ``__all__``.
        modules: the names, and the module that has each of them.

    >>> face = {"__name__": "example", "__all__": ["sqrt"]}
    >>> load, names = lazy_names(face, {"sqrt": "math"})
    >>> load("sqrt")(9), names()
    (3.0, ['__all__', '__name__', 'sqrt'])
    """
    public = face["__all__"]

    def load(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {face['__name__']!r} has no attribute {name!r}")
        face[name] = value = getattr(import_module(modules[name]), name)
        return value

    def names() -> list[str]:
        return sorted({*face, *cast("list[str]", public)})

    return load, names
