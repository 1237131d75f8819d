"""What a connection calls back."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from goim_edu.websocket.events import Event

if TYPE_CHECKING:
    from goim_edu.transport.connection import Connection

__all__ = ["Handler"]


class Handler:
    """What sits on a connection and is called back; all methods do nothing unless overridden.

    Attributes:
        keeps_handshake: whether request and response are still needed when the connection is
            open. They are half of what an idle connection weighs, so they are dropped if not.
    """

    __slots__ = ()

    keeps_handshake: ClassVar[bool] = False

    def on_open(self, connection: Connection) -> None:
        """The handshake is done: messages may be sent."""

    def on_events(self, connection: Connection, events: list[Event]) -> None:
        """One read brought these; what is written now goes out in one write with its answers."""

    def on_deadline(self, connection: Connection) -> None:
        """The moment has come that ``connection.set_deadline`` named."""

    def on_end(self, connection: Connection) -> None:
        """From now on nothing can be sent; called once."""

    def on_lost(self, connection: Connection) -> None:
        """The socket is gone; called once, after ``on_end``."""

    def on_drained(self, connection: Connection) -> None:
        """What was written has left for the peer's side, after it had piled up."""

    def is_busy(self, connection: Connection) -> bool:
        """Whether it still has answers to messages that came before the peer's Close.

        If so, our Close waits until ``connection.finish_ending``, but at most a second.
        """
        return False
