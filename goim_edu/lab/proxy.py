"""A caching proxy that knows HTTP but not WebSocket, and small sites behind it (RFC 6455 §10.3).

It is a transparent proxy, as a whole office or a whole provider may have one: it sends everything
on to the address of the connection, and remembers answers by the name in ``Host``. That address and
``Host`` need not agree. The attack of RFC 6455 §10.3 uses this gap.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import Mapping
from typing import Final, Self

from goim_edu.errors import HandshakeError, IncompleteFrame, RemoteProtocolError
from goim_edu.lab.link import HasPort
from goim_edu.lab.raw_client import HOST, ask_http
from goim_edu.lab.stream_server import StreamServer
from goim_edu.websocket.frames import parse_frame
from goim_edu.websocket.handshake import (
    Headers,
    Response,
    accept_response,
    parse_request,
    parse_response,
)

__all__ = ["NaiveProxy", "Site"]

_TIMEOUT: Final = 20.0  # seconds that a connection may be silent
_READ: Final = 65_536  # bytes at once
# Any line that begins like this is a request for the proxy. This is the naive part.
_REQUEST: Final = re.compile(
    rb"^GET (/\S*) HTTP/1\.1\r\n(?:[\w-]+:[^\r\n]*\r\n)*?Host: *([^\s:]+)[^\r\n]*\r\n"
    rb"(?:[\w-]+:[^\r\n]*\r\n)*\r\n",
    re.MULTILINE,
)


class Site(StreamServer):
    """A web site of this machine, with pages, and with a WebSocket that has one thing to say.

    Args:
        pages: the path of each page, and its text.
        retort: the bytes that its WebSocket answers the first frame with, raw; then it hangs up.

    Attributes:
        port: where it listens.
        asked: the paths that it was asked for.

    >>> with Site({"/": "welcome"}) as site, NaiveProxy({"example.com": site}) as proxy:
    ...     proxy.fetch("example.com", "/")
    'welcome'
    """

    def __init__(self, pages: Mapping[str, str] | None = None, *, retort: bytes = b"") -> None:
        self.pages = dict(pages or {})
        self.retort = retort
        self.asked: list[str] = []
        super().__init__()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests, until one of them opens a WebSocket."""
        data = b""
        while piece := await _piece(reader):
            data += piece
            with contextlib.suppress(HandshakeError):  # it ignores what it does not understand
                while (parsed := parse_request(data)) is not None:
                    request, used = parsed
                    data = data[used:]
                    if "Upgrade" in request.headers:
                        writer.write(accept_response(request).to_bytes())
                        await _await_frame(reader, data)
                        writer.write(self.retort)
                        return
                    self.asked.append(request.target)
                    writer.write(self._page(request.target).to_bytes())

    def _page(self, path: str) -> Response:
        body = self.pages.get(path, "no such page").encode()
        headers = Headers([("Content-Length", str(len(body)))])
        found = path in self.pages
        return Response(200 if found else 404, "OK" if found else "Not Found", headers, body)

    def __repr__(self) -> str:
        return f"<Site: {len(self.pages)} page{'s'[: len(self.pages) != 1]}>"


async def _piece(reader: asyncio.StreamReader) -> bytes:
    """What comes next; b"" at the end."""
    async with asyncio.timeout(_TIMEOUT):
        return await reader.read(_READ)


async def _await_frame(reader: asyncio.StreamReader, data: bytes) -> None:
    """Wait until one frame is there, whatever it says."""
    while True:
        try:
            parse_frame(data)
        except IncompleteFrame:
            piece = await _piece(reader)
            data += piece
            if not piece:
                return
        except RemoteProtocolError:
            return
        else:
            return


class NaiveProxy:
    """A caching proxy before some sites of this machine.

    It carries all bytes, and looks at each piece as it comes. What looks like a request counts as
    one, and the next answer belongs to that request. It skips what it does not understand. All its
    clients share its cache.

    Args:
        sites: the name of each site, as browsers write it in ``Host``, and its server.

    Attributes:
        ports: the name of each site, and the port of the proxy that leads to it.
        cache: ``"example.com/path"``, and the answer for the next client that asks for it.
        log: the requests that it believes to have seen.
    """

    def __init__(self, sites: Mapping[str, HasPort]) -> None:
        self.cache: dict[str, bytes] = {}
        self.log: list[str] = []
        self._routes = {name: _Route(self, name, site.port) for name, site in sites.items()}
        self.ports = {name: route.port for name, route in self._routes.items()}

    def websocket(self, name: str, path: str = "/") -> str:
        """The ``ws://`` address that leads to a site through this proxy."""
        return f"ws://{HOST}:{self.ports[name]}{path}"

    def fetch(self, name: str, path: str) -> str:
        """What a browser behind this proxy gets when it asks a site for a page."""
        request = f"GET {path} HTTP/1.1\r\nHost: {name}\r\n\r\n"
        parsed = parse_response(ask_http(self.ports[name], request.encode()))
        if parsed is None:
            raise ConnectionError("the proxy has hung up")
        return parsed[0].body.decode()

    def close(self) -> None:
        """Close it and all connections through it; twice does no harm."""
        for route in self._routes.values():
            route.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<NaiveProxy: before {', '.join(self.ports)}>"


class _Route(StreamServer):
    """The proxy before one site."""

    def __init__(self, proxy: NaiveProxy, name: str, target: int) -> None:
        self._proxy, self._name, self._target = proxy, name, target
        super().__init__()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry everything both ways."""
        coming, server = await asyncio.open_connection(HOST, self._target)
        waiting: deque[str] = deque()  # requests whose answer has not come yet
        back = asyncio.create_task(self._carry_back(coming, writer, waiting))
        try:
            while data := await _piece(reader):
                self._carry_there(data, writer, server, waiting)
                await server.drain()
            server.write_eof()
            await asyncio.wait({back}, timeout=_TIMEOUT)
        finally:
            back.cancel()
            server.close()

    def _carry_there(
        self,
        data: bytes,
        client: asyncio.StreamWriter,
        server: asyncio.StreamWriter,
        waiting: deque[str],
    ) -> None:
        done = 0
        for found in _REQUEST.finditer(data):
            page = (found[2] + found[1]).decode(errors="replace")
            self._proxy.log.append(f"on the way to {self._name}: GET {page}")
            if page in self._proxy.cache:
                server.write(data[done : found.start()])
                client.write(self._proxy.cache[page])
            else:
                waiting.append(page)
                server.write(data[done : found.end()])
            done = found.end()
        server.write(data[done:])

    async def _carry_back(
        self, reader: asyncio.StreamReader, client: asyncio.StreamWriter, waiting: deque[str]
    ) -> None:
        coming = b""
        with contextlib.suppress(OSError):
            while data := await reader.read(_READ):
                coming = self._take_answers(coming + data, client, waiting)
                if not waiting:
                    client.write(coming)
                    coming = b""
                await client.drain()
        with contextlib.suppress(OSError):
            client.write_eof()

    def _take_answers(
        self, coming: bytes, client: asyncio.StreamWriter, waiting: deque[str]
    ) -> bytes:
        """Remember and pass on the complete answers; return the bytes behind them."""
        try:
            while waiting and (parsed := parse_response(coming)) is not None:
                response, used = parsed
                page = waiting.popleft()
                if response.status == 200:
                    self._proxy.cache[page] = coming[:used]
                client.write(coming[:used])
                coming = coming[used:]
        except HandshakeError:
            waiting.clear()  # this is not an answer
        return coming
