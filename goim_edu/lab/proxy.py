"""A caching proxy that knows HTTP but not WebSocket, and small sites behind it (RFC 6455 §10.3).

It is a transparent proxy, as a whole office or a whole provider may have one: it sends everything
on to the address of the connection, and remembers answers by the name in ``Host``. That address and
``Host`` need not agree. The attack of RFC 6455 §10.3 uses this gap.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections import deque
from collections.abc import Mapping
from http.client import HTTPConnection
from typing import Any, Final, Self

from goim_edu.errors import HandshakeError, IncompleteFrame, RemoteProtocolError
from goim_edu.lab.link import HasPort
from goim_edu.websocket.frames import parse_frame
from goim_edu.websocket.handshake import (
    Headers,
    Response,
    accept_response,
    parse_request,
    parse_response,
)

__all__ = ["NaiveProxy", "Site"]

_HOST: Final = "127.0.0.1"
_TIMEOUT: Final = 20.0  # seconds that a connection may be silent
_READ: Final = 65_536  # bytes at once
# Any line that begins like this is a request for the proxy. This is the naive part.
_REQUEST: Final = re.compile(
    rb"^GET (/\S*) HTTP/1\.1\r\n(?:[\w-]+:[^\r\n]*\r\n)*?Host: *([^\s:]+)[^\r\n]*\r\n"
    rb"(?:[\w-]+:[^\r\n]*\r\n)*\r\n",
    re.MULTILINE,
)


class _Listener:
    """A socket that listens in a thread, with a thread for each connection."""

    def __init__(self) -> None:
        self._socket = socket.create_server((_HOST, 0))
        self._open: set[socket.socket] = {self._socket}
        self.port: int = self._socket.getsockname()[1]
        self._start(self._listen)

    def _start(self, work: Any, *args: Any) -> threading.Thread:
        thread = threading.Thread(target=work, args=args, name=type(self).__name__, daemon=True)
        thread.start()
        return thread

    def _listen(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                self._start(self._answer, self._socket.accept()[0])

    def _answer(self, client: socket.socket) -> None:
        self._open.add(client)
        client.settimeout(_TIMEOUT)
        with client, contextlib.suppress(OSError):  # it hangs up, or says nothing for long
            self.serve(client)
        self._open.discard(client)

    def serve(self, client: socket.socket) -> None:
        """Talk to a client until one of the two is done."""
        raise NotImplementedError

    def close(self) -> None:
        """Accept no more connections, and end the open ones; twice does no harm."""
        for one in tuple(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Site(_Listener):
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

    def serve(self, client: socket.socket) -> None:
        """Answer requests, until one of them opens a WebSocket."""
        data = b""
        while piece := client.recv(_READ):
            data += piece
            with contextlib.suppress(HandshakeError):  # it ignores what it does not understand
                while (parsed := parse_request(data)) is not None:
                    request, used = parsed
                    data = data[used:]
                    if "Upgrade" in request.headers:
                        client.sendall(accept_response(request).to_bytes())
                        _await_frame(client, data)
                        client.sendall(self.retort)
                        return
                    self.asked.append(request.target)
                    client.sendall(self._page(request.target).to_bytes())

    def _page(self, path: str) -> Response:
        body = self.pages.get(path, "no such page").encode()
        headers = Headers([("Content-Length", str(len(body)))])
        found = path in self.pages
        return Response(200 if found else 404, "OK" if found else "Not Found", headers, body)

    def __repr__(self) -> str:
        return f"<Site: {len(self.pages)} page{'s'[: len(self.pages) != 1]}>"


def _await_frame(client: socket.socket, data: bytes) -> None:
    """Wait until one frame is there, whatever it says."""
    while True:
        try:
            parse_frame(data)
        except IncompleteFrame:
            piece = client.recv(_READ)
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
        return f"ws://{_HOST}:{self.ports[name]}{path}"

    def fetch(self, name: str, path: str) -> str:
        """What a browser behind this proxy gets when it asks a site for a page."""
        connection = HTTPConnection(_HOST, self.ports[name], timeout=_TIMEOUT)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Host": name})
            return connection.getresponse().read().decode()

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


class _Route(_Listener):
    """The proxy before one site."""

    def __init__(self, proxy: NaiveProxy, name: str, target: int) -> None:
        self._proxy, self._name, self._target = proxy, name, target
        super().__init__()

    def serve(self, client: socket.socket) -> None:
        """Carry everything both ways."""
        with socket.create_connection((_HOST, self._target), timeout=_TIMEOUT) as server:
            waiting: deque[str] = deque()  # requests whose answer has not come yet
            back = self._start(self._carry_back, server, client, waiting)
            try:
                while data := client.recv(_READ):
                    self._carry_there(data, client, server, waiting)
            finally:
                with contextlib.suppress(OSError):
                    server.shutdown(socket.SHUT_WR)
                back.join(_TIMEOUT)

    def _carry_there(
        self, data: bytes, client: socket.socket, server: socket.socket, waiting: deque[str]
    ) -> None:
        done = 0
        for found in _REQUEST.finditer(data):
            page = (found[2] + found[1]).decode(errors="replace")
            self._proxy.log.append(f"on the way to {self._name}: GET {page}")
            if page in self._proxy.cache:
                server.sendall(data[done : found.start()])
                client.sendall(self._proxy.cache[page])
            else:
                waiting.append(page)  # first, since the answer may be quick
                server.sendall(data[done : found.end()])
            done = found.end()
        server.sendall(data[done:])

    def _carry_back(
        self, server: socket.socket, client: socket.socket, waiting: deque[str]
    ) -> None:
        coming = b""
        with contextlib.suppress(OSError):
            while data := server.recv(_READ):
                coming = self._take_answers(coming + data, client, waiting)
                if not waiting:
                    client.sendall(coming)
                    coming = b""
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_WR)

    def _take_answers(self, coming: bytes, client: socket.socket, waiting: deque[str]) -> bytes:
        """Remember and pass on the complete answers; return the bytes behind them."""
        try:
            while waiting and (parsed := parse_response(coming)) is not None:
                response, used = parsed
                page = waiting.popleft()
                if response.status == 200:
                    self._proxy.cache[page] = coming[:used]
                client.sendall(coming[:used])
                coming = coming[used:]
        except HandshakeError:
            waiting.clear()  # this is not an answer
        return coming
