"""A server that is alone: what a room tells the other servers, where there are none."""

from __future__ import annotations

from typing import Final

from goim_edu.chat.ports import Company, Peers, StoredMessage

__all__ = ["NO_PEERS"]


class _NoPeers:
    """Nobody else serves this chat."""

    alone = True
    fill_delay = 0.0

    def stored(self, message: StoredMessage) -> None:
        """Nobody need be told."""

    def opened(self, room_id: str) -> None:
        """Nobody need be told."""

    def closed(self, room_id: str) -> None:
        """Nobody need be told."""

    def company(self, room_id: str) -> Company:
        """Nobody is elsewhere."""
        return ()

    def came(self, room_id: str, user_id: str) -> None:
        """Nobody need be told."""

    def went(self, room_id: str, user_id: str) -> None:
        """Nobody need be told."""

    def typing(self, room_id: str, user_id: str) -> None:
        """Nobody need be told."""

    def read(self, room_id: str, user_id: str, seq: int) -> None:
        """Nobody need be told."""


NO_PEERS: Final[Peers] = _NoPeers()
