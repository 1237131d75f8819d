"""The options of ``connect``: names, types, defaults, and what is wrong with one."""

from __future__ import annotations

import inspect
import logging
import math
import os
import socket
import ssl as tls
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import NoneType
from typing import Any, Final, Literal, Self, TypedDict, TypeVar

from goim_edu.client.proxy import parse_proxy
from goim_edu.client.retry import Backoff, is_passing
from goim_edu.transport import Tap
from goim_edu.websocket.deflate import DeflateConfig

__all__ = ["ConnectOptions", "HeaderFields", "Log", "Options", "URIs", "each_of", "shows_options"]

HeaderFields = Mapping[str, str] | Iterable[tuple[str, str]]
Log = logging.Logger | logging.LoggerAdapter[Any]
_Function = TypeVar("_Function", bound=Callable[..., Any])


URIs = str | list[str] | tuple[str, ...]
"""The address of a server, or those of several that serve the same."""


def each_of(uri: URIs) -> tuple[str, ...]:
    """The addresses one by one.

    >>> each_of("ws://a/chat"), each_of(["ws://a/chat", "ws://b/chat"])
    (('ws://a/chat',), ('ws://a/chat', 'ws://b/chat'))

    Raises:
        ValueError: there is none.
    """
    uris = tuple(uri) if isinstance(uri, list | tuple) else (uri,)
    if not uris:
        raise ValueError("there is no address to connect to")
    return uris


class ConnectOptions(TypedDict, total=False):
    """All options of ``connect``; ``goim_edu.client.connect`` says what each means."""

    subprotocols: Sequence[str]
    compression: bool | DeflateConfig
    headers: HeaderFields | None
    origin: str | None
    ssl: tls.SSLContext | None
    server_hostname: str | None
    proxy: str | Literal[True] | None
    proxy_ssl: tls.SSLContext | None
    sock: socket.socket | None
    unix: str | os.PathLike[str] | None
    local_addr: tuple[str, int] | None
    max_redirects: int
    open_timeout: float | None
    close_timeout: float | None
    heartbeat_interval: float | None
    heartbeat_timeout: float
    max_message_size: int
    max_waiting: int
    tap: Tap | None
    mask_source: Callable[[int], bytes] | None
    backoff: Backoff | None
    retry: Callable[[Exception], bool]
    logger: Log | None


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Options:
    """The options of one ``connect``, checked; the fields are those of ``ConnectOptions``.

    Attributes:
        pairs: the header fields, as pairs.

    Raises:
        TypeError: an option has the wrong type, or there is none of that name.
        ValueError: an option is out of its range, or does not fit another.

    >>> Options.of({"subprotocols": "chat"})
    Traceback (most recent call last):
    ...
    TypeError: subprotocols is a sequence of names, not the str 'chat'
    """

    subprotocols: Sequence[str] = ()
    compression: bool | DeflateConfig = True
    headers: HeaderFields | None = None
    origin: str | None = None
    ssl: tls.SSLContext | None = None
    server_hostname: str | None = None
    proxy: str | Literal[True] | None = True
    proxy_ssl: tls.SSLContext | None = None
    sock: socket.socket | None = None
    unix: str | os.PathLike[str] | None = None
    local_addr: tuple[str, int] | None = None
    max_redirects: int = 0
    open_timeout: float | None = 10.0
    close_timeout: float | None = 10.0
    heartbeat_interval: float | None = 20.0
    heartbeat_timeout: float = 20.0
    max_message_size: int = 1 << 20
    max_waiting: int = 64
    tap: Tap | None = None
    mask_source: Callable[[int], bytes] | None = None
    backoff: Backoff | None = None
    retry: Callable[[Exception], bool] = is_passing
    logger: Log | None = None
    pairs: tuple[tuple[str, str], ...] = field(init=False)

    @classmethod
    def of(cls, options: ConnectOptions) -> Self:
        """The options that a caller has given, checked; the others have their defaults.

        Args:
            options: by name.

        Raises:
            TypeError: one has the wrong type, or there is none of that name.
            ValueError: one is out of its range, or does not fit another.
        """
        names = [one.name for one in fields(cls) if one.init]
        for name in options:
            if name not in names:
                import difflib  # for this error only

                near = difflib.get_close_matches(name, names, 1)
                hint = f": did you mean {near[0]!r}?" if near else ""
                raise TypeError(f"there is no option {name!r}{hint}")
        return cls(**options)

    def __post_init__(self) -> None:
        for name, (kinds, wanted) in _KINDS.items():
            _check_kind(name, getattr(self, name), kinds, wanted)
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
        for name in ("open_timeout", "close_timeout", "heartbeat_timeout"):
            seconds = getattr(self, name)
            if seconds is not None and not seconds > 0:
                raise ValueError(f"{name} must be more than 0 seconds, not {seconds}")
        if not 0 <= (self.heartbeat_interval or 0) < math.inf:
            interval = self.heartbeat_interval
            raise ValueError(f"heartbeat_interval is 0 or more seconds, not {interval}")
        for name in ("tap", "mask_source", "retry"):
            value = getattr(self, name)
            if not callable(value) and (value is not None or name == "retry"):
                raise TypeError(f"{name} is called, so it is a function, not {_kind_of(value)}")
        object.__setattr__(self, "subprotocols", _names("subprotocols", self.subprotocols))
        object.__setattr__(self, "pairs", _pairs(self.headers))
        self._check_way()

    def _check_way(self) -> None:
        """There is one way to the server: our own socket, a path, or an address."""
        if isinstance(self.proxy, bool) and not self.proxy:
            raise TypeError("proxy is the address of one, True or None, not False: None means none")
        if isinstance(self.proxy, str):
            parse_proxy(self.proxy)
        local = self.local_addr
        if local is not None and [type(part) for part in local] != [str, int]:
            raise TypeError("local_addr is a tuple of a str, the host, and an int, the port")
        if self.unix is not None and not hasattr(socket, "AF_UNIX"):
            raise ValueError("unix needs a system with Unix sockets")
        given = [name for name in ("sock", "unix", "local_addr") if getattr(self, name) is not None]
        if given and given[0] != "local_addr" and isinstance(self.proxy, str):
            given.append("proxy")
        if len(given) > 1:
            raise ValueError(f"{given[0]} and {given[1]} cannot be used together")

    @property
    def log(self) -> Log:
        """Where lines about this connection go."""
        return self.logger if self.logger is not None else logging.getLogger("goim_edu.client")

    @property
    def deflate(self) -> DeflateConfig | None:
        """How to compress, or None."""
        if isinstance(self.compression, DeflateConfig):
            return self.compression
        return DeflateConfig() if self.compression else None


_SECONDS: Final = (int, float)
_KINDS: Final[dict[str, tuple[tuple[type, ...], str]]] = {
    "compression": ((bool, DeflateConfig), "True, False or a DeflateConfig"),
    "origin": ((str, NoneType), "a str or None"),
    "ssl": ((tls.SSLContext, NoneType), "an ssl.SSLContext or None"),
    "server_hostname": ((str, NoneType), "a str or None"),
    "proxy": ((str, bool, NoneType), "the address of one, True or None"),
    "proxy_ssl": ((tls.SSLContext, NoneType), "an ssl.SSLContext or None"),
    "sock": ((socket.socket, NoneType), "a connected socket.socket or None"),
    "unix": ((str, os.PathLike, NoneType), "a path or None"),
    "local_addr": ((tuple, NoneType), "a tuple of host and port, or None"),
    "max_redirects": ((int,), "an int"),
    "open_timeout": ((*_SECONDS, NoneType), "a number of seconds, or None for no limit"),
    "close_timeout": ((*_SECONDS, NoneType), "a number of seconds, or None for no limit"),
    "heartbeat_interval": ((*_SECONDS, NoneType), "a number of seconds, or None for none"),
    "heartbeat_timeout": (_SECONDS, "a number of seconds"),
    "max_message_size": ((int,), "an int"),
    "max_waiting": ((int,), "an int"),
    "backoff": ((Backoff, NoneType), "a Backoff or None"),
    "logger": ((logging.Logger, logging.LoggerAdapter, NoneType), "a logging.Logger or None"),
}
_LEAST: Final = {"max_redirects": 0, "max_message_size": 1, "max_waiting": 1}


def _kind_of(value: object) -> str:
    """A value in an error: by its type, since it may be a secret."""
    return "None" if value is None else type(value).__name__


def _check_kind(name: str, value: object, kinds: tuple[type, ...], wanted: str) -> None:
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise TypeError(f"{name} is {wanted}, not {_kind_of(value)}")


def _names(option: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str | bytes):
        raise TypeError(f"{option} is a sequence of names, not the {_kind_of(value)} {value!r}")
    if not isinstance(value, Iterable):
        raise TypeError(f"{option} is a sequence of names, not {_kind_of(value)}")
    names = tuple(value)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{option} is a sequence of names, each a str, not {_kind_of(name)}")
    return names


def _pairs(headers: object) -> tuple[tuple[str, str], ...]:
    """Header fields as pairs of text; a wrong value is not shown, since it may be a secret."""
    wanted = "headers is a mapping, or a sequence of pairs (name, value)"
    if headers is None:
        return ()
    if isinstance(headers, str | bytes) or not isinstance(headers, Iterable):
        raise TypeError(f"{wanted}, not {_kind_of(headers)}")
    pairs = []
    for pair in headers.items() if isinstance(headers, Mapping) else headers:
        if isinstance(pair, str | bytes) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise TypeError(f"{wanted}: it has {_kind_of(pair)} where a pair is wanted")
        for part in pair:
            if not isinstance(part, str):
                raise TypeError(f"{wanted}, both str: the field {pair[0]!r} has {_kind_of(part)}")
        pairs.append((pair[0], pair[1]))
    return tuple(pairs)


def shows_options(function: _Function) -> _Function:
    """Let ``help`` and tooltips show each option with its default, where ``**options`` stands.

    Args:
        function: takes ``**options: Unpack[ConnectOptions]``; it is returned.
    """
    known = inspect.signature(function)
    own = [one for one in known.parameters.values() if one.kind is not one.VAR_KEYWORD]
    options = [
        one.replace(kind=one.KEYWORD_ONLY) for one in inspect.signature(Options).parameters.values()
    ]
    function.__signature__ = known.replace(  # type: ignore[attr-defined]
        parameters=[*own, *options]
    )
    return function
