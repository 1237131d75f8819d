"""Named tuples that are checked when they are made.

They do what a frozen dataclass would. The module ``dataclasses`` loads ``inspect`` and compiles
code for each class: that is a quarter of the time that importing the protocol would take.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

__all__ = ["checked"]

_T = TypeVar("_T")


def checked(check: Callable[[Any], None]) -> Callable[[type[_T]], type[_T]]:
    """Have ``check`` look at each new one; what it raises is what the maker gets.

    >>> from typing import NamedTuple
    >>> def positive(size: "Size") -> None:
    ...     if size.width < 1:
    ...         raise ValueError("width must be at least 1")
    >>> @checked(positive)
    ... class Size(NamedTuple):
    ...     width: int
    >>> Size(0)
    Traceback (most recent call last):
    ...
    ValueError: width must be at least 1
    """

    def mark(kind: type[_T]) -> type[_T]:
        unchecked: Any = kind.__new__

        @wraps(unchecked)
        def new(cls: type[_T], *args: Any, **kwargs: Any) -> _T:
            made: _T = unchecked(cls, *args, **kwargs)
            check(made)
            return made

        cast("Any", kind).__new__ = new
        return kind

    return mark
