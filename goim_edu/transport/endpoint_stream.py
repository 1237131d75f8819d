"""A watched stream with an endpoint: what was agreed on, and what is sent."""

from __future__ import annotations

from collections.abc import Sequence

from goim_edu.protocol import Endpoint, ExtensionOffer
from goim_edu.transport.engine import Engine, Tap
from goim_edu.transport.watched_stream import WatchedStream
from goim_edu.websocket.close import Close
from goim_edu.websocket.deflate import PerMessageDeflate
from goim_edu.websocket.handshake import Request, Response
from goim_edu.websocket.heartbeat import Heartbeat
from goim_edu.websocket.octets import Octets

__all__ = ["EndpointStream"]


class EndpointStream(WatchedStream):
    """A stream that speaks WebSocket.

    Args:
        engine: what it shares with the others.
        endpoint: the protocol at work.
        heartbeat: when to ping, or None.
        tap: is given every read and write.

    Attributes:
        path: the path that was asked for, without its query.
    """

    __slots__ = ("_endpoint", "path")

    def __init__(
        self, engine: Engine, endpoint: Endpoint, heartbeat: Heartbeat | None, tap: Tap | None
    ) -> None:
        super().__init__(engine, heartbeat, tap)
        self._endpoint = endpoint
        self.path = ""

    # ------------------------------------------------------------------ what the endpoint knows

    @property
    def summary(self) -> str:
        """Its number, side, state, peer and path, as a ``repr`` tells them."""
        host = f"[{self.remote}]" if ":" in self.remote else self.remote
        side = self._endpoint.side.value
        return f"{self.id} {side} {self.state.value} {host}:{self.port}{self.path}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.summary}>"

    @property
    def request(self) -> Request | None:
        """The client's request; None on a client, and where the handler does not keep it."""
        return self._endpoint.request

    @property
    def response(self) -> Response | None:
        """The server's response; None where the handler does not keep it."""
        return self._endpoint.response

    @property
    def subprotocol(self) -> str | None:
        """The agreed subprotocol, or None."""
        return self._endpoint.subprotocol

    @property
    def extensions(self) -> tuple[ExtensionOffer, ...]:
        """The agreed extensions."""
        return self._endpoint.extensions

    @property
    def deflate(self) -> PerMessageDeflate | None:
        """The agreed compression at work, or None."""
        return self._endpoint.deflate

    @property
    def close_code(self) -> int | None:
        """The peer's close code, 1005 if its Close gave none, 1006 if none came; None before."""
        return self._endpoint.close_code

    @property
    def close_reason(self) -> str:
        """The peer's reason."""
        return self._endpoint.close_reason

    @property
    def close_received(self) -> Close | None:
        """What the peer's Close said, or None if none came."""
        return self._endpoint.close_received

    @property
    def close_sent(self) -> Close | None:
        """What our own Close said, or None if we sent none."""
        return self._endpoint.close_sent

    # ------------------------------------------------------------------ what handlers send

    def send(self, data: str | Octets, *, compress: bool | None = None) -> None:
        """Send one message: text for str, binary for bytes.

        Args:
            data: the message.
            compress: whether to compress it; None does so if that was agreed on.

        Raises:
            LocalProtocolError: the connection is not open.
            TypeError: ``data`` is neither text nor octets.
        """
        if isinstance(data, str):
            self.write(self._endpoint.send_text(data, compress=compress))
        else:
            self.write(self._endpoint.send_binary(data, compress=compress))

    def send_many(self, messages: Sequence[str | Octets], *, compress: bool | None = None) -> None:
        """Send many messages in one piece; much quicker than one by one. Raises as ``send``."""
        self.write(self._endpoint.send_many(messages, compress=compress))

    def ping(self, payload: Octets) -> None:
        """Send a Ping with at most 125 octets. Raises as ``send``."""
        self.write(self._endpoint.ping(payload))
