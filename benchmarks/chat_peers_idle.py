"""Memory of 10,000 clients that are in a room of the chat and say nothing."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.chat_peers.measures import idle_memory
from benchmarks.chat_peers.servers import BROKERS, CHATS, Server
from benchmarks.chat_peers.turns import allow_files, missing, one_round
from benchmarks.rows import Progress, Row

__all__ = ["missing", "rows"]


def rows(quick: bool, progress: Progress, only: str = "") -> list[Row]:
    """One round: 10,000 connections in rooms of 200; 2,000 if it is to be quick.

    Raises:
        Missing: there is no mongod, or so many files may not be open.
    """
    number = 2_000 if quick else 10_000
    allow_files(number + 1_000)

    def measure(server: Server, _: str) -> Iterator[Row]:
        used = idle_memory(server, number)
        what = f"{number:,} idle members"
        yield Row("chat: idle", what, server.kind.name, "KiB for each connection", (used,), "lower")

    # Both event loops take the same for an idle connection, so goim_edu comes once.
    kinds = [kind for kind in (CHATS[0], *CHATS[2:], *BROKERS[1:]) if only in kind.name]
    return one_round(kinds, progress, f"chat, {number:,} idle", measure)
