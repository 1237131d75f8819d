"""What Python answers a forgotten ``async`` with names no way out; this does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

__all__ = ["EnteredNotAwaited", "UsedWithAsync"]


class UsedWithAsync:
    """What is entered by ``async with``, and says so to a plain ``with``.

    A type checker does not see these methods, so that it still finds the mistake itself.

    >>> with UsedWithAsync():
    ...     pass
    Traceback (most recent call last):
    ...
    TypeError: UsedWithAsync belongs to an event loop: use `async with` instead of `with`
    """

    __slots__ = ()

    if not TYPE_CHECKING:

        def __enter__(self) -> NoReturn:
            name = type(self).__name__
            raise TypeError(f"{name} belongs to an event loop: use `async with` instead of `with`")

        def __exit__(self, *_: Any) -> None:
            """It is looked up before ``__enter__`` is called."""


class EnteredNotAwaited(UsedWithAsync):
    """The same, of what cannot be awaited either."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __await__(self) -> NoReturn:
            name = type(self).__name__
            raise TypeError(f"{name} is not awaited: enter it with `async with`")
