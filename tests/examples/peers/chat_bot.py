"""The bot of ``docs/examples/chat_bot.py`` by hand, on ``websockets``."""

import asyncio
import json
import sys
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed


class Bot:
    """Answers until the process ends."""

    ws: ClientConnection

    def __init__(self, room: str, state: Path) -> None:
        self.room = room
        self.state = state
        self.seq = json.loads(state.read_text())[room] if state.exists() else 0
        self.early: deque[dict[str, Any]] = deque()

    async def ask(self, **request: Any) -> Any:
        """Ask until there is an answer; what comes before it is kept."""
        while True:
            await self.ws.send(json.dumps({"ref": "r", **request}))
            while (reply := json.loads(await self.ws.recv())).get("ref") != "r":
                self.early.append(reply)
            if reply["type"] != "error":
                return reply
            if reply["code"] not in ("unavailable", "rate_limited", "internal"):
                raise RuntimeError(reply["reason"])
            await asyncio.sleep(1)

    async def history(self, before: int) -> list[dict[str, Any]]:
        """All messages before a number."""
        found: list[dict[str, Any]] = []
        while True:
            page = await self.ask(type="history", room_id=self.room, before_seq=before, limit=200)
            found[:0] = page["messages"]
            if not page["has_more"]:
                return found
            before = found[0]["seq"]

    async def hear(self, message: dict[str, Any]) -> None:
        """Answer a message, and keep how far we are."""
        seq, user = message["seq"], message["user_id"]
        if seq <= self.seq:
            return
        if message["text"] == "!count":
            count = sum(one["user_id"] == user for one in await self.history(seq))
            answer = {"room_id": self.room, "text": f"{user} has said {count} things"}
            await self.ask(type="send", client_msg_id=f"answer {seq}", **answer)
        self.seq = seq
        self.state.write_text(json.dumps({self.room: seq}))

    async def talk(self, ws: ClientConnection) -> None:
        """Hear one connection out."""
        self.ws = ws
        self.early.clear()
        await self.ask(type="hello", user_id="bot")
        joined = await self.ask(type="join", room_id=self.room, since=self.seq)
        if joined["truncated"]:
            for message in await self.history(joined["last_seq"] + 1):
                await self.hear(message)
        while True:
            reply = self.early.popleft() if self.early else json.loads(await ws.recv())
            if reply["type"] == "message":
                await self.hear(reply)


async def main(uri: str, bot: Bot) -> None:
    """Connect again and again."""
    async for ws in connect(uri, subprotocols=["goim.v1.json"]):  # type: ignore[list-item]
        with suppress(ConnectionClosed):
            await bot.talk(ws)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Bot(sys.argv[2], Path(sys.argv[3]))))
