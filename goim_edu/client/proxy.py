"""Proxies: which one to go through, and HTTP CONNECT without I/O (RFC 9110 §9.3.6)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from goim_edu.errors import HandshakeError, ProxyError
from goim_edu.websocket.http11 import HandshakeLimits, Response, parse_response, quoted, write_head
from goim_edu.websocket.uri import Credentials, WebSocketURI, parse_authority, without_secrets

__all__ = ["Proxy", "ProxyError", "Tunnel", "find_proxy", "parse_proxy"]

_PORTS: Final = {"http": 80, "https": 443, "socks4": 1080, "socks4a": 1080} | {
    "socks5": 1080,
    "socks5h": 1080,
}
_PROXY = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.\-]*)://)?([^/?#\x00-\x20]+)/?")
_HEAD_ONLY: Final = HandshakeLimits(max_body=0)
_ENTRY: Final = re.compile(r"([^:]+|\[.*\]):([0-9]{1,5})")  # of no_proxy, with a port
_SECTION: Final = "RFC 9110 §9.3.6"


class Proxy(NamedTuple):
    """A proxy: how it is spoken to, and where it is.

    Args:
        scheme: ``http``, ``https``, ``socks4``, ``socks4a``, ``socks5`` or ``socks5h``; in those
            with a letter behind the number the proxy looks up the name of the server.
        host: name or IP address.
        port: 1 to 65535.
        credentials: what it is told of us, or None.
    """

    scheme: str
    host: str
    port: int
    credentials: Credentials | None

    @property
    def socks(self) -> bool:
        """Whether it speaks SOCKS, not HTTP."""
        return self.scheme.startswith("socks")


def parse_proxy(text: str) -> Proxy:
    """Take the address of a proxy apart; without a scheme it is ``http``.

    Raises:
        ValueError: it is not the address of a proxy; the text repeats no password.

    >>> parse_proxy("http://lisa:secret@proxy.example:3128")
    Proxy(scheme='http', host='proxy.example', port=3128, credentials=Credentials(***))
    >>> parse_proxy("localhost:1080").scheme
    'http'
    """
    try:
        parts = _PROXY.fullmatch(text)
        if parts is None:
            raise ValueError("it has a path, a space, or no host")
        scheme = (parts[1] or "http").lower()
        if scheme not in _PORTS:
            raise ValueError(f"its scheme is {scheme}, not one of {', '.join(_PORTS)}")
        return Proxy(scheme, *parse_authority(parts[2], _PORTS[scheme]))
    except ValueError as error:
        shown = without_secrets(text if "://" in text else f"//{text}").removeprefix("//")
        raise ValueError(
            f"{shown!r} is not an address of a proxy such as http://host:port: {error}"
        ) from None


# ---------------------------------------------------------------------- which one


def find_proxy(
    proxy: str | Literal[True] | None, uri: WebSocketURI, environment: Mapping[str, str]
) -> Proxy | None:
    """The proxy to go through to an address, or None.

    With True the environment says which: ``wss_proxy``, ``https_proxy`` or ``all_proxy`` for
    ``wss://``, and ``ws_proxy``, ``http_proxy`` or ``all_proxy`` for ``ws://``, in lower or upper
    case; ``no_proxy`` lists hosts that are reached without. This machine itself always is, as in
    browsers: a proxy elsewhere could not reach it.

    Args:
        proxy: its address, True or None.
        uri: where to.
        environment: such as ``os.environ``.

    Raises:
        ValueError: what the environment names is not the address of a proxy.

    >>> from goim_edu.websocket.uri import parse_uri
    >>> find_proxy(True, parse_uri("wss://example.com"), {"https_proxy": "proxy:3128"}).port
    3128
    """
    if proxy is None:
        return None
    if isinstance(proxy, str):
        return parse_proxy(proxy)
    if _is_this_machine(uri.host) or _goes_without(uri, _variable(environment, "no_proxy")):
        return None
    for name in ("wss", "https", "all") if uri.secure else ("ws", "http", "all"):
        found = _variable(environment, f"{name}_proxy")
        if found:
            return parse_proxy(found)
    return None


def _variable(environment: Mapping[str, str], name: str) -> str:
    if name == "http_proxy" and "REQUEST_METHOD" in environment:
        return environment.get(name, "")  # in CGI, HTTP_PROXY is what the client sent as "Proxy:"
    return (environment.get(name) or environment.get(name.upper(), "")).strip()


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _is_this_machine(host: str) -> bool:
    address = _address(host)
    name = host.lower().rstrip(".")
    return address.is_loopback if address else name == "localhost" or name.endswith(".localhost")


def _goes_without(uri: WebSocketURI, listed: str) -> bool:
    """Whether ``no_proxy`` lists this host: itself, a domain above it, or its network."""
    host, address = uri.host.lower().rstrip("."), _address(uri.host)
    for entry in re.split(r"[\s,]+", listed.lower()):
        found = _ENTRY.fullmatch(entry)
        name = (found[1] if found else entry).strip("[]").removeprefix("*").strip(".")
        if found and int(found[2]) != uri.port:
            continue
        if entry == "*" or (name and (host == name or (not address and host.endswith(f".{name}")))):
            return True
        if address and "/" in name and _in_network(address, name):
            return True
    return False


def _in_network(address: ipaddress.IPv4Address | ipaddress.IPv6Address, network: str) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False  # it is not a network, so nothing is in it


# ---------------------------------------------------------------------- HTTP CONNECT


class Tunnel:
    r"""A way through an HTTP proxy: one request out, one response in, then octets both ways.

    Args:
        proxy: what it is told of us.
        uri: where to.

    >>> from goim_edu.websocket.uri import parse_uri
    >>> tunnel = Tunnel(parse_proxy("http://proxy.example"), parse_uri("wss://example.com/chat"))
    >>> tunnel.request.splitlines()[0]
    b'CONNECT example.com:443 HTTP/1.1'
    >>> tunnel.receive(b"HTTP/1.1 200 Go\r\n"), tunnel.receive(b"\r\n")
    (False, True)
    """

    def __init__(self, proxy: Proxy, uri: WebSocketURI) -> None:
        host = f"[{uri.server_name}]" if ":" in uri.server_name else uri.server_name
        fields = [("Host", f"{host}:{uri.port}")]
        if proxy.credentials is not None:
            fields.append(("Proxy-Authorization", proxy.credentials.basic))
        self.request = write_head(f"CONNECT {host}:{uri.port} HTTP/1.1", fields)
        self._buffer = b""

    def receive(self, data: bytes) -> bool:
        """Take the next octets; b"" says that the proxy has closed.

        Returns:
            Whether the way is open; what is written from then on goes to the server.

        Raises:
            ProxyError: the proxy refused, or does not speak HTTP.
        """
        self._buffer += data
        try:
            # A 2xx to a CONNECT has no body, whatever its fields say.
            found = parse_response(self._buffer, _HEAD_ONLY, eof=not data)
            if found is not None and not 200 <= found[0].status < 300:
                found = parse_response(self._buffer, eof=not data)
                if found is not None:
                    raise _refusal(found[0])
        except ProxyError:
            raise
        except HandshakeError as error:
            why = f"this is not an HTTP proxy: {error.message}"
            raise ProxyError(why, status=502, section=error.section) from None
        if found is None:
            if not data:
                why = "the proxy closed the connection without an answer"
                raise ProxyError(why, status=502, section=_SECTION, passing=True)
            return False
        if len(self._buffer) > found[1]:
            why = "there are octets behind the proxy's answer, before anything was asked"
            raise ProxyError(why, status=502, section=_SECTION)
        return True


def _refusal(response: Response) -> ProxyError:
    status = response.status
    hint = ": it wants a user and a password in its address" if status == 407 else ""
    return ProxyError(
        f"the proxy answered {status} {quoted(response.reason)[1:-1]}{hint}",
        status=status,
        section=_SECTION,
        headers=tuple(response.headers),
        passing=status in (408, 425, 429) or 500 <= status < 600,
        body=response.body,
    )
