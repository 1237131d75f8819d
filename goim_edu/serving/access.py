"""Which pages may connect, and by which names browsers may reach the server."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from functools import lru_cache

from goim_edu.websocket.origin import host_of, normal_origin

__all__ = ["AllowedHosts", "AllowedOrigins", "is_loopback"]


@lru_cache(maxsize=256)  # each handshake asks for the same few names
def is_loopback(host: str) -> bool:
    """Whether this name or address is this machine's own.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")


class AllowedOrigins:
    """The pages that may connect, as ``check_origin`` asks for them.

    Args:
        origins: such as ``https://chat.example.com``; ``loopback`` for any page of this machine,
            ``*`` for every page, ``null`` for pages without an address.

    Raises:
        ValueError: one of them is none of these.

    >>> "https://chat.example.com" in AllowedOrigins(["https://Chat.example.com:443/"])
    True
    """

    def __init__(self, origins: Sequence[str]) -> None:
        self.everybody = "*" in origins
        self._loopback = "loopback" in origins
        self._names: set[str] = set()
        for origin in origins:
            name = origin if origin == "null" else normal_origin(origin.removesuffix("/"))
            if name is not None:
                self._names.add(name)
            elif origin not in ("*", "loopback"):
                raise ValueError(
                    f"{origin!r} is not an origin: write a scheme and a host, such as "
                    "https://chat.example.com, and no path"
                )

    def __contains__(self, origin: object) -> bool:
        if origin is None or self.everybody:
            return True  # a client without an Origin is not a page that another site runs
        if not isinstance(origin, str):
            return False
        scheme, _, authority = origin.partition("://")
        if self._loopback and scheme in ("http", "https") and is_loopback(host_of(authority)):
            return True
        return origin in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class AllowedHosts:
    """The names by which browsers may reach the server: ``"chat.example.com:443" in hosts``.

    Anybody can let a name of their own point here, and a page under that name may then read what
    we answer ("DNS rebinding"). Nobody can do that with an address, nor with the names of this
    machine.

    Args:
        hosts: names; ``*`` for every name.
        origins: pages that may connect; they may reach the server by their own name.
        beyond: whether the server listens for other machines: without any ``hosts`` every name is
            then taken, since its own is not known.

    >>> hosts = AllowedHosts(["chat.example.com"])
    >>> "Chat.example.com:443" in hosts, "[::1]:8765" in hosts, "evil.example" in hosts
    (True, True, False)
    """

    def __init__(
        self, hosts: Sequence[str], origins: Sequence[str] = (), *, beyond: bool = False
    ) -> None:
        self.everything = "*" in hosts or "*" in origins or (beyond and not hosts)
        self._names = {host_of(host) for host in hosts}
        self._names |= {host_of(origin.partition("://")[2]) for origin in origins} - {""}

    def __contains__(self, authority: object) -> bool:
        if self.everything:
            return True
        if not isinstance(authority, str):
            return False
        host = host_of(authority)
        return host in self._names or is_loopback(host) or _is_address(host)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
