"""What answers at a path: a coroutine that is given a ``WebSocket``, and how it is run."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Final

from goim_edu.errors import HandshakeError
from goim_edu.transport import ConnectionClosed, ConnectionState, WebSocket
from goim_edu.websocket.handshake import Request, select_subprotocol
from goim_edu.websocket.http11 import TOKEN

__all__ = ["Route", "Routes", "SelectSubprotocol", "WebSocketHandler", "run_handler"]

log = logging.getLogger("goim_edu.server")

WebSocketHandler = Callable[[WebSocket], Awaitable[None]]
"""Serves one connection: when it returns, the connection is closed with 1000; if it raises, that is
logged, and the connection is closed with 1011."""

SelectSubprotocol = Callable[[Request, Sequence[str]], str | None]
"""Takes a request and the subprotocols that we speak; gives the one to agree on, or None. To refuse
the request it raises ``HandshakeError``."""

_OPEN: Final = ConnectionState.OPEN


@dataclass(frozen=True, slots=True)
class Route:
    """A handler, and the subprotocols that it speaks.

    Args:
        handler: a coroutine function that is given the ``WebSocket``.
        subprotocols: what it speaks; of these the one is agreed on that the client wants most, and
            none if it offers none of them (RFC 6455 §4.2.2).
        select_subprotocol: chooses in another way, or refuses.

    Raises:
        TypeError: one of them is not what it must be.
        ValueError: a subprotocol has a name that cannot be written (RFC 6455 §4.1).

    >>> async def shout(ws: WebSocket) -> None:
    ...     async for message in ws:
    ...         await ws.send(str(message).upper())
    >>> Route(shout, subprotocols=["loud"]).subprotocols
    ('loud',)
    """

    handler: WebSocketHandler
    subprotocols: Sequence[str] = ()
    select_subprotocol: SelectSubprotocol | None = None

    def __post_init__(self) -> None:
        check_handler(self.handler)
        names = self.subprotocols
        if isinstance(names, str):
            raise TypeError(f"subprotocols is a sequence, not the str {names!r}")
        for name in names:
            if not isinstance(name, str) or not TOKEN.fullmatch(name):
                raise ValueError(f"subprotocols: {name!r} is not a token (RFC 6455 §4.1)")
        if not (self.select_subprotocol is None or callable(self.select_subprotocol)):
            raise TypeError(
                f"select_subprotocol must be a function, not {self.select_subprotocol!r}"
            )
        object.__setattr__(self, "subprotocols", tuple(names))

    def choose(self, request: Request) -> str | None:
        """The subprotocol to agree on, or None.

        Raises:
            HandshakeError: the request is refused.
        """
        if self.select_subprotocol is not None:
            return self.select_subprotocol(request, self.subprotocols)
        return select_subprotocol(request, self.subprotocols) if self.subprotocols else None


class Routes(MutableMapping[str, Route]):
    """Routes by their path; what cannot be one is refused when it is set.

    Args:
        routes: a path, such as ``/shout``, to a ``Route`` or just its handler.
        taken: paths that are served already.

    Raises:
        TypeError, ValueError: a path or a handler is not one.

    >>> Routes({"shout": print})
    Traceback (most recent call last):
    ...
    ValueError: routes: 'shout' is not a path such as /shout
    """

    def __init__(
        self,
        routes: Mapping[str, Route | WebSocketHandler] | None = None,
        taken: Sequence[str] = (),
    ) -> None:
        self._routes: dict[str, Route] = {}
        self._taken = frozenset(taken)
        if routes is not None and not isinstance(routes, Mapping):
            raise TypeError(f"routes must be a mapping of paths to handlers, not {routes!r}")
        for path, route in (routes or {}).items():
            self[path] = route

    def __getitem__(self, path: str) -> Route:
        return self._routes[path]

    def __setitem__(self, path: str, route: Route | WebSocketHandler) -> None:
        if not isinstance(path, str) or not path.startswith("/") or {*"?# "} & {*path}:
            name = str(path).lstrip("/").partition("?")[0].partition("#")[0].replace(" ", "-")
            raise ValueError(f"routes: {path!r} is not a path such as /{name}")
        if path in self._taken:
            raise ValueError(f"routes: {path} is served already, take another path")
        self._routes[path] = route if isinstance(route, Route) else Route(route)

    def __delitem__(self, path: str) -> None:
        del self._routes[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._routes)

    def __len__(self) -> int:
        return len(self._routes)


def check_handler(handler: object) -> None:
    """Refuse what cannot serve a connection.

    Raises:
        TypeError: what it is, and what is wanted.
    """
    wanted = "a handler is a coroutine function with one argument, the WebSocket"
    if inspect.iscoroutine(handler):
        handler.close()  # else Python warns that it was never awaited
        raise TypeError(f"{wanted}: give the function itself, without parentheses")
    if not callable(handler):
        raise TypeError(f"{wanted}, not {handler!r}")
    if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
        raise TypeError(f"{wanted}, not a generator: {handler!r}")
    try:
        signature = inspect.signature(handler)
    except ValueError:
        return  # it does not tell its arguments
    try:
        signature.bind(None)
    except TypeError as error:
        raise TypeError(f"{wanted}; {handler!r} cannot be called so: {error}") from None


async def run_handler(handler: WebSocketHandler, ws: WebSocket) -> None:
    """Serve a connection, and close it as its handler ends: with 1000, or with 1011 if it fails."""
    code = 1000
    try:
        serving = handler(ws)
        if not inspect.isawaitable(serving):
            raise TypeError(f"a handler is a coroutine function (async def); it gave {serving!r}")
        await serving
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            ws.connection.close(1001, "the server is closing")
            raise
        log.exception("handler failed connection=%d", ws.id)  # it awaited what was cancelled
        code = 1011
    except Exception as error:
        # A connection of its own, such as to a database, may have failed while this one lives.
        if ws.state is not _OPEN and _tells_of_the_end(error):
            log.debug("the peer left connection=%d", ws.id)
        else:
            log.exception("handler failed connection=%d", ws.id)
            code = 1011
    await ws.close(code, "internal error" if code == 1011 else "")


def _tells_of_the_end(error: Exception) -> bool:
    """Whether it says that the connection is closed, also out of a group of tasks."""
    if isinstance(error, ExceptionGroup):
        return error.split(ConnectionClosed)[1] is None
    return isinstance(error, ConnectionClosed)


def no_such_path() -> HandshakeError:
    """The refusal of a path at which nothing is served."""
    why = "there is no WebSocket at this path"
    return HandshakeError(why, status=404, section="RFC 6455 §4.2.2")
