"""The other servers, as one server sees them: each is alive while its heart beats.

No clocks are compared. A server counts its beats, and the others look how long they have seen no
new one, each on its own clock. That clock stands still while its owner does: one that was stopped
for a minute has not waited for anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["BEAT_EVERY", "DEAD_AFTER", "Clock", "Peer", "PeerTable"]

BEAT_EVERY: Final = 5.0
"""Seconds between two beats."""
DEAD_AFTER: Final = 15.0
"""Seconds without a new beat until a server is given up."""
_LONGEST_STEP: Final = 1.0  # seconds; what is longer was not spent waiting


class Clock:
    """Seconds that its owner was awake.

    Attributes:
        time: those seconds.
        stood_still: whether its owner was asleep before the last tick.

    >>> clock = Clock(100.0)
    >>> clock.tick(100.5), clock.tick(160.5), clock.stood_still, clock.tick(160.75)
    (0.5, 1.5, True, 1.75)
    """

    def __init__(self, now: float) -> None:
        self.time = 0.0
        self.stood_still = False
        self._last = now

    def tick(self, now: float) -> float:
        """Let it go on; to be called several times a second."""
        step = max(0.0, now - self._last)
        self.stood_still = step > _LONGEST_STEP
        self.time += min(step, _LONGEST_STEP)
        self._last = now
        return self.time


@dataclass(slots=True)
class Peer:
    """Another server.

    Attributes:
        server: its name, a new one in each of its lives.
        url: where it can be reached.
        beat: its last beat.
        seen: when that was seen, on our clock.
        draining: whether it is about to close.
        told: the number of its last bulletin; 0 before the first that we have seen.
    """

    server: str
    url: str
    beat: int
    seen: float
    draining: bool = False
    told: int = 0


class PeerTable:
    """All other servers that are alive.

    >>> table = PeerTable()
    >>> table.beat({"_id": "s2", "url": "ws://b/chat", "beat": 7}, at=1.0).url
    'ws://b/chat'
    >>> table.silent(now=16.5)
    [Peer(server='s2', url='ws://b/chat', beat=7, seen=1.0, draining=False, told=0)]
    """

    def __init__(self) -> None:
        self._peers: dict[str, Peer] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def __contains__(self, server: str) -> bool:
        return server in self._peers

    @property
    def serving(self) -> int:
        """How many take new clients."""
        return sum(not peer.draining for peer in self._peers.values())

    def servers(self) -> list[str]:
        """Their names."""
        return list(self._peers)

    def beat(self, document: Mapping[str, Any], at: float) -> Peer:
        """Note the beat of a server."""
        server, beat = str(document["_id"]), int(document.get("beat", 0))
        peer = self._peers.get(server)
        if peer is None:
            peer = self._peers[server] = Peer(server, str(document.get("url", "")), beat, at)
        elif beat > peer.beat:
            peer.beat, peer.seen = beat, at
        peer.draining = bool(document.get("draining"))
        return peer

    def hear(self, server: str, at: float) -> Peer:
        """A server has told something: it is alive, also if we have seen no beat of it yet."""
        peer = self._peers.get(server)
        if peer is None:
            peer = self._peers[server] = Peer(server, "", 0, at)
        return peer

    def silent(self, now: float) -> list[Peer]:
        """Those that have been silent for too long."""
        return [peer for peer in self._peers.values() if now - peer.seen > DEAD_AFTER]

    def forget(self, server: str) -> bool:
        """A server is gone; False if we did not know it."""
        return self._peers.pop(server, None) is not None
