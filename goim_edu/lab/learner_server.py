"""The live server on a learner's own functions; where one fails, that of the package steps in.

The learner's ``parse_frame`` and ``apply_mask`` read every frame that comes, ``build_frame`` writes
every frame that goes, and ``generate_accept`` answers every handshake. A right result is used. If a
function raises, runs too long or returns something else, the package does that call itself and
records its input: so a mistake never stops the server, and it is not hidden.
"""

from __future__ import annotations

import asyncio
import difflib
import inspect
import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

from goim_edu.errors import IncompleteFrame, RemoteProtocolError
from goim_edu.feedback.card import Card
from goim_edu.feedback.sandbox import Outcome, call
from goim_edu.feedback.wording import difference, show, show_call
from goim_edu.lab.live_server import LiveServer
from goim_edu.protocol import Endpoint, Side, State
from goim_edu.server import ChatServer, ServerConfig, ServerConnection
from goim_edu.websocket.events import Event
from goim_edu.websocket.frames import Frame, build_frame, parse_frame
from goim_edu.websocket.handshake import generate_accept
from goim_edu.websocket.octets import Octets, as_octets

__all__ = ["Failure", "LearnersServer", "serve_with"]

NAMES: Final = ("generate_accept", "parse_frame", "apply_mask", "build_frame")
"""The functions that a learner can give to the server."""

_MOST_KEPT: Final = 20  # failures that are kept with their input
_BEHIND: Final = 16  # bytes of what follows a frame that parse_frame is shown
_ERRORS: Final = (IncompleteFrame, RemoteProtocolError)  # the subclass first


class Failure(NamedTuple):
    """One call that the package had to do.

    Args:
        name: of the function.
        args: what it was called with.
        fault: what was wrong, in words.
    """

    name: str
    args: tuple[Any, ...]
    fault: str


class _LearnersFunctions:
    """The learner's functions, and the result of each call."""

    def __init__(self, functions: dict[str, Callable[..., Any]]) -> None:
        self._by_name = functions
        self._lock = threading.Lock()
        self.calls = dict.fromkeys(functions, 0)
        self.failed = dict.fromkeys(functions, 0)
        self.given_up: set[str] = set()
        self.failures: list[Failure] = []
        self.faults: dict[str, str] = {}

    def ask(self, name: str, args: tuple[Any, ...], want: Outcome) -> Any:
        """The result of the learner's function, or None where the package must do it."""
        function = self._by_name.get(name)
        if function is None or name in self.given_up:
            return None
        # Prints are not kept: the cell that runs meanwhile may keep its own.
        got = call(function, args, blame=function, keep_prints=False)
        fault = _fault(want, got)
        with self._lock:
            self.calls[name] += 1
            if not fault:
                return got.value
            self.failed[name] += 1
            self.faults[name] = fault
            if got.stopped:  # a second for each frame would stop the server
                self.given_up.add(name)
            if len(self.failures) < _MOST_KEPT:
                self.failures.append(Failure(name, args, fault))
        return None

    def read(self, frame: Frame, consumed: int, data: bytes) -> bytes:
        """Read a frame that came with the learner's functions; return it as they saw it."""
        if frame.rsv1:
            return data[:consumed]  # the learner's parse_frame knows no compression
        seen = data[: consumed + _BEHIND]
        answer = self.ask("parse_frame", (seen,), Outcome(value=(frame, consumed)))
        if answer is not None:
            opcode, payload, fin, key, *_ = answer[0]
            frame = Frame(opcode, payload, bool(fin), key)
        if frame.mask_key is not None and frame.payload:
            masked = data[consumed - len(frame.payload) : consumed]
            plain = self.ask("apply_mask", (masked, frame.mask_key), Outcome(value=frame.payload))
            frame = frame if plain is None else frame._replace(payload=plain)
        return build_frame(frame.payload, frame.opcode, frame.fin, frame.mask_key)

    def write(self, frame: Frame, octets: bytes) -> bytes:
        """Write a frame that goes with the learner's function."""
        if frame.rsv1:
            return octets
        args = (frame.payload, int(frame.opcode), frame.fin, frame.mask_key)
        answer: bytes | None = self.ask("build_frame", args, Outcome(value=octets))
        return octets if answer is None else answer


def _fault(want: Outcome, got: Outcome) -> str:
    """What is wrong with an answer, in words; "" if it is right."""
    if got.stopped:
        return "it was still busy after a second; from now on the package does this"
    if got.error is not None:
        if want.error is not None and _kind(want.error) is _kind(got.error) is not None:
            return ""
        place = f" in {got.place}" if got.place else ""
        return f"it raised {got.error_line}{place}"
    if want.error is not None:
        return f"it gave back {show(got.value)} instead of raising {type(want.error).__name__}"
    if call(lambda: bool(got.value == want.value), (), keep_prints=False).value is True:
        return ""
    said = difference(want.value, got.value)
    return f"it gave back {show(got.value)}, right is {show(want.value)}. {said}".rstrip()


def _kind(error: BaseException) -> type[Exception] | None:
    return next((kind for kind in _ERRORS if isinstance(error, kind)), None)


class _LearnersEndpoint(Endpoint):
    """An endpoint that lets the learner's functions read what comes, frame by frame."""

    __slots__ = ("_functions", "_rest")

    def __init__(self, functions: _LearnersFunctions, **settings: Any) -> None:
        super().__init__(Side.SERVER, **settings)
        self._functions = functions
        self._rest = b""  # of a frame that is not complete yet

    def receive_data(self, data: Octets) -> list[Event]:
        """Take the bytes of the socket; the learner's functions read the frames first."""
        if self.state is not State.OPEN and self.state is not State.CLOSING:
            return super().receive_data(data)
        data, self._rest = self._rest + as_octets(data), b""
        read = []
        while data:
            try:
                frame, consumed = parse_frame(
                    data,
                    allow_rsv1=self.deflate is not None,
                    max_frame_size=self.limits.max_frame_size,
                )
            except IncompleteFrame as cut:
                self._functions.ask("parse_frame", (data,), Outcome(error=cut))
                self._rest = data
                break
            except RemoteProtocolError as error:
                if error.close_code == 1002:  # other bounds are the server's own
                    self._functions.ask("parse_frame", (data,), Outcome(error=error))
                read.append(data)
                break
            read.append(self._functions.read(frame, consumed, data))
            data = data[consumed:]
        return super().receive_data(b"".join(read))

    def accept(self, *args: Any, **settings: Any) -> bytes:
        """Agree; the accept value is the learner's."""
        octets = super().accept(*args, **settings)
        if self.request is None:
            return octets
        key = self.request.headers["sec-websocket-key"]
        right = generate_accept(key)
        answer = self._functions.ask("generate_accept", (key,), Outcome(value=right))
        return octets if answer is None else octets.replace(right.encode(), answer.encode(), 1)


class _LearnersTransport:
    """A transport that lets the learner's ``build_frame`` write each frame anew."""

    def __init__(self, transport: asyncio.Transport, functions: _LearnersFunctions) -> None:
        self._transport = transport
        self._functions = functions
        self._speaks: bool | None = None  # whether frames follow; None before the HTTP head
        self._rest = b""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What asyncio knows, except the socket: every byte must be written through here."""
        return default if name == "socket" else self._transport.get_extra_info(name, default)

    def write(self, data: bytes) -> None:
        """Write what the server sends, frames with the learner's function."""
        data, self._rest = self._rest + data, b""
        if self._speaks is None:
            head, end, frames = data.partition(b"\r\n\r\n")
            self._speaks = head.startswith(b"HTTP/1.1 101")
            self._transport.write(head + end)
            data = frames
        self._transport.write(self._rewrite(data) if self._speaks else data)

    def _rewrite(self, data: bytes) -> bytes:
        written = []
        while data:
            try:
                frame, consumed = parse_frame(data, allow_rsv1=True)
            except IncompleteFrame:
                self._rest = data
                break
            written.append(self._functions.write(frame, data[:consumed]))
            data = data[consumed:]
        return b"".join(written)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class _LearnersConnection(ServerConnection):
    """A connection that writes through the learner's functions."""

    __slots__ = ("_functions",)

    def __init__(
        self, server: ChatServer, endpoint: Endpoint, functions: _LearnersFunctions
    ) -> None:
        super().__init__(server, endpoint)
        self._functions = functions

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Put the learner's functions between us and the socket."""
        wrapped = _LearnersTransport(cast("asyncio.Transport", transport), self._functions)
        super().connection_made(cast("asyncio.BaseTransport", wrapped))


class _LearnersChatServer(ChatServer):
    """The chat server whose connections use the learner's functions."""

    functions: _LearnersFunctions

    def _make_connection(self) -> ServerConnection:
        endpoint = _LearnersEndpoint(self.functions, limits=self._limits, compression=self._deflate)
        return _LearnersConnection(self, endpoint, self.functions)


class LearnersServer(LiveServer):
    """A :class:`goim_edu.lab.LiveServer` on functions of your own; ``serve_with`` starts one.

    Args:
        functions: name -> function.
        settings: as for ``LiveServer``.

    Attributes:
        calls: name of each function -> how often it was called.
        failed: name of each function -> how often the package had to step in.
        failures: the calls that the package had to do, the first twenty.
        faults: name of each function that failed -> what was wrong the last time.
    """

    def __init__(self, functions: dict[str, Callable[..., Any]], **settings: Any) -> None:
        self._functions = _LearnersFunctions(functions)
        super().__init__(**settings)

    def _make_server(self, config: ServerConfig) -> ChatServer:
        server = _LearnersChatServer(config, self.store, tap=self._tap, page_key=self.key)
        server.functions = self._functions
        return server

    @property
    def calls(self) -> dict[str, int]:
        """Name of each function -> how often it was called."""
        return dict(self._functions.calls)

    @property
    def failed(self) -> dict[str, int]:
        """Name of each function -> how often the package had to step in."""
        return dict(self._functions.failed)

    @property
    def faults(self) -> dict[str, str]:
        """Name of each function that failed -> what was wrong the last time, in words."""
        return dict(self._functions.faults)

    @property
    def failures(self) -> list[Failure]:
        """The calls that the package had to do: at most twenty are kept."""
        return list(self._functions.failures)

    def report(self) -> Card:
        """What your functions have done so far, and with which inputs they failed."""
        calls, failed = self._functions.calls, self._functions.failed
        asked = sum(calls.values())
        good = not self._functions.failures
        title = "Your functions have not been needed yet"
        if asked:
            title = "Your functions run the server" if good else "The package had to step in"
        card = Card(title, passed=good if asked else None)
        rows = [(name, str(calls[name]), str(failed[name])) for name in NAMES if name in calls]
        card.table(rows, head=("function", "calls", "done by the package"))
        for failure in self._functions.failures[:3]:
            card.code(show_call(failure.name, failure.args))
            card.say(f"{failure.fault[0].upper()}{failure.fault[1:]}.".replace("..", "."))
        return card

    def __repr__(self) -> str:
        names = ", ".join(name for name in NAMES if name in self._functions.calls)
        return f"<LearnersServer: chat and echo on your own {names}>"


def serve_with(
    *,
    generate_accept: Callable[[str], str] | None = None,
    parse_frame: Callable[[bytes], tuple[Frame, int]] | None = None,
    apply_mask: Callable[[bytes, bytes], bytes] | None = None,
    build_frame: Callable[[bytes, int, bool, bytes | None], bytes] | None = None,
    mongo: str = "memory",
    name: str = "mine",
    **settings: Any,
) -> LearnersServer:
    """Start the live server on your own functions; the package has those that you do not give.

    Args:
        generate_accept: key -> accept value, as in exercise 02.2.
        parse_frame: bytes -> (frame, consumed), as in exercise 03.6.
        apply_mask: payload, key -> payload, as in exercise 04.2.
        build_frame: payload, opcode, fin, mask_key -> bytes, as in exercise 03.4.
        mongo: where messages go.
        name: a new server replaces the one of the same name.
        settings: more settings of the server, as for ``LiveServer``.

    Returns:
        The server: use it like any ``LiveServer``, and ask it for a ``report()``.

    Raises:
        TypeError: one of them is not a function, or is an ``async def``; or there is no setting
            of that name.

    >>> def my_build_frame(payload, opcode, fin, mask_key):
    ...     return bytes([0x80 | opcode, len(payload)]) + payload
    >>> import goim_edu.websocket.frames
    >>> with serve_with(build_frame=my_build_frame, name="example") as live:
    ...     [answer] = live.ask(goim_edu.websocket.frames.build_frame("Hello", mask_key=b"1234"))
    >>> answer, bool(live.report())
    (Frame(TEXT, b'Hello'), True)
    """
    given = {
        "generate_accept": generate_accept,
        "parse_frame": parse_frame,
        "apply_mask": apply_mask,
        "build_frame": build_frame,
    }
    for wrong in settings:
        if near := difflib.get_close_matches(wrong, NAMES, 1, 0.8):
            raise TypeError(f"there is no function {wrong!r} to give: did you mean {near[0]!r}?")
    functions = {key: _usable(key, one) for key, one in given.items() if one is not None}
    return LearnersServer(functions, mongo=mongo, name=name, **settings)


def _usable(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, if the server can call it."""
    if not callable(function):
        raise TypeError(f"{name} should be a function, without parentheses")
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"{name} should be a plain function: write `def`, not `async def`")
    return function
