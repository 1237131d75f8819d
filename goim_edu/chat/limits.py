"""What one client of the chat may ask for."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ChatLimits"]


@dataclass(frozen=True, slots=True)
class ChatLimits:
    """What one client may ask for.

    Args:
        max_text: characters of a message.
        max_rooms: rooms of a session.
        max_members: sessions in a room.
        rate: requests a second, in the long run.
        burst: requests at once.
        news: share of the time that presence, typing and read marks may take, over all rooms.
        presence_limit: users in a room up to which it tells who comes and goes; above it, how many
            there are, every ten seconds.
        presence_grace: seconds for which a user is still there whose connection was lost.
        missed: messages that ``join`` with ``since`` brings at most.
        hello_timeout: seconds from the opening handshake to the hello.

    >>> ChatLimits(burst=5).rate
    100.0
    """

    max_text: int = 4096
    max_rooms: int = 50
    max_members: int = 5000
    rate: float = 100.0
    burst: int = 500
    news: float = 0.1
    presence_limit: int = 200
    presence_grace: float = 8.0
    missed: int = 1000
    hello_timeout: float = 10.0
