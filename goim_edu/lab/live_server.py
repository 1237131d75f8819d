"""LiveServer: the real chat server beside the code of this process, for notebooks and tests."""

from __future__ import annotations

import atexit
import contextlib
import secrets
from pathlib import Path
from typing import Any, Final, Self, Unpack

from goim_edu.capture import Capture
from goim_edu.lab.link import Faults, Link
from goim_edu.lab.raw_client import HOST, ask, ask_http
from goim_edu.mongod.temporary import new_temporary, remove_temporary
from goim_edu.runtime import Background, platform
from goim_edu.server import ChatServer, ServerConfig
from goim_edu.store import MessageStore, open_store
from goim_edu.transport import Connection, Direction, Tap
from goim_edu.transport.memory_socket import lend
from goim_edu.websocket.frames import Frame

__all__ = ["LiveServer"]

_DEFAULTS: Final[dict[str, Any]] = {
    "host": HOST,
    "port": 0,
    "compression": False,  # in a lesson the bytes on the wire should be readable
    "presence_grace": 0.0,  # and who leaves is told at once
}
_START_TIMEOUT: Final = 30.0  # seconds until the server must listen
_STOP_TIMEOUT: Final = 20.0  # seconds to drain, to flush the store and to end

_KEY: Final = f"goim.key.{secrets.token_urlsafe(16)}"  # one for this process: a panel may move

_running: dict[str, LiveServer] = {}


class LiveServer:
    """The chat server of this package, alive in an event loop of its own: in a thread, if any.

    Thread safety: all methods may be called from any thread but its own. They wait, with a bound,
    and cannot be cancelled.

    It listens on a free port of this machine only. A new one closes the previous one of the same
    name, so the cell that makes it can be run again. It ends with the process, with ``close()``,
    or with its ``with`` block.

    Args:
        mongo: where messages go, as in ``serve --mongo``: ``"auto"``, ``"memory"``, ``"local"`` or
            a ``mongodb://`` address; or a store that you have opened, which stays open: two
            servers may share it, and you close it.
        data_dir: where a local MongoDB keeps its files; default: a folder that goes with it.
        name: a new server replaces the one of the same name.
        settings: fields of :class:`goim_edu.server.ServerConfig` and of its ``limits``, by name,
            such as ``burst=5``. Unlike ``serve``, it does not compress unless you say
            ``compression=True``. Of pages only its own may connect, and those that have its key.

    Attributes:
        url, echo_url, page_url: the chat, the echo, and the page for a browser.
        store: the message store.
        capture: every byte of every connection.
        key: the secret with which a page of another origin may connect: it offers this name as a
            second subprotocol. A widget is told it by the kernel; no other page knows it. It is
            the same for all live servers of a process. The capture has stars in its place.
        server: the :class:`goim_edu.server.ChatServer`; it belongs to the other thread, so do not
            change it.

    Raises:
        StoreUnavailable: the database cannot be reached.

    >>> from goim_edu.websocket.frames import build_frame
    >>> with LiveServer("memory", name="example") as live:
    ...     [answer] = live.ask(build_frame("Hello", mask_key=b"1234"))
    >>> answer
    Frame(TEXT, b'Hello')
    """

    store: MessageStore

    def __init__(
        self,
        mongo: str | MessageStore = "auto",
        *,
        data_dir: Path | None = None,
        name: str = "live",
        **settings: Any,
    ) -> None:
        before = _running.pop(name, None)
        if before is not None:
            before.close()
        lend()
        self.name = name
        self.capture = Capture()
        self.key = _KEY
        self._own_dir = None
        self._own_store = not isinstance(mongo, MessageStore)
        if data_dir is None and mongo in ("auto", "local") and platform().processes:
            self._own_dir = new_temporary("goim-edu-")
        self._background: Background | None = None
        try:
            if isinstance(mongo, MessageStore):
                self.store = mongo
            else:
                self.store = open_store(mongo, data_dir=data_dir or self._own_dir)
            config = ServerConfig.of(**_DEFAULTS | settings)
            self._background = platform().background(f"LiveServer {name}")
            self._background.run(self._open(config), _START_TIMEOUT)
        except BaseException:
            if self._background is not None:
                self._background.close()
            self._clean_up()
            raise
        _running[name] = self
        atexit.register(self._clean_up)

    async def _open(self, config: ServerConfig) -> None:
        self.server = server = self._make_server(config)
        await server.start()
        self.port = server.port

    def _make_server(self, config: ServerConfig) -> ChatServer:
        return ChatServer(config, self.store, tap=self._tap, page_key=self.key)

    def _tap(self, connection: Connection) -> Tap:
        """Record a connection, but not the key."""
        record = self.capture.tap(connection.id)
        key = self.key.encode()
        stars = b"goim.key.".ljust(len(key), b"*")

        def tap(direction: Direction, time: float, data: bytes) -> None:
            record(direction, time, bytes(data).replace(key, stars))

        return tap

    # ------------------------------------------------------------------ where it is

    @property
    def url(self) -> str:
        """The address of the chat."""
        return f"ws://{HOST}:{self.port}/chat"

    @property
    def echo_url(self) -> str:
        """The address that sends back what it gets."""
        return f"ws://{HOST}:{self.port}/echo"

    @property
    def page_url(self) -> str:
        """The address of the chat page, for a browser."""
        return f"http://{HOST}:{self.port}/"

    @property
    def database(self) -> str:
        """The database that keeps the messages, in words."""
        if not self.store.durable:
            return self.store.description
        return f"a real MongoDB, version {self.store.database.client.server_info()['version']}"

    def link(self, **faults: Unpack[Faults]) -> Link:
        """Return a bad network to this server; close it when you no longer need it.

        Args:
            faults: of the :class:`goim_edu.lab.Link`, such as ``delay=0.05``.
        """
        return Link(self, **faults)

    # ------------------------------------------------------------------ asking with raw bytes

    def ask(self, data: bytes, path: str = "/echo") -> list[Frame]:
        """Send raw bytes on a fresh connection and return the frames that come back.

        A proper handshake comes first, then ``data``, right or wrong. The method waits for an
        answer where one must come. An unfinished frame gets none, so after a moment of silence the
        list is empty.

        Raises:
            OSError: the server is not there, or does not answer in time.
        """
        return ask(self.port, data, path)

    def ask_http(self, request: bytes) -> bytes:
        """Send a raw HTTP request on a fresh connection and return the answer as it came.

        Raises:
            OSError: the server is not there, or does not answer in time.
        """
        return ask_http(self.port, request)

    # ------------------------------------------------------------------ its end

    def close(self) -> None:
        """Let the server drain, close a store of its own, end the thread; twice does no harm."""
        atexit.unregister(self._clean_up)
        if _running.get(self.name) is self:
            del _running[self.name]
        if self._background is not None:
            # The loop may have ended by itself; and what is not drained in time is cut off.
            with contextlib.suppress(RuntimeError, TimeoutError):
                self._background.run(self.server.drain(), _STOP_TIMEOUT)
            self._background.close()
            self._background = None
        self._clean_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _clean_up(self) -> None:
        """Close a store of its own; at the end of the process there is no time left for more."""
        if self._own_store and hasattr(self, "store"):
            self.store.close()
        if self._own_dir is not None:
            remove_temporary(self._own_dir)

    def __repr__(self) -> str:
        # No port: a notebook's saved output must not change from one run to the next.
        return "<LiveServer: chat, echo and a page for your browser>"
