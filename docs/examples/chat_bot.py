"""A bot that goes on where it was: it answers each question once, however often it is restarted.

    python chat_bot.py ws://127.0.0.1:8765/chat lobby state.json

A user that says ``!count`` in the room is told how many things they have said. ``chat.rooms``
is kept in a file after each message, so the next run begins behind it. If the bot ended between
the answer and the file, the answer is sent again under the same id, and stored once.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

from goim_edu.client import ChatClient


async def bot(uri: str, room: str, known: dict[str, int], keep: Callable[[str], object]) -> None:
    """Answer until the process ends."""
    async with ChatClient(uri, "bot", known) as chat:
        async for message in chat:
            if message.text == "!count":
                said = await chat.history(room, before_seq=message.seq, limit=message.seq)
                count = sum(one.user_id == message.user_id for one in said)
                answer = f"{message.user_id} has said {count} things"
                await chat.send(room, answer, client_msg_id=f"answer {message.seq}")
            keep(json.dumps(chat.rooms))


if __name__ == "__main__":
    uri, room, state = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    known = json.loads(state.read_text()) if state.exists() else {room: 0}
    asyncio.run(bot(uri, room, known, state.write_text))
