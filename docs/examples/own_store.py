"""A chat server that keeps its messages in SQLite.

A store is any object with these methods (``goim_edu.server.ServerStore``). One thread does all, so
messages are numbered and answered in the order in which they come.
"""

import asyncio
import sqlite3
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, NamedTuple

from goim_edu.errors import DuplicateMessage
from goim_edu.server import ChatServer, ServerConfig

TABLES = """
CREATE TABLE IF NOT EXISTS messages (
    room_id TEXT, seq INTEGER, user_id TEXT, client_msg_id TEXT, text TEXT, created_at TEXT,
    PRIMARY KEY (room_id, seq), UNIQUE (user_id, client_msg_id));
CREATE TABLE IF NOT EXISTS marks (
    room_id TEXT, user_id TEXT, seq INTEGER, PRIMARY KEY (room_id, user_id));
"""


class Message(NamedTuple):
    """A stored message."""

    room_id: str
    seq: int
    user_id: str
    client_msg_id: str
    text: str
    created_at: datetime


class Saved(NamedTuple):
    """What became of a message."""

    message: Message
    duplicate: bool


class SqliteStore:
    """Messages in a file of SQLite."""

    def __init__(self, path: str) -> None:
        self.description = f"SQLite in {path}"
        self._thread = ThreadPoolExecutor(1)
        self._db: sqlite3.Connection = self.run(sqlite3.connect, path).result()
        self.run(self._db.executescript, TABLES).result()

    def submit_async(
        self, room_id: str, user_id: str, text: str, *, client_msg_id: str
    ) -> asyncio.Future[Any]:
        """Have a message stored."""
        return asyncio.wrap_future(self.run(self._insert, room_id, user_id, client_msg_id, text))

    def _insert(self, room_id: str, user_id: str, client_msg_id: str, text: str) -> Saved:
        same = "user_id = ? AND client_msg_id = ?"
        if found := self._select(same, user_id, client_msg_id):
            if found[0].room_id != room_id:  # the id was used up elsewhere
                raise DuplicateMessage(user_id, client_msg_id, seq=found[0].seq)
            return Saved(found[0], duplicate=True)
        now = datetime.now(UTC)
        message = Message(room_id, self.last_seq(room_id) + 1, user_id, client_msg_id, text, now)
        with self._db:
            row = (*message[:5], now.isoformat())
            self._db.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)", row)
        return Saved(message, duplicate=False)

    def _select(self, where: str, *values: Any) -> list[Message]:
        rows = self._db.execute(f"SELECT * FROM messages WHERE {where}", values)  # noqa: S608
        return [Message(*row)._replace(created_at=datetime.fromisoformat(row[5])) for row in rows]

    def history(
        self,
        room_id: str,
        *,
        before_seq: int | None = None,
        after_seq: int | None = None,
        limit: int = 50,
    ) -> list[Message]:
        """A page, ascending: the last below, or the first above a number."""
        if after_seq is not None:
            where = "room_id = ? AND seq > ? ORDER BY seq LIMIT ?"
            return self._select(where, room_id, after_seq, limit)
        below = self.last_seq(room_id) + 1 if before_seq is None else before_seq
        where = "room_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?"
        return self._select(where, room_id, below, limit)[::-1]

    def last_seq(self, room_id: str) -> int:
        """The highest number of a room."""
        question = "SELECT coalesce(max(seq), 0) FROM messages WHERE room_id = ?"
        return int(self._db.execute(question, [room_id]).fetchone()[0])

    def mark_read(self, room_id: str, user_id: str, seq: int) -> None:
        """Keep how far a user has read."""
        with self._db:
            self._db.execute("REPLACE INTO marks VALUES (?, ?, ?)", (room_id, user_id, seq))

    def run(self, function: Callable[..., Any], *args: Any, asker: object = None) -> Future[Any]:
        """Call it in the thread."""
        return self._thread.submit(function, *args)

    def forget(self, asker: object) -> None:
        """Nothing is kept for an asker."""

    def ping(self) -> float:
        """It is always there."""
        return 0.0

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all is stored."""
        self.run(int).result(timeout)
        return True

    def close(self) -> None:
        """Close the file."""
        self.run(self._db.close).result()
        self._thread.shutdown()


async def main(path: str = "chat.sqlite", port: int = 8765) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    store = SqliteStore(path)
    try:
        async with ChatServer(ServerConfig(port=port), store) as server:
            print(server.url, flush=True)
            await server.serve_until_signal()
    finally:
        store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
