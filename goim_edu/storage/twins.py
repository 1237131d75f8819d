"""Awaitable twins of the methods that block, with the same arguments and the same answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

__all__ = ["awaitable"]

P = ParamSpec("P")
T = TypeVar("T")


class Runs(Protocol):
    """Something that calls functions in threads of its own, one asker after the other."""

    def run(
        self, function: Callable[..., T], *args: object, asker: object = None, **kwargs: object
    ) -> Future[T]:
        """Call it when it is this asker's turn."""
        ...


S = TypeVar("S", bound=Runs)


def awaitable(
    verb: Callable[Concatenate[S, P], T],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """The twin of a method: it calls the method in a thread and awaits the answer.

    Each task is an asker of its own. If a task is cancelled, its question is not asked any more
    unless it is being asked already.
    """

    @wraps(verb)
    async def twin(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        asker = asyncio.current_task()
        return await asyncio.wrap_future(self.run(verb, self, *args, asker=asker, **kwargs))

    twin.__name__ = f"a{verb.__name__}"
    twin.__qualname__ = twin.__qualname__.replace(verb.__name__, twin.__name__)
    twin.__doc__ = f"Like :meth:`{verb.__name__}`, to be awaited."
    return twin
