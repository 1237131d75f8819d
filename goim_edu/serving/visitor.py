"""The client that asks: its address and scheme, also behind trusted proxies (RFC 7239)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from goim_edu.serving.access import is_loopback
from goim_edu.websocket.handshake import Headers, Request
from goim_edu.websocket.origin import host_of

__all__ = ["TrustedProxies", "Visitor"]

_PAIR: Final = re.compile(r'[ \t]*([\w!#$%&\'*+.^`|~-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,;"]*))[ \t]*')
_LEFT_BY_PROXIES: Final = frozenset(
    ("forwarded", "via", "x-real-ip", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto")
)
_PORT: Final = re.compile(r"(\[.+\]|[0-9.]+)(?::[0-9]{1,5})?")


class Visitor(NamedTuple):
    """A client, as far as it can be known.

    Args:
        address: its address, or that of the last proxy that we know nothing about.
        secure: whether its own connection is encrypted; None if that is not known.
        local: whether it is a program of this machine that asks for this machine, with no proxy in
            between. Only then is it told what is not meant for strangers.
    """

    address: str
    secure: bool | None
    local: bool


class TrustedProxies:
    """The proxies whose ``X-Forwarded-For``, ``X-Forwarded-Proto`` and ``Forwarded`` are believed.

    Every proxy appends the address that it sees; what stands before comes from that client, who may
    have written anything. So the list is read from its end: the first address that is not a proxy
    of ours is the client.

    Args:
        networks: addresses or networks, such as ``10.0.0.0/8``.

    Raises:
        ValueError: one of them is neither.

    >>> proxies = TrustedProxies(["127.0.0.1"])
    >>> fields = Headers([("X-Forwarded-For", "203.0.113.9, 198.51.100.7")])
    >>> proxies.visitor("127.0.0.1", Request("GET", "/", "HTTP/1.1", fields)).address
    '198.51.100.7'
    """

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ipaddress.ip_network(network, strict=False) for network in networks]

    def __contains__(self, address: object) -> bool:
        if not self._networks or not isinstance(address, str):
            return False
        known = _address(address)
        return known is not None and any(known in network for network in self._networks)

    def visitor(self, peer: str, request: Request, *, tls: bool = False) -> Visitor:
        """The client behind a request.

        Args:
            peer: the address at the other end of the TCP connection.
            request: what came.
            tls: whether that connection is encrypted.
        """
        secure = True if tls else None
        headers = request.headers
        address = _address(peer)
        name = host_of(request.authority)
        local = (
            (address is not None and address.is_loopback)
            and (not name or is_loopback(name))
            and not headers.has_any(_LEFT_BY_PROXIES)
        )
        if peer not in self:
            return Visitor(peer, secure, local)
        client = self._client(headers)
        return Visitor(peer if client is None else str(client), _is_secure(headers, secure), local)

    def _client(self, headers: Headers) -> _Address | None:
        """The client that the header fields name; None if they do not, or cannot be believed.

        A proxy writes one of the two fields, and may pass on the other as the client wrote it.
        """
        told = []
        if "x-forwarded-for" in headers:
            told.append(self._last_stranger(headers["x-forwarded-for"].split(",")))
        if "forwarded" in headers:
            told.append(self._last_stranger([one.get("for", "") for one in _hops(headers)]))
        return told[0] if told and all(one == told[0] for one in told) else None

    def _last_stranger(self, hops: Sequence[str]) -> _Address | None:
        """The last address that is not a trusted proxy; if all are, the first."""
        address = None
        for hop in reversed(hops):
            address = _address(hop)
            if address is None or str(address) not in self:
                break
        return address


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@lru_cache(maxsize=1024)
def _address(text: str) -> _Address | None:
    """An address as sockets or proxies write it, perhaps with its port; None if it is not one."""
    text = text.strip(" \t")
    with_port = _PORT.fullmatch(text)
    try:
        address = ipaddress.ip_address((with_port[1] if with_port else text).strip("[]"))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_secure(headers: Headers, otherwise: bool | None) -> bool | None:
    """Whether the client speaks TLS with the last proxy that says so."""
    told = [hop["proto"] for hop in _hops(headers) if "proto" in hop][-1:]
    told += headers.get("x-forwarded-proto").split(",")[-1:]
    schemes = {scheme.strip(" \t").lower() for scheme in told} - {""}
    if schemes and schemes <= {"https", "wss"}:
        return True
    return False if schemes and schemes <= {"http", "ws"} else otherwise


def _hops(headers: Headers) -> Iterator[dict[str, str]]:
    """The elements of ``Forwarded``, one a proxy, each a dict of its parameters (RFC 7239 §4).

    What cannot be read ends the list; an element that is not there names no client.
    """
    value = headers.get("forwarded")
    hop: dict[str, str] = {}
    position = 0
    while value:
        pair = _PAIR.match(value, position)
        if pair is None:
            yield {}
            return
        quoted, token = pair[2], pair[3]
        hop[pair[1].lower()] = token if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        position = pair.end()
        separator = value[position : position + 1]
        if separator != ";":
            yield hop
            hop = {}
        if separator not in (",", ";"):
            if separator:
                yield {}
            return
        position += 1
