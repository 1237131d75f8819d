"""What a bulletin of another server means for a room here."""

from __future__ import annotations

from time import monotonic

from goim_edu.chat.ports import Moves, Whereabouts
from goim_edu.chat.room import Room
from goim_edu.cluster.bulletins import Bulletin, RoomNews

__all__ = ["hear_news"]


def hear_news(room: Room, bulletin: Bulletin, news: RoomNews) -> None:
    """Tell a room what is new in it at another server.

    Args:
        room: the room.
        bulletin: where it stands.
        news: the part of it that is about this room.
    """
    server, number = bulletin.server, bulletin.number
    if news.names is not None and room.gate.last is not None:
        room.meet([Whereabouts(server, number, news.names, news.member_count)])
    elif news.names is not None:
        room.hear_moves(Moves(server, number, news.names, (), news.member_count))
    elif news.moved:
        came = [name for name, here in news.moved.items() if here]
        went = [name for name, here in news.moved.items() if not here]
        room.hear_moves(Moves(server, number, came, went))
    for user_id in news.typing:
        room.hear_typing(user_id, monotonic())
    for user_id, seq in news.reads.items():
        room.hear_read(user_id, seq)
